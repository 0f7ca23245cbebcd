//! Bytes up: from the socket to frames. The read buffer is the bucket's; a connection keeps bytes only while a frame
//! is incomplete or its input has to wait.

use super::conn::{CloseReason, Phase};
use super::core::Bucket;
use super::io::{Io, ReadOutcome};
use crate::edge::txchat::{Framing, Step};

impl<S> Bucket<S> {
    /// Reads once from a socket and handles what came.
    pub(crate) fn read_socket(&mut self, slot: u32, buffer: &mut [u8], io: &mut dyn Io<S>) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        conn.flags.in_readable = false;
        if !conn.takes_input() {
            return;
        }
        if let Some(reason) = conn.over() {
            self.finish(slot, reason);
            return;
        }
        match io.read(&conn.socket, buffer) {
            Ok(ReadOutcome::Bytes(length)) => {
                // Exhausted, unless the end is behind it.
                conn.flags.readable = length == buffer.len() || conn.flags.ended;
                if conn.is_wrapped() {
                    self.unwrap_received(slot, &mut buffer[..length]);
                } else {
                    self.received(slot, &mut buffer[..length]);
                }
                self.queue_read(slot);
            }
            Ok(ReadOutcome::Nothing) => {
                conn.flags.readable = false;
                conn.flags.ended = false;
            }
            Ok(ReadOutcome::End) => self.finish(slot, CloseReason::Client),
            Err(_) => self.close(slot, CloseReason::Client),
        }
    }

    pub(crate) fn received(&mut self, slot: u32, bytes: &mut [u8]) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if !conn.input.is_empty() {
            conn.input.extend_from_slice(bytes);
            self.decode_kept(slot);
            return;
        }
        let used = self.decode(slot, bytes);
        let rest = &bytes[used..];
        if rest.is_empty() {
            return;
        }
        let mut kept = self.buffers.take();
        kept.extend_from_slice(rest);
        match self.conns.get_mut(slot) {
            Some(conn) => conn.input = kept,
            None => self.buffers.give(kept),
        }
    }

    /// Decodes what the connection kept.
    fn decode_kept(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let mut kept = std::mem::take(&mut conn.input);
        let used = self.decode(slot, &mut kept);
        kept.drain(..used);
        match self.conns.get_mut(slot) {
            Some(conn) if !kept.is_empty() => conn.input = kept,
            _ => self.buffers.give(kept),
        }
    }

    /// Input may go on: what was kept first, then the socket.
    pub(crate) fn resume(&mut self, slot: u32) {
        let Some(conn) = self.conns.get(slot) else { return };
        if conn.takes_input() && !conn.input.is_empty() && self.drain.is_none() {
            self.decode_kept(slot);
        }
        self.queue_read(slot);
    }

    /// Handles the frames `bytes` begins with, as far as the connection takes them; answers how much is used up.
    fn decode(&mut self, slot: u32, bytes: &mut [u8]) -> usize {
        let token = self.conns.token(slot);
        let mut at = 0;
        while at < bytes.len() {
            let Some(conn) = self.conns.find(token).and_then(|slot| self.conns.get_mut(slot)) else {
                return bytes.len();
            };
            if !conn.takes_input() {
                return at;
            }
            match conn.framing.next(&mut bytes[at..]) {
                Step::Incomplete => return at,
                Step::Nothing(used) => at += used,
                Step::Control(control, used) => {
                    at += used;
                    let ends = Framing::answer(&control, self.output(slot));
                    if ends {
                        self.finish(slot, CloseReason::Client);
                    }
                }
                Step::Broken(farewell) => {
                    if let Some(farewell) = farewell {
                        Framing::answer(&farewell, self.output(slot));
                    }
                    self.finish(slot, CloseReason::Malformed);
                    return bytes.len();
                }
                Step::Frame(header, body, used) => {
                    at += used;
                    if matches!(conn.phase, Phase::Open(_)) {
                        // Any frame, not only a heartbeat (D5). The timer follows when it fires.
                        conn.deadline = self.tick.after(self.shared.config.idle_timeout);
                        self.handle_frame(slot, header, &body);
                    } else {
                        self.handle_first_frame(slot, header, &body);
                    }
                }
            }
        }
        at
    }
}
