//! Messages in users' names.

use axum::Json;
use axum::extract::State;
use halley_core::command::{SendOutcome, Target};
use halley_core::ids::{GroupId, UserId};
use halley_core::ports::business::{BusinessSend, Revoke};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::content::ContentForm;
use crate::errors::ApiError;
use crate::extract::{Body, Object, Segments};
use crate::forms::{ToForm, UserContent, UserIdForm};
use crate::lookup::{Names, message_id};
use crate::routes::message_body::MessageBody;
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(send)).routes(routes!(get)).routes(routes!(revoke))
}

/// A message to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SendMessage {
    /// The user in whose name; an id that is new and no decimal gets a number.
    #[schema(value_type = UserIdForm)]
    from: String,
    #[schema(value_type = ToForm)]
    to: Object<To>,
    #[schema(value_type = UserContent)]
    content: Object<ContentForm>,
    /// The caller's idempotency key: a repetition within 24 hours answers as the first call did. Without one every
    /// call sends a message. At most 255 bytes.
    #[schema(max_length = 255)]
    #[serde(default)]
    client_id: Option<String>,
}

/// To whom: exactly one of `user` and `group`. The document's form of it is `ToForm`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    /// A user's id; it must be known.
    user: Option<String>,
    /// A group's id.
    group: Option<String>,
    /// A room's id; refused, this version has none.
    room: Option<String>,
}

/// A message that is durable.
#[derive(Serialize, ToSchema)]
struct Sent {
    message_id: String,
    /// Unix milliseconds.
    time_ms: u64,
}

/// A message at its place.
#[derive(Serialize, ToSchema)]
struct FoundMessage {
    /// Its key in all its timelines.
    key: String,
    message: MessageBody,
}

/// Who takes a message back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RevokeMessage {
    /// The user in whose name: the message's author, or the group's owner or an admin.
    #[schema(value_type = UserIdForm)]
    operator: String,
}

/// A message that is revoked.
#[derive(Serialize, ToSchema)]
struct RevokedMessage {
    message_id: String,
    /// Who revoked it; of a repetition who did so first.
    revoked_by: String,
    /// It was revoked before this call, which changed nothing.
    repeated: bool,
}

impl To {
    fn target(self) -> Result<Target, ApiError> {
        if self.room.is_some() && self.user.is_none() && self.group.is_none() {
            return Err(ApiError::NoRooms);
        }
        if self.room.is_some() {
            return Err(ApiError::field("to.room", "cannot be given with to.user or to.group"));
        }
        match (self.user, self.group) {
            (Some(user), None) => Ok(match UserId::from_decimal(&user) {
                Some(user) => Target::User(user),
                None => Target::UserNamed(user.into()),
            }),
            (None, Some(group)) => Ok(GroupId::from_decimal(&group).map_or(Target::NoGroup, Target::Group)),
            (Some(_), Some(_)) => Err(ApiError::field("to.group", "cannot be given with to.user")),
            (None, None) => Err(ApiError::field("to", "either user or group must be given")),
        }
    }
}

/// Sends a message in a user's name, in one order with what that user sends. Durable when answered.
#[utoipa::path(post, path = "/v1/apps/{app}/messages", tag = "messages", operation_id = "message_send", params(("app" = String, Path, description = "Name of the app")), request_body = SendMessage, responses((status = 200, description = "Durable", body = Sent)))]
async fn send(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
    Body(body): Body<SendMessage>,
) -> Result<Json<Sent>, ApiError> {
    let app = shared.app(&app).await?.id;
    let target = body.to.0.target()?;
    let content = body.content.0.content()?;
    let send = BusinessSend {
        app,
        from: shared.new_user(app, &body.from, "from").await?,
        target,
        content,
        client_id: body.client_id.unwrap_or_default().into(),
    };
    match shared.state.messages.send(send).await? {
        SendOutcome::Accepted { id, time_ms } => Ok(Json(Sent { message_id: id.to_string(), time_ms })),
        SendOutcome::Refused(refusal) => Err(refusal.into()),
    }
}

/// A message by its id. Of one that was revoked the content is not shown.
#[utoipa::path(get, path = "/v1/apps/{app}/messages/{mid}", tag = "messages", operation_id = "message_get", params(("app" = String, Path, description = "Name of the app"), ("mid" = String, Path, description = "The message's id")), responses((status = 200, description = "The message", body = FoundMessage)))]
async fn get(
    State(shared): State<Shared>,
    Segments((app, mid)): Segments<(String, String)>,
) -> Result<Json<FoundMessage>, ApiError> {
    let app = shared.app(&app).await?.id;
    let id = message_id(&mid, "mid")?;
    let found = shared.state.message_lookup.find_message(app, id).await?;
    let entry = found.ok_or(ApiError::UnknownMessage)?;
    let mut names = Names::new(&shared, app);
    let message = MessageBody::of(&entry.record.message, &mut names).await?;
    Ok(Json(FoundMessage { key: entry.key.to_string(), message }))
}

/// Takes a message back: history and offline devices no longer get its content, clients that have it get the Revoke signal.
/// An author may within the app's `revoke_within_s`; in a group its owner may at any time, and so may admins, unless the
/// message is the owner's. Durable when answered. A repetition changes nothing and is answered alike.
#[utoipa::path(post, path = "/v1/apps/{app}/messages/{mid}/revoke", tag = "messages", operation_id = "message_revoke", params(("app" = String, Path, description = "Name of the app"), ("mid" = String, Path, description = "The message's id")), request_body = RevokeMessage, responses((status = 200, description = "Revoked", body = RevokedMessage)))]
async fn revoke(
    State(shared): State<Shared>,
    Segments((app, mid)): Segments<(String, String)>,
    Body(body): Body<RevokeMessage>,
) -> Result<Json<RevokedMessage>, ApiError> {
    let app = shared.app(&app).await?.id;
    let message = message_id(&mid, "mid")?;
    let operator = shared.known_user(app, &body.operator).await?;
    let revoked = shared.state.revocations.revoke(Revoke { app, message, operator }).await?;
    let revoked_by = Names::new(&shared, app).of(revoked.by).await?;
    Ok(Json(RevokedMessage { message_id: mid, revoked_by, repeated: revoked.is_repetition }))
}
