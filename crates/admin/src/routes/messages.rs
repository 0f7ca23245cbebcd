//! Messages in users' names.

use axum::Json;
use axum::extract::State;
use halley_core::command::{SendOutcome, Target};
use halley_core::ids::{GroupId, UserId};
use halley_core::message::Content;
use halley_core::ports::business::BusinessSend;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::content;
use crate::errors::ApiError;
use crate::extract::{Body, Object, Segments};
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(send))
}

/// A message to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SendMessage {
    /// The user in whose name; an id that is new and no decimal gets a number.
    #[schema(example = "1")]
    from: String,
    #[schema(value_type = To)]
    to: Object<To>,
    #[schema(value_type = ContentForm)]
    content: Object<ContentForm>,
    /// The caller's idempotency key: a repetition within 24 hours answers as the first call did. Without one every
    /// call sends a message.
    #[serde(default)]
    client_id: Option<String>,
}

/// To whom: exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct To {
    /// A user's id; it must be known.
    #[schema(example = "2")]
    user: Option<String>,
    /// A group's id.
    group: Option<String>,
}

/// What: `text`, or `type` with `body`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ContentForm {
    /// A text; the type is 1.
    text: Option<String>,
    /// The content's type, as the txchat dialect numbers them.
    #[serde(rename = "type")]
    kind: Option<i32>,
    /// The content's bytes, base64 (standard alphabet, padded).
    body: Option<String>,
}

/// A message that is durable.
#[derive(Serialize, ToSchema)]
struct Sent {
    message_id: String,
    /// Unix milliseconds.
    time_ms: u64,
}

impl To {
    fn target(self) -> Result<Target, ApiError> {
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

impl ContentForm {
    fn content(self) -> Result<Content, ApiError> {
        match (self.text, self.kind, self.body) {
            (Some(text), None, None) => Ok(content::text(&text)),
            (Some(_), Some(_), _) => Err(ApiError::field("content.type", "cannot be given with text")),
            (Some(_), None, Some(_)) => Err(ApiError::field("content.body", "cannot be given with text")),
            (None, Some(kind), Some(body)) => {
                let bytes = content::from_base64(&body)
                    .ok_or_else(|| ApiError::field("content.body", "is not padded standard base64"))?;
                Ok(Content { kind, bytes })
            }
            (None, Some(_), None) => Err(ApiError::field("content.body", "must be given with type")),
            (None, None, Some(_)) => Err(ApiError::field("content.type", "must be given with body")),
            (None, None, None) => Err(ApiError::field("content", "text, or type with body, must be given")),
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
