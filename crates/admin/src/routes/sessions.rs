//! Sessions: who is online with what, and kicks.

use axum::Json;
use axum::extract::State;
use halley_core::device::{Device, DeviceRecord};
use halley_core::ids::{AppId, UserId};
use halley_core::session::{ConnAddr, KickReason, SessionInfo};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::Segments;
use crate::state::{Inner, Shared};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, kick_all)).routes(routes!(kick))
}

/// A user's sessions, oldest first.
#[derive(Serialize, ToSchema)]
struct SessionList {
    sessions: Vec<SessionBody>,
}

/// An authenticated connection.
#[derive(Serialize, ToSchema)]
struct SessionBody {
    /// Its id, which is the connection's key in gRPC calls: node, bucket and connection.
    #[schema(example = "0.1.42")]
    session: String,
    #[schema(example = "1")]
    user_id: String,
    #[schema(example = "txchat_tcp")]
    transport: &'static str,
    #[schema(example = "192.0.2.1:50000")]
    remote: String,
    /// Unix milliseconds.
    since_ms: u64,
    /// Null when the client named none.
    device: Option<DeviceBody>,
}

/// What a client said of its device.
#[derive(Serialize, ToSchema)]
struct DeviceBody {
    key: String,
    /// `phone`, `desktop` or `web`.
    #[schema(example = "phone")]
    class: &'static str,
    /// The dialect's own number: txchat 0 Android, 1 IOS, 2 Windows, 3 Linux, 4 MacOS, 5 Web.
    platform: i32,
    name: String,
    /// What the user goes by on it; empty when the client did not say.
    user_name: String,
}

/// How many connections were told to close.
#[derive(Serialize, ToSchema)]
pub(crate) struct Closed {
    closed: usize,
    /// These could not be told: their queue was full, or they were gone already. Repeat the call.
    unreached: usize,
}

impl Closed {
    /// How many were told.
    pub(crate) fn count(&self) -> usize {
        self.closed
    }
}

impl SessionBody {
    fn new(info: &SessionInfo, records: &[DeviceRecord]) -> Self {
        let record = |device: &Device| records.iter().find(|record| record.key == device.key);
        Self {
            session: info.addr.to_string(),
            user_id: info.user_name.to_string(),
            transport: info.transport.as_str(),
            remote: info.remote.to_string(),
            since_ms: info.since_ms,
            device: info.device.as_ref().map(|device| DeviceBody {
                key: device.key.0.to_string(),
                class: device.class.as_str(),
                platform: device.platform,
                name: device.name.to_string(),
                user_name: record(device).map(|record| record.user_name.to_string()).unwrap_or_default(),
            }),
        }
    }
}

/// Tells all connections of a user to close.
pub(crate) async fn close_all(
    inner: &Inner,
    app: AppId,
    user: UserId,
    reason: KickReason,
) -> Result<Closed, ApiError> {
    close_those(inner, app, user, reason, |_| true).await
}

/// Tells those connections of a user to close.
pub(crate) async fn close_those(
    inner: &Inner,
    app: AppId,
    user: UserId,
    reason: KickReason,
    which: impl Fn(&SessionInfo) -> bool,
) -> Result<Closed, ApiError> {
    let mut sessions = inner.state.directory.sessions(app, user).await?;
    sessions.retain(which);
    let gateways = &inner.state.gateways;
    let told = |session: &&SessionInfo| gateways.kick(session.addr, reason);
    let closed = sessions.iter().filter(told).count();
    Ok(Closed { closed, unreached: sessions.len() - closed })
}

/// A user's sessions, oldest first.
#[utoipa::path(get, path = "/v1/apps/{app}/users/{uid}/sessions", tag = "sessions", operation_id = "sessions_list", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id")), responses((status = 200, description = "The sessions", body = SessionList)))]
async fn list(
    State(shared): State<Shared>,
    Segments((app, uid)): Segments<(String, String)>,
) -> Result<Json<SessionList>, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let sessions = shared.state.directory.sessions(app, user).await?;
    let records = shared.state.devices.of_user(app, user).await?;
    Ok(Json(SessionList { sessions: sessions.iter().map(|info| SessionBody::new(info, &records)).collect() }))
}

/// Closes all sessions of a user.
#[utoipa::path(delete, path = "/v1/apps/{app}/users/{uid}/sessions", tag = "sessions", operation_id = "sessions_kick", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id")), responses((status = 200, description = "Told to close", body = Closed)))]
async fn kick_all(
    State(shared): State<Shared>,
    Segments((app, uid)): Segments<(String, String)>,
) -> Result<Json<Closed>, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    Ok(Json(close_all(&shared, app, user, KickReason::Operator).await?))
}

/// Closes one session of a user.
#[utoipa::path(delete, path = "/v1/apps/{app}/users/{uid}/sessions/{session}", tag = "sessions", operation_id = "session_kick", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), ("session" = String, Path, description = "The session's id, as the list gives it")), responses((status = 200, description = "Told to close", body = Closed)))]
async fn kick(
    State(shared): State<Shared>,
    Segments((app, uid, session)): Segments<(String, String, String)>,
) -> Result<Json<Closed>, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let addr: ConnAddr = session.parse().map_err(|_| ApiError::UnknownSession)?;
    let sessions = shared.state.directory.sessions(app, user).await?;
    if !sessions.iter().any(|info| info.addr == addr) {
        return Err(ApiError::UnknownSession);
    }
    if !shared.state.gateways.kick(addr, KickReason::Operator) {
        return Err(ApiError::Unreached);
    }
    Ok(Json(Closed { closed: 1, unreached: 0 }))
}
