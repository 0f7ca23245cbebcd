//! Catching up: a session that is behind reads its timeline, a window at a time, until the feed can go on. The inbox goes
//! first; then the feeds that lag, in turns.

use std::time::Duration;

use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::timelines::{Direction, Page, TimelineRange};
use halley_core::reply::Reply;

use super::core::Bucket;
use super::io::{Answer, Completed};
use super::push::Given;
use super::tick::Tick;
use super::window::Track;

/// Bytes of records in one page.
const PAGE_BYTES_MAX: usize = 128 << 10;
/// Until a read that failed is tried again.
const FAILED_DELAY: Duration = Duration::from_secs(1);
/// Until a read that brought nothing new is tried again; a correct backend never causes it.
const FRUITLESS_DELAY: Duration = Duration::from_millis(50);

impl<S> Bucket<S> {
    /// Has a session read when its turn comes, if it is behind and can take something.
    pub(crate) fn queue_catch_up(&mut self, slot: u32) {
        let room = self.room(slot);
        let window = self.config().window;
        let token = self.conns.token(slot);
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        let idle = !session.reading && !session.in_behind && session.retry_at == Tick::NEVER;
        // Half a window at a time: a read for every acknowledgement would be too many.
        if idle && room * 2 >= window && session.next_read().is_some() {
            session.in_behind = true;
            self.work.behind.push_back(token);
        }
    }

    /// Reads the next page of a session's timelines.
    pub(crate) fn catch_up(&mut self, slot: u32) {
        let token = self.conns.token(slot);
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.in_behind = false;
        }
        let Some((track, from)) = self.next_read(slot) else { return };
        let room = self.room_on(slot, track);
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        if session.reading || room == 0 {
            return;
        }
        let range = TimelineRange {
            timeline: session.timeline(track),
            from,
            direction: Direction::After,
            entries_max: room,
            bytes_max: PAGE_BYTES_MAX,
        };
        session.reading = true;
        match self.ports.timelines.read(range) {
            Reply::Ready(result) => self.page_came(slot, track, result),
            later => {
                self.work.deferred.push(Box::pin(async move {
                    Completed { token, answer: Answer::Page(track, later.await) }
                }));
            }
        }
    }

    /// What is read next, and from where. A feed without news is passed without a read.
    fn next_read(&mut self, slot: u32) -> Option<(Track, SyncKey)> {
        loop {
            let session = self.conns.get(slot).and_then(|conn| conn.session())?;
            let track = session.next_read()?;
            let from = session.seen_of(track)?;
            let Track::Feed(group) = track else { return Some((track, from)) };
            let need = session.lagging.get(group)?.need;
            if self.followers.mark(session.timeline(track)) > from {
                return Some((track, from));
            }
            self.pass(slot, track, need);
            self.merge(slot);
        }
    }

    /// A page is here.
    pub(crate) fn page_came(&mut self, slot: u32, track: Track, result: Result<Page, PortError>) {
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        session.reading = false;
        let user = session.info.user;
        let page = match result {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, %user, "cannot read a timeline, trying again");
                self.read_again(slot, FAILED_DELAY);
                return;
            }
        };
        let Some(before) = session.seen_of(track) else {
            // A feed that is not followed any more.
            self.queue_catch_up(slot);
            return;
        };
        if track != Track::Main && !session.is_live() {
            // The inbox goes first, whatever has come meanwhile.
            self.queue_catch_up(slot);
            return;
        }
        // What is newer than the bucket has shown comes from the feed: other timelines have entries there too.
        let end = page.complete_to.min(self.intake.shown());
        if let Track::Feed(_) = track {
            let feed = session.timeline(track);
            let newest = page.entries.last().map_or(before, |last| last.key);
            self.followers.lower_mark(feed, newest, page.complete_to);
        }
        for entry in page.entries.iter().filter(|entry| entry.key > before && entry.key <= end) {
            let is_in_inbox = entry.record.targets.inboxes().binary_search(&user).is_ok();
            if matches!(track, Track::Feed(_)) && is_in_inbox {
                // It is shown there.
                self.pass(slot, track, entry.key);
                continue;
            }
            match self.give(slot, track, entry) {
                Given::Whole | Given::Passed => {}
                // The window is full, or too many bytes wait: the rest is read again when they have gone.
                Given::Full => return,
                Given::Wants(app, user) => {
                    self.ask_name(slot, app, user);
                    return;
                }
            }
        }
        self.pass(slot, track, end);
        self.merge(slot);
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        if let Track::Feed(group) = track {
            session.lagging.rotate(group);
        }
        if end > before || self.intake.is_showing() {
            self.queue_catch_up(slot);
        } else if session.next_read().is_some() {
            self.read_again(slot, FRUITLESS_DELAY);
        }
    }

    fn ask_name(&mut self, slot: u32, app: halley_core::ids::AppId, user: halley_core::ids::UserId) {
        let token = self.conns.token(slot);
        let name = self.ports.users.name(app, user);
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.reading = true;
        }
        self.work
            .deferred
            .push(Box::pin(async move { Completed { token, answer: Answer::Name(app, user, name.await) } }));
    }

    /// A name it asked for is here: it reads again.
    pub(crate) fn name_came(&mut self, slot: u32, known: bool) {
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.reading = false;
        }
        if known {
            self.queue_catch_up(slot);
        } else {
            self.read_again(slot, FAILED_DELAY);
        }
    }

    /// What failed is tried again: a read, or to learn which feeds the user follows.
    pub(crate) fn try_again(&mut self, slot: u32) {
        let Some(session) = self.conns.get(slot).and_then(|conn| conn.session()) else { return };
        if session.waiting {
            let (app, user) = (session.info.app, session.info.user);
            self.begin_following(slot, app, user);
        } else {
            self.queue_catch_up(slot);
        }
    }

    /// What it needed is not to be had at the moment.
    pub(crate) fn read_after_failure(&mut self, slot: u32) {
        self.read_again(slot, FAILED_DELAY);
    }

    fn read_again(&mut self, slot: u32, delay: Duration) {
        let at = self.tick.after(delay);
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.retry_at = at;
            self.arm(slot);
        }
    }
}
