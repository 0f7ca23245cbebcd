//! Devices: what is remembered of each, and forgetting one.

use axum::Json;
use axum::extract::State;
use halley_core::device::{DeviceKey, DeviceRecord};
use halley_core::session::KickReason;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::Segments;
use crate::routes::sessions::{Closed, close_those};
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(remove))
}

/// A user's devices, the one that logged in last first.
#[derive(Serialize, ToSchema)]
struct DeviceList {
    devices: Vec<DeviceRecordBody>,
}

/// What is remembered of a device.
#[derive(Serialize, ToSchema)]
struct DeviceRecordBody {
    /// Its name in the API.
    #[schema(example = "id:2f1c")]
    key: String,
    /// Its own id; empty when it has none.
    uuid: String,
    /// `phone`, `desktop` or `web`.
    #[schema(example = "phone")]
    class: &'static str,
    /// The dialect's own number: txchat 0 Android, 1 IOS, 2 Windows, 3 Linux, 4 MacOS, 5 Web.
    platform: i32,
    name: String,
    /// What the user goes by on it; empty when the client did not say.
    user_name: String,
    /// Whether a third party can push to it. The token itself is not shown.
    has_push_token: bool,
    /// Unix milliseconds.
    logged_in_ms: u64,
}

impl From<&DeviceRecord> for DeviceRecordBody {
    fn from(record: &DeviceRecord) -> Self {
        Self {
            key: record.key.0.to_string(),
            uuid: record.key.uuid().to_owned(),
            class: record.class.as_str(),
            platform: record.platform,
            name: record.name.to_string(),
            user_name: record.user_name.to_string(),
            has_push_token: !record.push_token.is_empty(),
            logged_in_ms: record.logged_in_ms,
        }
    }
}

/// A user's devices, the one that logged in last first.
#[utoipa::path(get, path = "/v1/apps/{app}/users/{uid}/devices", tag = "devices", operation_id = "devices_list", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id")), responses((status = 200, description = "The devices", body = DeviceList)))]
async fn list(
    State(shared): State<Shared>,
    Segments((app, uid)): Segments<(String, String)>,
) -> Result<Json<DeviceList>, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let mut records = shared.state.devices.of_user(app, user).await?;
    records.sort_by(|a, b| b.logged_in_ms.cmp(&a.logged_in_ms).then_with(|| a.key.cmp(&b.key)));
    Ok(Json(DeviceList { devices: records.iter().map(Into::into).collect() }))
}

/// Forgets a device with how far it has read, and closes its connections. When it logs in again it is a new one.
#[utoipa::path(delete, path = "/v1/apps/{app}/users/{uid}/devices/{key}", tag = "devices", operation_id = "device_remove", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), ("key" = String, Path, description = "The device's key, as the list gives it, percent-encoded")), responses((status = 200, description = "Forgotten", body = Closed)))]
async fn remove(
    State(shared): State<Shared>,
    Segments((app, uid, key)): Segments<(String, String, String)>,
) -> Result<Json<Closed>, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let key = DeviceKey(key.into());
    if !shared.state.devices.remove(app, user, key.clone()).await? {
        return Err(ApiError::UnknownDevice);
    }
    let closed = close_those(&shared, app, user, KickReason::DeviceForgotten, |session| {
        session.device.as_ref().is_some_and(|device| device.key == key)
    });
    Ok(Json(closed.await?))
}
