//! Sends that have no answer yet: kept until the server says durable or refused, across any number of connections.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::codec::{Frame, encode_send};
use super::event::{Outgoing, SendId};

/// The outbox is full: nothing was taken; try again when a send has been answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} sends wait for their answer, which is the limit")]
pub struct OutboxFull(pub usize);

struct Entry {
    /// Made once: a repetition is the identical frame, also on the next connection (numbers are never reused).
    frame: Frame,
    /// When it was last given to the current connection; `None` when not yet.
    sent: Option<Instant>,
}

pub(super) struct Outbox {
    entries: BTreeMap<SendId, Entry>,
    by_seq: HashMap<i32, SendId>,
    next: u64,
    in_flight: usize,
    entries_max: usize,
    in_flight_max: usize,
    resend_after: Option<Duration>,
}

impl Outbox {
    pub(super) fn new(entries_max: usize, in_flight_max: usize, resend_after: Option<Duration>) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_seq: HashMap::new(),
            next: 1,
            in_flight: 0,
            entries_max,
            in_flight_max: in_flight_max.max(1),
            resend_after,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < self.entries_max
    }

    pub(super) fn push(&mut self, outgoing: &Outgoing, seq: i32) -> Result<SendId, OutboxFull> {
        if !self.has_room() {
            return Err(OutboxFull(self.entries_max));
        }
        let id = SendId(self.next);
        self.next += 1;
        self.entries.insert(id, Entry { frame: encode_send(outgoing, seq), sent: None });
        self.by_seq.insert(seq, id);
        Ok(id)
    }

    /// The answer with this number came: the send it answers, once.
    pub(super) fn answered(&mut self, seq: i32) -> Option<SendId> {
        let id = self.by_seq.remove(&seq)?;
        if self.entries.remove(&id).is_some_and(|entry| entry.sent.is_some()) {
            self.in_flight -= 1;
        }
        Some(id)
    }

    /// The connection ended: everything will be given to the next one, in order.
    pub(super) fn forget_connection(&mut self) {
        self.in_flight = 0;
        for entry in self.entries.values_mut() {
            entry.sent = None;
        }
    }

    /// Frames to put on the wire now: first ones while the window has room, repetitions that are due.
    pub(super) fn transmit(&mut self, now: Instant, mut emit: impl FnMut(Frame)) {
        for entry in self.entries.values_mut() {
            match entry.sent {
                Some(sent) => {
                    if self.resend_after.is_some_and(|after| now >= sent + after) {
                        entry.sent = Some(now);
                        emit(entry.frame.clone());
                    }
                }
                None if self.in_flight < self.in_flight_max => {
                    self.in_flight += 1;
                    entry.sent = Some(now);
                    emit(entry.frame.clone());
                }
                // The window is full, and what follows was not sent either.
                None => break,
            }
        }
    }

    /// When the next repetition is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let after = self.resend_after?;
        self.entries.values().map_while(|entry| entry.sent).min().map(|sent| sent + after)
    }
}
