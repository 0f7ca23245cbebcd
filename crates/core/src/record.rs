//! A journal record: one message and the timelines it is an entry of.

use std::sync::Arc;

use bytes::Bytes;

use crate::ids::{GroupId, UserId};
use crate::key::{Epoch, SyncKey};
use crate::message::Message;
use crate::record_codec::{self, RecordError};
use crate::timeline::TimelineId;

/// The timelines of one record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Targets {
    inboxes: Vec<UserId>,
    feed: Option<GroupId>,
}

impl Targets {
    /// Of these users' inboxes (any order, repetitions are dropped) and, for a group, its feed.
    #[must_use]
    pub fn new(mut inboxes: Vec<UserId>, feed: Option<GroupId>) -> Self {
        if !inboxes.is_sorted_by(|a, b| a < b) {
            inboxes.sort_unstable();
            inboxes.dedup();
        }
        Self { inboxes, feed }
    }

    /// No timeline: the record is the installation's own.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The users, ascending, each once.
    #[must_use]
    pub fn inboxes(&self) -> &[UserId] {
        &self.inboxes
    }

    /// The group whose feed it stands in.
    #[must_use]
    pub fn feed(&self) -> Option<GroupId> {
        self.feed
    }
}

/// One message with its targets. Immutable once made; shared by the tail, the feed and the sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The message.
    pub message: Message,
    /// The timelines it is an entry of.
    pub targets: Targets,
}

impl Record {
    /// Its timelines: the inboxes in ascending order, then the feed.
    pub fn timelines(&self) -> impl Iterator<Item = TimelineId> + '_ {
        let app = self.message.app;
        let inboxes = self.targets.inboxes().iter().map(move |user| TimelineId::Inbox(app, *user));
        inboxes.chain(self.targets.feed().map(|group| TimelineId::Feed(app, group)))
    }

    /// One of its timelines, in the order of [`Record::timelines`].
    #[must_use]
    pub fn timeline(&self, place: usize) -> Option<TimelineId> {
        let app = self.message.app;
        let inboxes = self.targets.inboxes();
        match inboxes.get(place) {
            Some(user) => Some(TimelineId::Inbox(app, *user)),
            None if place == inboxes.len() => self.targets.feed().map(|group| TimelineId::Feed(app, group)),
            None => None,
        }
    }

    /// Whether it is an entry of this timeline.
    #[must_use]
    pub fn is_in(&self, timeline: TimelineId) -> bool {
        timeline.app() == self.message.app
            && match timeline {
                TimelineId::Inbox(_, user) => self.targets.inboxes().binary_search(&user).is_ok(),
                TimelineId::Feed(_, group) => self.targets.feed() == Some(group),
            }
    }

    /// Appends the binary form (format version 1, `record_codec`) to `out`.
    pub fn encode(&self, epoch: Epoch, out: &mut Vec<u8>) {
        record_codec::encode(self, epoch, out);
    }

    /// Reads the binary form back; `bytes` is exactly one record. Never panics.
    ///
    /// # Errors
    /// When the bytes are not a record of a version this build knows.
    pub fn decode(bytes: &Bytes) -> Result<(Epoch, Self), RecordError> {
        record_codec::decode(bytes)
    }

    /// Roughly what it occupies in memory, for the bounds of queues.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let message = &self.message;
        256 + message.content.bytes.len()
            + message.ext.len()
            + message.client_id.len()
            + message.device.len()
            + self.targets.inboxes.len() * 40
    }
}

/// A record at its place: what a timeline consists of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The place; the same for every timeline of the record.
    pub key: SyncKey,
    /// The record, shared.
    pub record: Arc<Record>,
}
