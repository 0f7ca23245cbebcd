//! Pushes: entries down, their acknowledgements, their resends (spec 1.7, design section 5).

use std::sync::Arc;

use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::record::Entry;
use halley_wire::txchat::{Header, Op};

use super::conn::CloseReason;
use super::core::Bucket;
use super::receipts::Owed;
use super::render::Rendered;
use super::tick::Tick;
use super::window::{Acked, PushSeq, Track};

/// The header of a push: stamped per connection, the body is shared. Receivers ignore `ack`.
fn header(seq: PushSeq) -> Header {
    Header { ver: 1, op: Op::RECEIVE_MSG, seq: seq.wire(), ack: 0 }
}

/// How far a session got with an entry.
pub(crate) enum Given {
    /// It was pushed.
    Whole,
    /// It needs no push.
    Passed,
    /// There is no room for all of it: the session goes on with the part that it stopped at.
    Full,
    /// This name must be asked for first.
    Wants(AppId, UserId),
}

impl<S> Bucket<S> {
    /// How many pushes a session can be given now.
    pub(crate) fn room(&self, slot: u32) -> usize {
        let Some(conn) = self.conns.get(slot) else { return 0 };
        if conn.closing.is_some()
            || conn.pending() >= self.config().push_bytes_max
            || self.drain.is_some()
            || self.receipts.is_full()
        {
            return 0;
        }
        let used = conn.session().map_or(usize::MAX, |session| session.window.len());
        self.config().window.saturating_sub(used)
    }

    /// Gives a session an entry: pushes its parts as far as there is room, from where it stopped if it did. Only the last
    /// part covers the entry's key: a change that is acknowledged in part is shown again after a reconnect.
    pub(crate) fn give(&mut self, slot: u32, track: Track, entry: &Entry) -> Given {
        loop {
            if self.room_on(slot, track) == 0 {
                return Given::Full;
            }
            let Some(session) = self.conns.get(slot).and_then(|conn| conn.session()) else {
                return Given::Full;
            };
            let Some(seen) = session.seen_of(track) else { return Given::Full };
            let part = session.partly.shown_of(entry.key);
            let owed = Owed::of(&entry.record.message, entry.key, session.info.user);
            match self.renderer.render(entry, part, &*self.ports.users) {
                Rendered::Body(body, false) => {
                    let _seq = self.push(slot, track, entry.key, &body, owed);
                    if part > 0
                        && let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut())
                    {
                        session.partly.finish(entry.key);
                    }
                    return Given::Whole;
                }
                Rendered::Body(body, true) => {
                    let _seq = self.push(slot, track, seen, &body, None);
                    if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
                        session.partly.show(entry.key, part + 1);
                    }
                }
                Rendered::Skip => {
                    self.pass(slot, track, entry.key);
                    return Given::Passed;
                }
                Rendered::Wants(app, user) => return Given::Wants(app, user),
            }
        }
    }

    /// How many entries of feeds a session can be given now: a part of the window stays free, so that a flood in a super
    /// group never fills it for what is in the inbox.
    pub(crate) fn room_for_feeds(&self, slot: u32) -> usize {
        self.room(slot).saturating_sub(self.config().window / 4)
    }

    /// The room there is for this track.
    pub(crate) fn room_on(&self, slot: u32, track: Track) -> usize {
        match track {
            Track::Main => self.room(slot),
            Track::Feed(_) => self.room_for_feeds(slot),
        }
    }

    /// Pushes a frame, which shows everything of the track up to `key`; the caller has seen that there is room. Answers the
    /// push sequence.
    pub(crate) fn push(
        &mut self,
        slot: u32,
        track: Track,
        key: SyncKey,
        body: &Arc<[u8]>,
        owed: Option<Owed>,
    ) -> i32 {
        let (tick, delay) = (self.tick, self.config().resend_delay_min);
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return 0;
        };
        let first = session.window.is_empty();
        let seq = session.window.push(track, key, Arc::clone(body), tick, owed);
        session.set_seen(track, key);
        if first {
            session.resend.restart(tick, delay, true);
            self.arm(slot);
        }
        self.metrics().pushes.inc();
        self.send_frame(slot, header(seq), body);
        seq.wire()
    }

    /// Everything of the track up to `key` needs no push.
    pub(crate) fn pass(&mut self, slot: u32, track: Track, key: SyncKey) {
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        let before = session.acked;
        if session.pass(track, key) {
            self.main_moved(slot, before, &mut Vec::new());
            self.cursor_moved(slot);
        }
    }

    /// Gives feeds that have caught up back to the main position.
    pub(crate) fn merge(&mut self, slot: u32) {
        let shown = self.intake.shown();
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        let before = session.acked;
        if session.merge(shown) {
            self.main_moved(slot, before, &mut Vec::new());
            self.cursor_moved(slot);
        }
    }

    /// A ReceiveMsgReply frame: `ack` is the sequence of the push.
    pub(crate) fn handle_push_ack(&mut self, slot: u32, ack: i32) {
        let (tick, delay) = (self.tick, self.config().resend_delay_min);
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        let before = session.acked;
        let mut owed = std::mem::take(&mut self.work.owed);
        match session.window.ack(PushSeq::from_wire(ack), &mut owed) {
            Acked::Unknown => {
                self.metrics().drops.ack_unknown.inc();
            }
            Acked::Marked => {
                self.metrics().push_acks.inc();
            }
            Acked::Moved(track, key) => {
                session.set_acked(track, key);
                let outstanding = !session.window.is_empty();
                session.resend.restart(tick, delay, outstanding);
                self.metrics().push_acks.inc();
                self.main_moved(slot, before, &mut owed);
                self.cursor_moved(slot);
                self.merge(slot);
                self.queue_catch_up(slot);
            }
        }
        owed.clear();
        self.work.owed = owed;
    }

    /// The resend timer is due: what is old enough goes again, with the same sequence and bytes.
    pub(crate) fn resend(&mut self, slot: u32) {
        let (tick, config) = (self.tick, &self.shared.config);
        let Some(conn) = self.conns.get_mut(slot) else { return };
        // Into a socket that takes nothing it would only pile up; the write deadline watches that.
        let stuck = conn.pending() > 0;
        let Some(session) = conn.session_mut() else { return };
        if session.resend.count >= config.resends_max {
            self.close(slot, CloseReason::ResendExhausted);
            return;
        }
        let delay = session.resend.delay;
        session.resend.back_off(tick, config.resend_delay_max);
        if stuck {
            return;
        }
        let before = Tick(tick.0.saturating_sub(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)));
        let mut again = Vec::new();
        session.window.resend(before, tick, |seq, body| again.push((seq, Arc::clone(body))));
        for (seq, body) in again {
            self.metrics().resends.inc();
            self.send_frame(slot, header(seq), &body);
        }
    }

    /// The cursor has moved: it is saved within the interval.
    pub(crate) fn cursor_moved(&mut self, slot: u32) {
        let due = self.tick.after(self.config().cursor_interval);
        let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) else {
            return;
        };
        if session.info.device.is_some() && session.cursor_due == Tick::NEVER {
            session.cursor_due = due;
            self.arm(slot);
        }
    }
}
