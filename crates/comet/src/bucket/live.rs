//! The live path: entries of the feed go to the sessions that follow their timelines.

use std::task::{Context, Poll};

use halley_core::key::SyncKey;
use halley_core::ports::feed::FeedEvent;
use halley_core::record::Entry;

use super::core::Bucket;
use super::push::Given;

impl<S> Bucket<S> {
    /// Takes up to `max` records from the feed and shows them. Ready when there were some, and perhaps more.
    pub fn poll_feed(&mut self, max: usize, context: &mut Context<'_>) -> Poll<()> {
        match self.feed.poll_next(max, context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(FeedEvent::Entries(entries)) => {
                for entry in &entries {
                    self.entry_came(entry);
                }
            }
            Poll::Ready(FeedEvent::Broken(_)) => self.feed_broke(),
        }
        Poll::Ready(())
    }

    fn entry_came(&mut self, entry: &Entry) {
        let mut slots = std::mem::take(&mut self.work.slots);
        for timeline in entry.record.timelines() {
            slots.clear();
            self.followers.of(timeline, &mut slots);
            for slot in &slots {
                self.show(*slot, entry);
            }
        }
        self.work.slots = slots;
    }

    /// Shows an entry to a session, if it is live and can take it; else the session is behind, and reads it later.
    fn show(&mut self, slot: u32, entry: &Entry) {
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        if entry.key <= session.seen {
            return;
        }
        if !session.is_live() {
            session.need = entry.key;
            return;
        }
        match self.give(slot, entry) {
            Given::Whole => self.work.shown = true,
            Given::Passed => {}
            Given::Full | Given::Wants(..) => self.fall_behind(slot, entry.key),
        }
    }

    fn fall_behind(&mut self, slot: u32, need: SyncKey) {
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.need = session.need.max(need);
            self.metrics().sessions_behind.inc();
            self.queue_catch_up(slot);
        }
    }

    /// The feed's epoch changed: nothing it promised holds. Everybody attaches anew and reads up to there.
    fn feed_broke(&mut self) {
        let mut slots = Vec::new();
        for timeline in self.followers.timelines() {
            let watermark = self.feed.attach(timeline);
            slots.clear();
            self.followers.of(timeline, &mut slots);
            for slot in &slots {
                self.fall_behind(*slot, watermark);
            }
        }
    }
}
