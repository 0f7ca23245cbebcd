//! Catching up: a session that is behind reads its timeline, a window at a time, until the feed can go on.

use std::time::Duration;

use halley_core::ports::PortError;
use halley_core::ports::timelines::{Direction, Page, TimelineRange};
use halley_core::reply::Reply;

use super::core::Bucket;
use super::io::{Answer, Completed};
use super::push::Given;
use super::tick::Tick;

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
        if idle && !session.is_live() && room * 2 >= window {
            session.in_behind = true;
            self.work.behind.push_back(token);
        }
    }

    /// Reads the next page of a session's timeline.
    pub(crate) fn catch_up(&mut self, slot: u32) {
        let room = self.room(slot);
        let token = self.conns.token(slot);
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        session.in_behind = false;
        if session.reading || session.is_live() || room == 0 {
            return;
        }
        let range = TimelineRange {
            timeline: session.timeline(),
            from: session.seen,
            direction: Direction::After,
            entries_max: room,
            bytes_max: PAGE_BYTES_MAX,
        };
        session.reading = true;
        match self.ports.timelines.read(range) {
            Reply::Ready(result) => self.page_came(slot, result),
            later => self
                .work
                .deferred
                .push(Box::pin(async move { Completed { token, answer: Answer::Page(later.await) } })),
        }
    }

    /// A page is here.
    pub(crate) fn page_came(&mut self, slot: u32, result: Result<Page, PortError>) {
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        session.reading = false;
        let before = session.seen;
        let page = match result {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, user = %session.info.user, "cannot read a timeline, trying again");
                self.read_again(slot, FAILED_DELAY);
                return;
            }
        };
        for entry in page.entries.iter().filter(|entry| entry.key > before) {
            match self.give(slot, entry) {
                Given::Whole | Given::Passed => {}
                // The window is full, or too many bytes wait: the rest is read again when they have gone.
                Given::Full => return,
                Given::Wants(app, user) => {
                    self.ask_name(slot, app, user);
                    return;
                }
            }
        }
        self.pass(slot, page.complete_to);
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        if session.is_live() {
            return;
        }
        if session.seen > before {
            self.queue_catch_up(slot);
        } else {
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

    fn read_again(&mut self, slot: u32, delay: Duration) {
        let at = self.tick.after(delay);
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.retry_at = at;
            self.arm(slot);
        }
    }
}
