//! The live path: entries of the journal's feed go to the sessions that follow their timelines.

use std::task::{Context, Poll, ready};

use halley_core::ids::GroupId;
use halley_core::key::SyncKey;
use halley_core::message::EntryKind;
use halley_core::record::Entry;
use halley_core::timeline::TimelineId;

use super::core::Bucket;
use super::intake::Place;
use super::push::Given;
use super::window::Track;

impl<S> Bucket<S> {
    /// Takes up to `max` records from the feed when those before have been shown, and shows them as far as a turn goes. Ready
    /// when there were some, and perhaps more.
    pub fn poll_feed(&mut self, max: usize, context: &mut Context<'_>) -> Poll<()> {
        if ready!(self.intake.poll_take(max, context)) {
            self.show_taken();
        } else {
            self.feed_broke();
        }
        Poll::Ready(())
    }

    fn show_taken(&mut self) {
        let mut left = self.config().shown_per_turn;
        while let Some((entry, place)) = self.intake.next() {
            if let Some(place) = self.show_from(&entry, place, &mut left) {
                self.intake.pause(place);
                return;
            }
            self.intake.finish();
            if entry.record.message.kind == EntryKind::GROUP_CHANGE {
                self.group_changed(&entry);
            }
        }
    }

    /// Shows an entry to those who follow its timelines, from a place on, as long as some of `left` is left. Answers where it
    /// stopped before the end.
    fn show_from(&mut self, entry: &Entry, mut at: Place, left: &mut usize) -> Option<Place> {
        let mut slots = std::mem::take(&mut self.work.slots);
        let mut stopped = None;
        while let Some(timeline) = entry.record.timeline(at.timeline) {
            if *left == 0 {
                stopped = Some(at);
                break;
            }
            slots.clear();
            let next = self.followers.some_of(timeline, at.slot, *left, &mut slots);
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
            *left = left.saturating_sub(1 + slots.len());
            at = match next {
                Some(slot) => Place { slot, ..at },
                None => Place { timeline: at.timeline + 1, slot: 0 },
            };
        }
        self.work.slots = slots;
        stopped
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
            session.need = session.need.max(entry.key);
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
            Some(lag) => lag.need = lag.need.max(entry.key),
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
            let watermark = self.intake.attach(timeline);
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
