//! What the system itself says: to users, and to everybody online.

use axum::Json;
use axum::extract::State;
use halley_core::ports::business::SystemMessage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::content::ContentForm;
use crate::errors::ApiError;
use crate::extract::{Body, Object, Segments};
use crate::forms::{SystemContent, UserIdForm};
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(system)).routes(routes!(broadcast))
}

/// A system message to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SendSystem {
    #[schema(value_type = SystemTo)]
    to: Object<SystemTo>,
    /// Any type, 0 (system) included.
    #[schema(value_type = SystemContent)]
    content: Object<ContentForm>,
    /// The caller's idempotency key: a repetition within 24 hours says nothing again to who got it, and answers as the
    /// first call did. Clients see it as `key:number`, with the user's number. At most 200 bytes.
    #[schema(max_length = 200)]
    #[serde(default)]
    client_id: Option<String>,
}

/// To whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SystemTo {
    /// Ids of users, 1 to 10,000; an id that is new and no decimal gets a number.
    #[schema(value_type = Vec<UserIdForm>, min_items = 1, max_items = 10000, example = json!(["1", "2"]))]
    users: Vec<String>,
}

/// System messages that are durable.
#[derive(Serialize, ToSchema)]
struct SentSystem {
    /// One for each user, in the order of the call.
    messages: Vec<SentToUser>,
}

/// One user's.
#[derive(Serialize, ToSchema)]
struct SentToUser {
    user_id: String,
    message_id: String,
    /// Unix milliseconds.
    time_ms: u64,
}

/// Something to be said to everybody online.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Broadcast {
    #[schema(value_type = SystemContent)]
    content: Object<ContentForm>,
}

/// What was said.
#[derive(Serialize, ToSchema)]
struct BroadcastSent {
    message_id: String,
    /// Sessions that were sent it. A session whose window is full is not.
    sessions: usize,
}

/// Says something to users in the system's name: each gets a message of their own, kept for who is away. Durable when
/// answered. After an error some may have got it; repeat the call with the same `client_id`.
#[utoipa::path(post, path = "/v1/apps/{app}/system", tag = "messages", operation_id = "system_send", params(("app" = String, Path, description = "Name of the app")), request_body = SendSystem, responses((status = 200, description = "Durable", body = SentSystem)))]
async fn system(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
    Body(body): Body<SendSystem>,
) -> Result<Json<SentSystem>, ApiError> {
    let app = shared.app(&app).await?.id;
    let names = body.to.0.users;
    if names.is_empty() {
        return Err(ApiError::field("to.users", "must name a user at least"));
    }
    let content = body.content.0.content()?;
    let client_id = body.client_id.unwrap_or_default();
    if client_id.len() > CLIENT_ID_BYTES_MAX {
        return Err(ApiError::field("client_id", "must be at most 200 bytes"));
    }
    let users = shared.new_users(app, &names, "to.users").await?;
    let message = SystemMessage { app, users, content, client_id: client_id.into() };
    let placed = shared.state.entries.system(message).await?;
    let sent = names.into_iter().zip(placed).map(|(user_id, placed)| SentToUser {
        user_id,
        message_id: placed.id.to_string(),
        time_ms: placed.time_ms,
    });
    Ok(Json(SentSystem { messages: sent.collect() }))
}

/// With a user's number behind it, it is still one that every part takes.
const CLIENT_ID_BYTES_MAX: usize = 200;

/// Says something to everybody who is online now, in the system's name. It is in no history.
#[utoipa::path(post, path = "/v1/apps/{app}/broadcast", tag = "messages", operation_id = "broadcast", params(("app" = String, Path, description = "Name of the app")), request_body = Broadcast, responses((status = 200, description = "Sent to who is online", body = BroadcastSent)))]
async fn broadcast(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
    Body(body): Body<Broadcast>,
) -> Result<Json<BroadcastSent>, ApiError> {
    let app = shared.app(&app).await?.id;
    let content = body.content.0.content()?;
    let announced = shared.state.announcements.announce(app, content).await?;
    Ok(Json(BroadcastSent { message_id: announced.id.to_string(), sessions: announced.sessions }))
}
