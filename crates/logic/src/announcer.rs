//! Announcements: the system speaks to everybody online.

use std::sync::Arc;

use bytes::Bytes;
use halley_core::clock::Clock;
use halley_core::ids::{AppId, UserId};
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::msg_id::MsgIdGenerator;
use halley_core::ports::business::{Announced, Announcements, EntryError};
use halley_core::ports::gateways::{Gateways, Transient};
use halley_core::reply::Reply;
use halley_wire::limits::TXCHAT_BODY_BYTES_MAX;

use crate::size::message_len;

/// [`Announcements`] through the gateways.
pub struct Announcer {
    gateways: Arc<dyn Gateways>,
    ids: Arc<MsgIdGenerator>,
    clock: Arc<dyn Clock>,
}

impl Announcer {
    /// Through these gateways.
    #[must_use]
    pub fn new(gateways: Arc<dyn Gateways>, ids: Arc<MsgIdGenerator>, clock: Arc<dyn Clock>) -> Self {
        Self { gateways, ids, clock }
    }
}

impl Announcements for Announcer {
    fn announce(&self, app: AppId, content: Content) -> Reply<Result<Announced, EntryError>> {
        let now_ms = self.clock.now().wall_ms;
        let id = self.ids.next(now_ms);
        let message = Message {
            id,
            app,
            conversation: Conversation::System,
            from: UserId::SYSTEM,
            kind: EntryKind::MESSAGE,
            content,
            ext: Bytes::new(),
            client_id: Bytes::new(),
            time_ms: now_ms,
            device: Bytes::new(),
        };
        if message_len(&message, "", "") > TXCHAT_BODY_BYTES_MAX {
            return Reply::Ready(Err(EntryError::TooLarge));
        }
        let sessions = self.gateways.broadcast(app, Transient::Message(Arc::new(message)));
        Reply::later(async move { Ok(Announced { id, sessions: sessions.await }) })
    }
}
