//! Whether every dialect can show an entry in one frame (ruling 5). What clients send is checked by answer.

use std::borrow::Cow;
use std::sync::Arc;

use halley_core::ids::{AppId, UserId};
use halley_core::message::{Conversation, EntryKind, Message};
use halley_core::ports::accounts::Users;
use halley_core::ports::business::EntryError;
use halley_wire::limits::TXCHAT_BODY_BYTES_MAX;
use halley_wire::txchat::{Common, Signal};

/// More than all fields but content, ext and client id can take.
const SMALL_ENOUGH_MARGIN: usize = 512;

pub(crate) async fn check_size(message: &Message, users: &dyn Users) -> Result<(), EntryError> {
    let parts = message.content.bytes.len() + message.ext.len() + message.client_id.len();
    // Names are at most 128 bytes each; only a message near the limit needs to know them.
    if parts + SMALL_ENOUGH_MARGIN <= TXCHAT_BODY_BYTES_MAX {
        return Ok(());
    }
    let bytes =
        if message.kind == EntryKind::SIGNAL { signal_len(message) } else { len(message, users).await? };
    if bytes > TXCHAT_BODY_BYTES_MAX { Err(EntryError::TooLarge) } else { Ok(()) }
}

fn signal_len(message: &Message) -> usize {
    let body = &message.content.bytes;
    Signal { kind: message.content.kind, body, sid: message.id.0, reliable: true }.encoded_len()
}

async fn len(message: &Message, users: &dyn Users) -> Result<usize, EntryError> {
    let from = name(message.app, message.from, users).await?;
    let target = match message.conversation {
        Conversation::User(user) => name(message.app, user, users).await?,
        Conversation::Group(group) => group.to_string().into(),
        Conversation::System => Arc::default(),
    };
    Ok(message_len(message, &from, &target))
}

/// Bytes of a message between these two names.
pub(crate) fn message_len(message: &Message, from: &str, target: &str) -> usize {
    let shown = Common {
        channel_type: i32::from(matches!(message.conversation, Conversation::Group(_))),
        mid: message.id.0,
        seq: str::from_utf8(&message.client_id).unwrap_or_default(),
        from,
        target,
        msg_type: message.content.kind,
        msg: &message.content.bytes,
        datetime: message.time_ms,
        source: None,
        reference: None,
        unknown: Cow::Borrowed(&message.ext),
    };
    shown.encoded_len()
}

async fn name(app: AppId, user: UserId, users: &dyn Users) -> Result<Arc<str>, EntryError> {
    if user == UserId::SYSTEM {
        return Ok(Arc::default());
    }
    Ok(users.name(app, user).await?.unwrap_or_default())
}
