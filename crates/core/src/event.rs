//! What entries that are not messages say. Each is the content of a [`crate::message::Message`] of its kind; a dialect
//! shows it in its own words.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{MsgId, UserId};
use crate::key::SyncKey;
use crate::message::{Content, EntryKind, Message};
use crate::record::{Entry, Record};

/// A message is revoked (JSON; unknown fields are ignored). The entry stands in the timelines of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revocation {
    /// The message.
    pub message: i64,
    /// Its key: the same in all its timelines.
    pub key: i64,
    /// Who revoked it.
    pub operator: i64,
    /// Whether that was its sender.
    pub by_sender: bool,
}

impl Revocation {
    /// The content of an entry.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        // Four numbers have no way to fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads the content of an entry; `None` when it is not one.
    #[must_use]
    pub fn decode(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> MsgId {
        MsgId(self.message)
    }

    /// The message's key.
    #[must_use]
    pub fn key(&self) -> Option<SyncKey> {
        SyncKey::from_raw(self.key)
    }

    /// Who revoked it.
    #[must_use]
    pub fn operator(&self) -> UserId {
        UserId(self.operator)
    }
}

/// A revocation at its place: what is known of a message that is revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RevokedBy {
    /// The revocation's key.
    pub key: SyncKey,
    /// Who revoked it.
    pub operator: UserId,
    /// Whether that was its sender.
    pub by_sender: bool,
}

impl RevokedBy {
    /// The message's key and what revoked it, if this entry is a revocation. One that does not parse, or points at what
    /// is not below it, was written by a newer version or by nobody: it revokes nothing.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<(SyncKey, Self)> {
        let message = &entry.record.message;
        if message.kind != EntryKind::REVOCATION {
            return None;
        }
        let revocation = Revocation::decode(&message.content.bytes)?;
        let (key, operator) = (revocation.key()?, revocation.operator());
        let revoked_by = Self { key: entry.key, operator, by_sender: revocation.by_sender };
        (key < entry.key).then_some((key, revoked_by))
    }

    /// The entry as reads show it from then on: of the kind [`EntryKind::REVOKED`], its content the [`Revocation`]. What
    /// is no message is not changed by it.
    #[must_use]
    pub fn show(&self, entry: &Entry) -> Entry {
        let message = &entry.record.message;
        if message.kind != EntryKind::MESSAGE {
            return entry.clone();
        }
        let revocation = Revocation {
            message: message.id.0,
            key: entry.key.raw(),
            operator: self.operator.0,
            by_sender: self.by_sender,
        };
        let message = Message {
            kind: EntryKind::REVOKED,
            content: Content { kind: 0, bytes: revocation.encode() },
            ext: Bytes::new(),
            ..message.clone()
        };
        let record = Arc::new(Record { message, targets: entry.record.targets.clone() });
        Entry { key: entry.key, record }
    }
}

/// A device of a user has logged in (JSON).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Login {
    /// The device's own id; empty when it has none.
    pub uuid: String,
    /// The dialect's number of its type (txchat `Device`, spec 2.6).
    pub platform: i32,
    /// Its name, for people.
    pub name: String,
    /// When, unix milliseconds.
    pub time_ms: u64,
}

impl Login {
    /// The content of an entry.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        // Strings and numbers have no way to fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// Reads the content of an entry; `None` when it is not one.
    #[must_use]
    pub fn decode(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }
}

/// The content of a receipt: the messages that have reached the reader, eight bytes each, big-endian.
#[must_use]
pub fn receipt_content(ids: &[MsgId]) -> Bytes {
    ids.iter().flat_map(|id| id.0.to_be_bytes()).collect()
}

/// The messages of a receipt; what is left of a malformed one is ignored.
pub fn receipt_ids(content: &[u8]) -> impl Iterator<Item = MsgId> + '_ {
    let (ids, _rest) = content.as_chunks::<8>();
    ids.iter().map(|id| MsgId(i64::from_be_bytes(*id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_forms_are_stable() {
        let revocation = Revocation { message: 7, key: 9, operator: 1, by_sender: true };
        let text = r#"{"message":7,"key":9,"operator":1,"by_sender":true}"#;
        assert_eq!(&revocation.encode()[..], text.as_bytes());
        assert_eq!(Revocation::decode(text.as_bytes()), Some(revocation));
        assert_eq!(Revocation::decode(b"{}"), None);

        let ids = [MsgId(1), MsgId(i64::MAX)];
        let content = receipt_content(&ids);
        assert_eq!(&content[..], [0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(receipt_ids(&content).collect::<Vec<_>>(), ids);
        assert_eq!(receipt_ids(&content[..9]).count(), 1);
    }
}
