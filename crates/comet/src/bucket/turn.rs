//! A turn of the loop.

use std::collections::VecDeque;
use std::time::Instant;

use halley_core::clock::Now;

use super::core::Bucket;
use super::drain::Drain;
use super::io::{Deferred, Io, SocketReady};
use super::slots::Token;
use super::tick::Tick;

/// Connections of either kind that are read in one turn: then the others get theirs, and what there is to write goes. Many are
/// read for each that is pushed to: the confirmations of a message to thousands come as fast as it goes out, and a message
/// among them must not wait for its end.
const READS_PER_TURN: usize = 64;
/// Of those that confirm, so many for each that asked, at least some: what was asked is decided when the turn ends, and no
/// number of questions keeps confirmations from being read.
const CONFIRMING_PER_ASKING: usize = 8;
const CONFIRMING_PER_TURN_MIN: usize = 16;
/// Sessions caught up in one turn.
const CATCH_UPS_PER_TURN: usize = 64;

/// How many that confirm are read in a turn in which so many ask.
fn confirming_beside(asking: usize) -> usize {
    if asking == 0 {
        return READS_PER_TURN;
    }
    (asking * CONFIRMING_PER_ASKING).clamp(CONFIRMING_PER_TURN_MIN, READS_PER_TURN)
}

/// The oldest of a queue, and every fourth time the newest: whoever comes behind thousands (the confirmations of a message to a
/// large group, its pushes) does not wait for all of them, and nobody waits for ever.
pub(crate) fn next_in_turn(queue: &mut VecDeque<Token>, place: usize) -> Option<Token> {
    if place % 4 == 3 { queue.pop_back() } else { queue.pop_front() }
}

impl<S> Bucket<S> {
    /// Begins a turn: this is the time until it is finished. Timers that are due fire.
    pub fn begin_turn(&mut self, now: Now) {
        self.now = now;
        self.tick = Tick::at(self.start, now.mono);
        self.fire_timers();
    }

    /// A socket became ready.
    pub fn ready(&mut self, ready: SocketReady) {
        let Some(slot) = self.conns.find(ready.token) else {
            return;
        };
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if ready.readable || ready.hung_up {
            conn.flags.readable = true;
            conn.flags.ended |= ready.ended || ready.hung_up;
            self.queue_read(slot);
        }
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if ready.hung_up && !conn.takes_input() {
            // Nobody will read it, so nobody else would notice.
            self.close(slot, super::conn::CloseReason::Client);
            return;
        }
        if ready.writable && conn.flags.blocked {
            conn.flags.blocked = false;
            self.mark_dirty(slot);
        }
    }

    /// Does what this turn brought, with the sockets at hand. `true`: there is more to do at once.
    pub fn finish_turn(&mut self, io: &mut dyn Io<S>) -> bool {
        self.register_new(io);
        self.retry_held();
        // What has become durable meanwhile is answered before anything else is read.
        self.flush_answers(io);
        self.read_sockets(io);
        self.catch_up_sessions();
        self.hand_over(io);
        self.write_receipts();
        self.flush(io);
        self.drain_step();
        self.say_farewells(io);
        self.observe_stages();
        self.has_work()
    }

    /// Whether another turn should follow at once.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let work = &self.work;
        let reads = !work.asking.is_empty() || !work.confirming.is_empty();
        let writes = !work.dirty.is_empty() || !work.urgent.is_empty();
        let sockets = reads || writes || !work.unregistered.is_empty();
        let new_moves = !work.moving.is_empty() && work.retry_at.is_none();
        sockets
            || !work.farewells.is_empty()
            || !work.behind.is_empty()
            || new_moves
            || self.intake.is_showing()
    }

    /// Whether more waits to be pushed or read than one turn does: then other threads should get the processor now and
    /// then, those that make messages durable among them.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let work = &self.work;
        !work.dirty.is_empty() || !work.asking.is_empty() || !work.confirming.is_empty()
    }

    /// The time, from the same clock as everything else.
    #[must_use]
    pub fn clock_now(&self) -> Now {
        self.ports.clock.now()
    }

    /// Port calls to wait for; each result comes back through [`Bucket::complete`].
    pub fn take_deferred(&mut self) -> std::vec::Drain<'_, Deferred> {
        self.work.deferred.drain(..)
    }

    /// When the next turn is due even if nothing happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let retry = self.work.retry_at;
        let drain = self.drain.as_ref().and_then(Drain::due);
        let due =
            [self.wheel.next_step(), retry, drain, self.receipts.next_due()].into_iter().flatten().min()?;
        due.instant(self.start)
    }

    /// Asks for a turn in a few milliseconds, for what found a queue full.
    pub(crate) fn retry_soon(&mut self) {
        let at = self.tick.after(self.config().retry_delay);
        self.work.retry_at = Some(self.work.retry_at.map_or(at, |earlier| earlier.min(at)));
    }

    pub(crate) fn queue_read(&mut self, slot: u32) {
        let token = self.conns.token(slot);
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if conn.flags.readable && !conn.flags.in_readable && conn.takes_input() && self.drain.is_none() {
            conn.flags.in_readable = true;
            let owes = conn.session().is_some_and(|session| !session.window.is_empty());
            let queue = if owes { &mut self.work.confirming } else { &mut self.work.asking };
            queue.push_back(token);
        }
    }

    fn read_sockets(&mut self, io: &mut dyn Io<S>) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let asking = self.work.asking.len().min(READS_PER_TURN);
        let confirming = self.work.confirming.len().min(confirming_beside(asking));
        for place in 0..asking + confirming {
            let next = match place.checked_sub(asking) {
                None => self.work.asking.pop_front(),
                Some(place) => next_in_turn(&mut self.work.confirming, place),
            };
            if let Some(slot) = next.and_then(|token| self.conns.find(token)) {
                self.read_socket(slot, &mut buffer, io);
            }
        }
        self.read_buffer = buffer;
    }

    fn catch_up_sessions(&mut self) {
        for _ in 0..self.work.behind.len().min(CATCH_UPS_PER_TURN) {
            let Some(token) = self.work.behind.pop_front() else { break };
            if let Some(slot) = self.conns.find(token) {
                self.catch_up(slot);
            }
        }
    }

    fn observe_stages(&mut self) {
        if !self.work.shown && self.work.answered.is_empty() {
            return;
        }
        let now = self.ports.clock.now().mono;
        if std::mem::take(&mut self.work.shown) {
            let took = now.saturating_duration_since(self.now.mono);
            self.metrics().stage_push_write.observe(took);
        }
        for at in std::mem::take(&mut self.work.answered) {
            let took = now.saturating_duration_since(at);
            self.metrics().stage_ack_write.observe(took);
        }
    }
}
