//! Auth: the login of a client (spec 1.3, 2.6).

use std::sync::Arc;

use halley_core::command::LoginDetails;
use halley_core::device::{Device, DeviceClass, DeviceKey};
use halley_core::event::Login;
use halley_wire::txchat::pb;
use prost::Message as _;
use thiserror::Error;

/// The body of an Auth frame, or its `ext`, cannot be read: refused like a bad token (spec 1.4).
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the login is not decodable")]
pub(crate) struct LoginError;

/// A login, in our words.
pub(crate) struct LoginRequest {
    pub(crate) app: Box<str>,
    pub(crate) token: Box<str>,
    /// Absent without `ext`: then the connection works, and its cursor is not kept.
    pub(crate) device: Option<Arc<Device>>,
    pub(crate) details: LoginDetails,
}

/// Reads the body of an Auth frame.
pub(crate) fn login(body: &[u8]) -> Result<LoginRequest, LoginError> {
    let auth = pb::AuthMsg::decode(body).map_err(|_| LoginError)?;
    let (device, details) = if auth.ext.is_empty() {
        (None, LoginDetails::default())
    } else {
        let login = pb::Login::decode(&auth.ext[..]).map_err(|_| LoginError)?;
        (Some(Arc::new(device_of(&login))), details_of(login))
    };
    Ok(LoginRequest { app: auth.app_id.into(), token: auth.token.into(), device, details })
}

/// A login as the dialect tells it: in a signal, and as the body of the AuthReply that refuses a reconnect (spec 1.3).
pub(crate) fn endpoint_login(login: &Login) -> Vec<u8> {
    let body = pb::SignalEndpointLogin {
        uuid: login.uuid.clone(),
        device: login.platform,
        device_name: login.name.clone(),
        datetime: login.time_ms,
    };
    body.encode_to_vec()
}

fn details_of(login: pb::Login) -> LoginDetails {
    LoginDetails {
        user_name: login.username.into(),
        push_token: login.device_token.into(),
        is_reconnect: login.conn_type == pb::ConnType::Reconnect as i32,
    }
}

fn device_of(login: &pb::Login) -> Device {
    // Spec 2.6: Android 0, IOS 1, Windows 2, Linux 3, MacOS 4, Web 5. An unknown number is some new phone.
    let class = match login.device {
        2..=4 => DeviceClass::Desktop,
        5 => DeviceClass::Web,
        _ => DeviceClass::Phone,
    };
    Device {
        key: DeviceKey::new(&login.uuid, class, &login.device_name),
        class,
        platform: login.device,
        name: login.device_name.as_str().into(),
    }
}
