//! A message as history shows it.

use halley_core::event::{Revocation, receipt_ids};
use halley_core::ids::UserId;
use halley_core::message::{Conversation, EntryKind, Message};
use serde::Serialize;
use utoipa::ToSchema;

use crate::content;
use crate::errors::ApiError;
use crate::lookup::Names;

/// A message, or another entry of a timeline.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageBody {
    id: String,
    /// Null when no user sent it.
    from: Option<String>,
    /// Null for the system's own.
    to: Option<Party>,
    /// `message`; `signal` for a durable signal of the txchat dialect; `revocation`, `receipt`, `group_change`.
    #[schema(example = "message")]
    kind: &'static str,
    /// True for a message that was revoked; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<bool>,
    /// Who revoked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_by: Option<String>,
    /// Of a revocation the message it revokes, of a receipt the messages that have reached their reader; else absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_ids: Option<Vec<String>>,
    /// The content's type; of a signal the signal's. Absent when it was revoked, like `text` and `body`.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<i32>,
    /// Of a text that is not encrypted; else null.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Option<String>>,
    /// The content's bytes, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The sender's idempotency key; may be empty.
    client_id: String,
    /// Unix milliseconds.
    time_ms: u64,
}

/// To whom.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Party {
    User(String),
    Group(String),
}

/// What an entry is called; `None` for what this version does not know, which is not listed.
pub(crate) fn kind_name(kind: EntryKind) -> Option<&'static str> {
    match kind {
        EntryKind::MESSAGE | EntryKind::REVOKED => Some("message"),
        EntryKind::GROUP_CHANGE => Some("group_change"),
        EntryKind::SIGNAL => Some("signal"),
        EntryKind::REVOCATION => Some("revocation"),
        EntryKind::RECEIPT => Some("receipt"),
        _ => None,
    }
}

impl MessageBody {
    pub(crate) async fn of(message: &Message, names: &mut Names<'_>) -> Result<Self, ApiError> {
        let from = if message.from == UserId::SYSTEM { None } else { Some(names.of(message.from).await?) };
        let to = match message.conversation {
            Conversation::User(user) => Some(Party::User(names.of(user).await?)),
            Conversation::Group(group) => Some(Party::Group(group.to_string())),
            Conversation::System => None,
        };
        let is_revoked = message.kind == EntryKind::REVOKED;
        let revocation = match message.kind {
            EntryKind::REVOKED | EntryKind::REVOCATION => Revocation::decode(&message.content.bytes),
            _ => None,
        };
        let revoked_by = match revocation {
            Some(revocation) if is_revoked => Some(names.of(revocation.operator()).await?),
            _ => None,
        };
        let message_ids = match message.kind {
            EntryKind::REVOCATION => revocation.map(|it| vec![it.message().to_string()]),
            EntryKind::RECEIPT => {
                Some(receipt_ids(&message.content.bytes).map(|id| id.to_string()).collect())
            }
            _ => None,
        };
        let is_message = message.kind == EntryKind::MESSAGE;
        let shown = (!is_revoked).then_some(&message.content);
        Ok(Self {
            id: message.id.to_string(),
            from,
            to,
            kind: kind_name(message.kind).unwrap_or("other"),
            revoked: is_revoked.then_some(true),
            revoked_by,
            message_ids,
            r#type: shown.map(|content| content.kind),
            text: shown.map(|content| is_message.then(|| content::text_of(content)).flatten()),
            body: shown.map(|content| content::to_base64(&content.bytes)),
            client_id: String::from_utf8_lossy(&message.client_id).into_owned(),
            time_ms: message.time_ms,
        })
    }
}
