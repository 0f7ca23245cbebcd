//! A test double of the timelines: a list.

use std::sync::Arc;

use bytes::Bytes;
use halley_core::ids::{AppId, GroupId, MsgId, UserId};
use halley_core::key::{Epoch, SyncKey};
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::ports::PortError;
use halley_core::ports::business::{Revocations, Revoke, RevokeError, Revoked};
use halley_core::ports::timelines::{Direction, MessageLookup, Page, TimelineRange, Timelines};
use halley_core::record::{Entry, Record, Targets};
use halley_core::reply::Reply;
use halley_core::timeline::TimelineId;

use super::world::{NOW_MS, World};

impl World {
    /// An entry of group 7's feed.
    pub(crate) fn add_entry(&self, kind: EntryKind, content: Content) -> SyncKey {
        let timeline = TimelineId::Feed(AppId(1), GroupId(7));
        let conversation = Conversation::Group(GroupId(7));
        self.add_entry_to(timeline, conversation, kind, content)
    }

    pub(crate) fn add_entry_to(
        &self,
        timeline: TimelineId,
        conversation: Conversation,
        kind: EntryKind,
        content: Content,
    ) -> SyncKey {
        let mut contents = self.contents.lock();
        contents.last_key += 1;
        let key = SyncKey::new(Epoch(0), contents.last_key).expect("a key");
        let message = Message {
            id: MsgId(5_000_000_000_000_000_000 + key.raw()),
            app: AppId(1),
            conversation,
            from: UserId(if kind == EntryKind::MESSAGE { 1 } else { 0 }),
            kind,
            content,
            ext: Bytes::new(),
            client_id: Bytes::from_static(b"c"),
            time_ms: NOW_MS,
            device: Bytes::new(),
        };
        let record = Arc::new(Record { message, targets: Targets::none() });
        contents.entries.push((timeline, Entry { key, record }));
        key
    }
}

impl Timelines for World {
    fn read(&self, range: TimelineRange) -> Reply<Result<Page, PortError>> {
        self.answer(|contents| {
            let own = contents.entries.iter().filter(|(timeline, _)| *timeline == range.timeline);
            let mut entries: Vec<Entry> = own
                .map(|(_, entry)| entry.clone())
                .filter(|entry| match range.direction {
                    Direction::After => entry.key > range.from,
                    Direction::Before => entry.key < range.from,
                })
                .collect();
            if range.direction == Direction::Before {
                entries.reverse();
            }
            let more = entries.len() > range.entries_max;
            entries.truncate(range.entries_max);
            let end = match range.direction {
                Direction::After => SyncKey::new(Epoch(0), contents.last_key.max(1)).expect("a key"),
                Direction::Before => SyncKey::START,
            };
            let last = entries.last().map(|entry| entry.key);
            Ok(Page { complete_to: last.filter(|_| more).unwrap_or(end), entries, more })
        })
    }

    fn head(&self, _timeline: TimelineId) -> Reply<Result<SyncKey, PortError>> {
        self.answer(|contents| Ok(SyncKey::new(Epoch(0), contents.last_key.max(1)).expect("a key")))
    }
}

impl MessageLookup for World {
    fn find_message(&self, app: AppId, id: MsgId) -> Reply<Result<Option<Entry>, PortError>> {
        self.answer(|contents| {
            let mut entries = contents.entries.iter().map(|(_, entry)| entry);
            let found = entries.find(|entry| {
                let message = &entry.record.message;
                (message.app, message.id) == (app, id)
            });
            Ok(found.cloned())
        })
    }
}

impl Revocations for World {
    fn revoke(&self, call: Revoke) -> Reply<Result<Revoked, RevokeError>> {
        self.answer(|contents| match contents.revoke_refused.clone() {
            Some(error) => Err(error),
            None => {
                let first = contents.revokes.iter().find(|known| known.message == call.message);
                let by = first.map_or(call.operator, |first| first.operator);
                let is_repetition = first.is_some();
                contents.revokes.push(call);
                Ok(Revoked { by, is_repetition })
            }
        })
    }
}
