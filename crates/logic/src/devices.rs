//! Devices at login: which may come back by themselves, which are remembered, and who is told (spec 6.2, ruling 8).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use halley_core::command::{ConnectRefused, ConnectRequest};
use halley_core::device::{
    DEVICE_KEY_BYTES_MAX, DEVICE_NAME_BYTES_MAX, DEVICES_MAX, DeviceClass, DeviceCursor, DeviceKey,
    DeviceRecord, PUSH_TOKEN_BYTES_MAX,
};
use halley_core::event::Login;
use halley_core::ids::{AppId, UserId};
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::ports::gateways::Transient;
use halley_core::reply::Reply;
use halley_core::session::SessionInfo;

use crate::auth::unavailable;
use crate::service::Ports;

impl Ports {
    /// Checks what a client says of its device, and whether it may come back by itself; answers what is remembered of the
    /// user's devices.
    pub(crate) async fn check_device(
        &self,
        request: &ConnectRequest,
        app: AppId,
        user: UserId,
    ) -> Result<Vec<DeviceRecord>, ConnectRefused> {
        let Some(device) = &request.device else { return Ok(Vec::new()) };
        let details = &request.details;
        let is_bounded = device.key.0.len() <= DEVICE_KEY_BYTES_MAX
            && device.name.len() <= DEVICE_NAME_BYTES_MAX
            && details.user_name.len() <= DEVICE_NAME_BYTES_MAX
            && details.push_token.len() <= PUSH_TOKEN_BYTES_MAX;
        if !is_bounded {
            return Err(ConnectRefused::Malformed);
        }
        let records = self.devices.of_user(app, user).await.map_err(unavailable)?;
        if details.is_reconnect && device.class == DeviceClass::Phone {
            veto(&records, &device.key)?;
        }
        Ok(records)
    }

    /// The device has logged in.
    pub(crate) fn remember_device(&self, request: ConnectRequest, app: AppId, user: UserId, now_ms: u64) {
        let Some(device) = request.device else { return };
        self.devices.put(DeviceRecord {
            app,
            user,
            key: device.key.clone(),
            class: device.class,
            platform: device.platform,
            name: Arc::clone(&device.name),
            user_name: request.details.user_name.into(),
            push_token: request.details.push_token.into(),
            logged_in_ms: now_ms,
        });
    }

    /// Forgets the devices least recently logged in until one more may be remembered.
    pub(crate) async fn make_room(
        &self,
        (app, user): (AppId, UserId),
        records: &[DeviceRecord],
        cursors: &[DeviceCursor],
    ) -> Result<(), ConnectRefused> {
        let mut seen: HashMap<&DeviceKey, u64> =
            cursors.iter().map(|cursor| (&cursor.device, cursor.updated_ms)).collect();
        // When it logged in, rather than when it read last; a device of an older version has its cursor only.
        seen.extend(records.iter().map(|record| (&record.key, record.logged_in_ms)));
        if seen.len() < DEVICES_MAX {
            return Ok(());
        }
        let mut oldest: Vec<_> = seen.into_iter().map(|(key, at_ms)| (at_ms, key)).collect();
        oldest.sort_unstable();
        let too_many = oldest.len() - DEVICES_MAX + 1;
        for (_, key) in &oldest[..too_many] {
            self.devices.remove(app, user, (*key).clone()).await.map_err(unavailable)?;
            self.metrics.devices_forgotten.inc();
        }
        Ok(())
    }

    /// Tells all sessions of the user, the new one included, that a device has logged in. What finds a queue or a window
    /// full is not told, and counted: nobody promised more.
    pub(crate) fn announce_login(&self, session: &SessionInfo) {
        let Some(device) = &session.device else { return };
        let login = Login {
            uuid: device.key.uuid().to_owned(),
            platform: device.platform,
            name: device.name.to_string(),
            time_ms: session.since_ms,
        };
        let message = Arc::new(Message {
            id: self.ids.next(session.since_ms),
            app: session.app,
            conversation: Conversation::User(session.user),
            from: session.user,
            kind: EntryKind::LOGIN,
            content: Content { kind: 0, bytes: login.encode() },
            ext: Bytes::new(),
            client_id: Bytes::new(),
            time_ms: session.since_ms,
            device: Bytes::new(),
        });
        match self.directory.sessions(session.app, session.user) {
            Reply::Ready(Ok(sessions)) => {
                for one in sessions {
                    // What becomes of it is counted where it is decided.
                    let _told = self.gateways.push(one.addr, Transient::Message(Arc::clone(&message)));
                }
            }
            Reply::Ready(Err(error)) => tracing::warn!(%error, "a login could not be announced"),
            Reply::Later(_) | Reply::Taken => {}
        }
    }
}

/// A phone may not come back by itself when another phone of the user's has logged in since.
fn veto(records: &[DeviceRecord], own: &DeviceKey) -> Result<(), ConnectRefused> {
    let phones = || records.iter().filter(|record| record.class == DeviceClass::Phone);
    let own_ms = phones().find(|record| record.key == *own).map(|record| record.logged_in_ms);
    let newest = phones().filter(|record| record.key != *own).max_by_key(|record| record.logged_in_ms);
    match newest {
        Some(newest) if own_ms.is_none_or(|own_ms| newest.logged_in_ms > own_ms) => {
            Err(ConnectRefused::NewerDevice(Box::new(Login {
                uuid: newest.key.uuid().to_owned(),
                platform: newest.platform,
                name: newest.name.to_string(),
                time_ms: newest.logged_in_ms,
            })))
        }
        _ => Ok(()),
    }
}
