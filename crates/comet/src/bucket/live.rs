//! The live path: entries of the journal's feed go to the sessions that follow their timelines.

use std::task::{Context, Poll};

use halley_core::ids::GroupId;
use halley_core::key::SyncKey;
use halley_core::message::EntryKind;
use halley_core::ports::feed::FeedEvent;
use halley_core::record::Entry;
use halley_core::timeline::TimelineId;

use super::core::Bucket;
use super::push::Given;
use super::window::Track;

/// Sessions that are shown something in one turn, about: a millisecond or two.
const SHOWN_PER_TURN: usize = 4_096;

impl<S> Bucket<S> {
    /// Takes up to `max` records from the feed and shows them; fewer when they go to many, so that a turn stays short. Ready
    /// when there were some, and perhaps more.
    pub fn poll_feed(&mut self, max: usize, context: &mut Context<'_>) -> Poll<()> {
        let max = max.min(SHOWN_PER_TURN / self.work.widest.max(1)).max(1);
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
        let mut shown_to = 0;
        for timeline in entry.record.timelines() {
            slots.clear();
            self.followers.of(timeline, &mut slots);
            shown_to += slots.len();
            match timeline {
                TimelineId::Inbox(..) => {
                    for slot in &slots {
                        self.show(*slot, entry);
                    }
                }
                TimelineId::Feed(_, group) => {
                    self.followers.raise_mark(timeline, entry.key);
                    for slot in &slots {
                        self.show_in_feed(*slot, group, entry);
                    }
                }
            }
        }
        self.work.slots = slots;
        // Forgotten by an eighth with every record that goes to fewer.
        self.work.widest = shown_to.max(self.work.widest - self.work.widest.div_ceil(8));
        if entry.record.message.kind == EntryKind::GROUP_CHANGE {
            self.group_changed(entry);
        }
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
        if !self.is_given(slot, Track::Main, entry) {
            self.fall_behind(slot, entry.key);
        }
    }

    /// Shows an entry of a super group's feed, as one of the inbox; if it cannot be shown now, only this feed lags.
    fn show_in_feed(&mut self, slot: u32, group: GroupId, entry: &Entry) {
        let has_room = self.room_for_feeds(slot) > 0;
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        if entry.record.targets.inboxes().binary_search(&session.info.user).is_ok() {
            // It stands in the inbox too, and is shown there.
            return;
        }
        let track = match session.lagging.get(group) {
            Some(lag) if entry.key <= lag.seen => return,
            // The inbox goes first: it may have entries of this very feed, from before the group was super.
            Some(lag) if !session.is_live() || lag.seen < lag.need => None,
            Some(_) => Some(Track::Feed(group)),
            None if entry.key <= session.seen => return,
            None => session.is_live().then_some(Track::Main),
        };
        if track.is_some_and(|track| has_room && self.is_given(slot, track, entry)) {
            return;
        }
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        match session.lagging.get_mut(group) {
            Some(lag) => lag.need = entry.key,
            None => {
                session.lag(group, entry.key);
                self.metrics().feeds_lagging.inc();
            }
        }
        self.queue_catch_up(slot);
    }

    /// `false`: there was no room for all of it, or a name in it must be asked for first.
    fn is_given(&mut self, slot: u32, track: Track, entry: &Entry) -> bool {
        match self.give(slot, track, entry) {
            Given::Whole => self.work.shown = true,
            Given::Passed => {}
            Given::Full | Given::Wants(..) => return false,
        }
        true
    }

    fn fall_behind(&mut self, slot: u32, need: SyncKey) {
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.need = session.need.max(need);
            self.metrics().sessions_behind.inc();
            self.queue_catch_up(slot);
        }
    }

    /// The feed's epoch changed: nothing it promised holds. Everybody attaches anew and reads up to there; what groups have
    /// become meanwhile is asked.
    fn feed_broke(&mut self) {
        let mut slots = Vec::new();
        let mut inboxes = Vec::new();
        for timeline in self.followers.timelines() {
            let watermark = self.feed.attach(timeline);
            match timeline {
                TimelineId::Feed(..) => self.followers.raise_mark(timeline, watermark),
                TimelineId::Inbox(app, user) => {
                    slots.clear();
                    self.followers.of(timeline, &mut slots);
                    for slot in &slots {
                        self.fall_behind(*slot, watermark);
                    }
                    inboxes.push((app, user, watermark));
                }
            }
        }
        // With the marks of all feeds in place.
        for (app, user, watermark) in inboxes {
            self.ask_feeds(app, user, watermark);
        }
    }
}
