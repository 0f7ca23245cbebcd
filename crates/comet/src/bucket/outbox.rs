//! Bytes down: what a turn produced for a socket leaves in one write at its end. A buffer exists only while something
//! is unsent.

use halley_wire::txchat::{Header, Op};

use super::conn::CloseReason;
use super::core::Bucket;
use super::io::Io;
use super::tick::Tick;
use super::turn::next_in_turn;

/// Buffers kept for the next turn, and the largest worth keeping.
const KEPT: usize = 64;
const KEPT_BYTES_MAX: usize = 16 << 10;
/// Connections without an answer that are written to in one turn: less than a tenth of a millisecond of system calls. A push costs
/// more than a read, and whoever asks for something is served between any two of these batches.
const WRITES_PER_TURN: usize = 8;

/// A small pool of buffers.
#[derive(Default)]
pub(crate) struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < KEPT && (1..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

impl<S> Bucket<S> {
    /// Appends a frame to what the connection is sent at the end of the turn.
    pub(crate) fn send_frame(&mut self, slot: u32, header: Header, body: &[u8]) {
        // Pushes may wait a little: a message to thousands must not hold up the answers to others.
        if header.op == Op::RECEIVE_MSG {
            self.mark_dirty(slot);
        } else {
            self.mark_urgent(slot);
        }
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if conn.closing.is_some() {
            return;
        }
        if conn.output.capacity() == 0 {
            conn.output = self.buffers.take();
        }
        let written = conn.framing.write(header, body, &mut conn.output);
        // Entries are checked when they are rendered, echoes came in a frame, the rest is small.
        debug_assert!(written, "a body that has no frame");
    }

    /// Where the connection's bytes go, for what is no frame.
    pub(crate) fn output(&mut self, slot: u32) -> &mut Vec<u8> {
        self.mark_dirty(slot);
        match self.conns.get_mut(slot) {
            Some(conn) => {
                if conn.output.capacity() == 0 {
                    conn.output = self.buffers.take();
                }
                &mut conn.output
            }
            None => &mut self.renderer.scratch,
        }
    }

    /// Has the connection looked at when the turn ends.
    pub(crate) fn mark_dirty(&mut self, slot: u32) {
        let token = self.conns.token(slot);
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if !conn.flags.dirty {
            conn.flags.dirty = true;
            self.work.dirty.push_back(token);
        }
    }

    /// Has the connection looked at first when the turn ends.
    fn mark_urgent(&mut self, slot: u32) {
        let token = self.conns.token(slot);
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if !conn.flags.urgent {
            conn.flags.urgent = true;
            self.work.urgent.push(token);
        }
    }

    /// Writes what there is to write, and closes what was to be closed behind it: all answers, and pushes up to a bound;
    /// the next turns go on with the rest.
    pub(crate) fn flush(&mut self, io: &mut dyn Io<S>) {
        self.flush_answers(io);
        for place in 0..self.work.dirty.len().min(WRITES_PER_TURN) {
            let Some(token) = next_in_turn(&mut self.work.dirty, place) else { return };
            if let Some(slot) = self.conns.find(token)
                && self.conns.get(slot).is_some_and(|conn| conn.flags.dirty)
            {
                self.flush_one(slot, io);
            }
        }
    }

    /// Writes to the connections that have an answer.
    pub(crate) fn flush_answers(&mut self, io: &mut dyn Io<S>) {
        let mut urgent = std::mem::take(&mut self.work.urgent);
        for token in urgent.drain(..) {
            if let Some(slot) = self.conns.find(token) {
                self.flush_one(slot, io);
            }
        }
        // Closing one connection may have made another urgent; those wait for the next turn.
        if self.work.urgent.is_empty() {
            self.work.urgent = urgent;
        }
    }

    fn flush_one(&mut self, slot: u32, io: &mut dyn Io<S>) {
        let tick = self.tick;
        let config = &self.shared.config;
        let Some(conn) = self.conns.get_mut(slot) else { return };
        conn.flags.dirty = false;
        conn.flags.urgent = false;
        if conn.tls.is_some() && !conn.flags.blocked {
            match conn.seal() {
                Ok(free) => self.buffers.give(free),
                Err(reason) => {
                    self.close(slot, reason);
                    return;
                }
            }
        }
        let pending = conn.pending();
        if pending > 0 && !conn.flags.blocked {
            let Ok(taken) = io.write(&conn.socket, conn.unsent()) else {
                self.close(slot, CloseReason::Client);
                return;
            };
            conn.sent(taken);
            conn.flags.blocked = taken < pending;
            if taken > 0 {
                conn.write_deadline = Tick::NEVER;
            }
        }
        let left = conn.pending();
        if left == 0 {
            let (output, at) = conn.unsent_mut();
            let output = std::mem::take(output);
            *at = 0;
            if let Some(reason) = conn.closing {
                self.buffers.give(output);
                self.close(slot, reason);
                return;
            }
            self.buffers.give(output);
        } else {
            if left > config.output_bytes_max {
                self.close(slot, CloseReason::WriteOverflow);
                return;
            }
            // What was sent is dropped once it is the larger part: each byte moves at most once on average.
            let (output, at) = conn.unsent_mut();
            if *at > left {
                output.drain(..*at);
                output.shrink_to(2 * left);
                *at = 0;
            }
            if conn.write_deadline == Tick::NEVER {
                conn.write_deadline = tick.after(config.write_timeout);
                self.arm(slot);
            }
        }
        // There may be room for pushes again.
        self.queue_catch_up(slot);
    }
}
