//! Deduplication (ruling 2): the same key gives the same message within the window.

use xxhash_rust::xxh3::xxh3_128;

use crate::ids::{AppId, MsgId, UserId};
use crate::key::SyncKey;
use crate::message::{EntryKind, Message};
use crate::ports::PortError;
use crate::reply::Reply;

/// What a client repeats when it repeats a message. The hash is of bytes of the sender's own making, kept apart by app
/// and user: a collision could only hide a user's message from its own sender.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DedupKey {
    /// The app.
    pub app: AppId,
    /// The sender.
    pub user: UserId,
    /// XXH3-128 of the client's id.
    pub hash: u128,
}

impl DedupKey {
    /// The key of a client id; `None` for an empty one, which is never deduplicated.
    #[must_use]
    pub fn new(app: AppId, user: UserId, client_id: &[u8]) -> Option<Self> {
        (!client_id.is_empty()).then(|| Self { app, user, hash: xxh3_128(client_id) })
    }

    /// The key of a message.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        if message.kind != EntryKind::MESSAGE {
            return None;
        }
        Self::new(message.app, message.from, &message.client_id)
    }
}

/// The message a dedup key stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its id.
    pub id: MsgId,
    /// Its time, unix milliseconds.
    pub time_ms: u64,
    /// Its key.
    pub key: SyncKey,
}

/// How long a dedup key is remembered, in milliseconds: 24 hours.
pub const DEDUP_WINDOW_MS: u64 = 24 * 3_600_000;

/// Finds durable messages by dedup key. What is not durable yet is answer's own to know.
pub trait Dedup: Send + Sync {
    /// The message with this key that is within the window at `now_ms`.
    fn find(&self, key: DedupKey, now_ms: u64) -> Reply<Result<Option<Known>, PortError>>;
}
