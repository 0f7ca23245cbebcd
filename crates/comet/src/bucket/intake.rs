//! What a bucket has taken from the journal's feed, and how far it has shown it: a record for thousands is shown in steps,
//! so that nobody else waits for all of them.
//!
//! **Invariant:** `shown <= taken`. Everything at or below `shown` has been shown to whoever followed its timelines; of what
//! lies above it, up to `taken`, nobody knows how far. So a session that begins reads up to `taken` by itself, and none passes
//! `shown` by reading: other timelines of its have entries there that are still to come.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use halley_core::key::SyncKey;
use halley_core::ports::feed::{FeedEvent, FeedReader};
use halley_core::record::Entry;
use halley_core::timeline::TimelineId;

/// See the module.
pub(crate) struct Intake {
    reader: Box<dyn FeedReader>,
    /// Taken and not shown to everybody, ascending.
    entries: VecDeque<Entry>,
    /// Where the first of them goes on.
    at: Place,
    /// Everything at or below is shown.
    shown: SyncKey,
}

/// A place among the sessions that an entry is shown to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    /// Its timelines before this one are done.
    pub(crate) timeline: usize,
    /// Of that timeline, the sessions in slots before this one are done.
    pub(crate) slot: u32,
}

impl Intake {
    pub(crate) fn new(reader: Box<dyn FeedReader>) -> Self {
        let shown = reader.position();
        Self { reader, entries: VecDeque::new(), at: Place::default(), shown }
    }

    /// Every entry of the timeline above the answer will be shown to those who follow it from now on.
    pub(crate) fn attach(&mut self, timeline: TimelineId) -> SyncKey {
        self.reader.attach(timeline).max(self.taken())
    }

    /// Nobody follows it any more.
    pub(crate) fn detach(&mut self, timeline: TimelineId) {
        self.reader.detach(timeline);
    }

    /// See the invariant.
    pub(crate) fn taken(&self) -> SyncKey {
        self.reader.position()
    }

    /// See the invariant.
    pub(crate) fn shown(&self) -> SyncKey {
        self.shown
    }

    /// Whether there are entries to be shown.
    pub(crate) fn is_showing(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Takes up to `max` records, unless some wait to be shown. `false`: the feed broke, and goes on where `shown` is now.
    pub(crate) fn poll_take(&mut self, max: usize, context: &mut Context<'_>) -> Poll<bool> {
        if self.is_showing() {
            return Poll::Ready(true);
        }
        match ready!(self.reader.poll_next(max, context)) {
            FeedEvent::Entries(entries) => {
                self.entries = entries.into();
                if !self.is_showing() {
                    self.shown = self.taken();
                }
                Poll::Ready(true)
            }
            FeedEvent::Broken(position) => {
                self.shown = position;
                Poll::Ready(false)
            }
        }
    }

    /// What is to be shown next, and from where.
    pub(crate) fn next(&self) -> Option<(Entry, Place)> {
        Some((self.entries.front()?.clone(), self.at))
    }

    /// The first entry goes on here in the next turn.
    pub(crate) fn pause(&mut self, at: Place) {
        self.at = at;
    }

    /// The first entry is shown to everybody.
    pub(crate) fn finish(&mut self) {
        self.at = Place::default();
        if let Some(entry) = self.entries.pop_front() {
            self.shown = if self.is_showing() { entry.key } else { self.taken() };
        }
    }
}
