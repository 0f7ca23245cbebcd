//! The pushes of a session that are not acknowledged yet, in key order.

use std::collections::VecDeque;
use std::sync::Arc;

use halley_core::key::SyncKey;

use super::tick::Tick;

/// The sequence of a push on its connection: 1, 2, 3, …; wraps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PushSeq(pub(crate) u32);

impl PushSeq {
    const FIRST: Self = Self(1);

    /// As the frame carries it.
    pub(crate) fn wire(self) -> i32 {
        self.0.cast_signed()
    }

    /// As a frame carried it.
    pub(crate) fn from_wire(ack: i32) -> Self {
        Self(ack.cast_unsigned())
    }

    fn plus(self, count: usize) -> Self {
        Self(self.0.wrapping_add(count as u32))
    }
}

struct Push {
    /// Everything of the timeline at or below is shown or skipped once this one is.
    covers: SyncKey,
    /// `None` once it is acknowledged.
    body: Option<Arc<[u8]>>,
    sent: Tick,
}

/// What an acknowledgement did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Acked {
    /// Nothing: that push is not outstanding.
    Unknown,
    /// Marked; an earlier one is still missing.
    Marked,
    /// Everything up to this key is acknowledged.
    Moved(SyncKey),
}

/// A bounded run of pushes with consecutive sequences. An acknowledgement finds its push by subtraction.
pub(crate) struct Window {
    /// Sequence of the first push in `pushes`, or of the next one when it is empty.
    first: PushSeq,
    pushes: VecDeque<Push>,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { first: PushSeq::FIRST, pushes: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.pushes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pushes.is_empty()
    }

    /// Adds a push and answers its sequence.
    pub(crate) fn push(&mut self, key: SyncKey, body: Arc<[u8]>, now: Tick) -> PushSeq {
        let seq = self.first.plus(self.pushes.len());
        self.pushes.push_back(Push { covers: key, body: Some(body), sent: now });
        seq
    }

    /// Everything up to `key` needs no push. `false`: nothing is outstanding, so the cursor itself may move there.
    pub(crate) fn cover(&mut self, key: SyncKey) -> bool {
        match self.pushes.back_mut() {
            Some(last) => {
                last.covers = last.covers.max(key);
                true
            }
            None => false,
        }
    }

    /// Takes an acknowledgement.
    pub(crate) fn ack(&mut self, seq: PushSeq) -> Acked {
        let index = seq.0.wrapping_sub(self.first.0) as usize;
        let Some(push) = self.pushes.get_mut(index) else {
            return Acked::Unknown;
        };
        if push.body.take().is_none() {
            return Acked::Unknown;
        }
        let mut moved = None;
        while let Some(push) = self.pushes.pop_front_if(|push| push.body.is_none()) {
            self.first = self.first.plus(1);
            moved = Some(push.covers);
        }
        if self.pushes.is_empty() {
            // An idle session holds no memory for its window.
            self.pushes = VecDeque::new();
        }
        moved.map_or(Acked::Marked, Acked::Moved)
    }

    /// Calls `resend` with every push that was sent at or before `before` and is not acknowledged; they count as
    /// sent `now`.
    pub(crate) fn resend(&mut self, before: Tick, now: Tick, mut resend: impl FnMut(PushSeq, &Arc<[u8]>)) {
        for (index, push) in self.pushes.iter_mut().enumerate() {
            if let Some(body) = push.body.as_ref().filter(|_| push.sent <= before) {
                resend(self.first.plus(index), body);
                push.sent = now;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(raw: i64) -> SyncKey {
        SyncKey::from_raw(raw).expect("positive")
    }

    fn window(first: u32, keys: &[i64]) -> Window {
        let mut window = Window::new();
        window.first = PushSeq(first);
        for raw in keys {
            window.push(key(*raw), Arc::from(&b"body"[..]), Tick(0));
        }
        window
    }

    #[test]
    fn only_the_contiguous_prefix_moves_the_cursor() {
        let mut window = window(1, &[10, 20, 30]);
        assert_eq!(window.ack(PushSeq(2)), Acked::Marked);
        assert_eq!(window.ack(PushSeq(2)), Acked::Unknown);
        assert_eq!(window.ack(PushSeq(4)), Acked::Unknown);
        assert_eq!(window.ack(PushSeq(0)), Acked::Unknown);
        assert_eq!(window.ack(PushSeq(1)), Acked::Moved(key(20)));
        assert_eq!(window.ack(PushSeq(1)), Acked::Unknown);
        assert_eq!(window.len(), 1);
        assert_eq!(window.ack(PushSeq(3)), Acked::Moved(key(30)));
        assert!(window.is_empty());
        assert_eq!(window.push(key(40), Arc::from(&b""[..]), Tick(0)), PushSeq(4));
    }

    #[test]
    fn what_needs_no_push_is_covered_by_the_one_before() {
        let mut window = window(1, &[10, 20]);
        assert!(window.cover(key(25)));
        assert_eq!(window.ack(PushSeq(1)), Acked::Moved(key(10)));
        assert_eq!(window.ack(PushSeq(2)), Acked::Moved(key(25)));
        assert!(!window.cover(key(30)));
    }

    #[test]
    fn sequences_wrap() {
        let mut window = window(u32::MAX, &[1, 2, 3]);
        assert_eq!(window.ack(PushSeq::from_wire(1)), Acked::Marked);
        assert_eq!(window.ack(PushSeq::from_wire(0)), Acked::Marked);
        assert_eq!(window.ack(PushSeq::from_wire(-1)), Acked::Moved(key(3)));
        assert_eq!(window.first, PushSeq(2));
    }

    #[test]
    fn a_resend_takes_what_is_old_and_not_acknowledged() {
        let mut window = window(1, &[1, 2]);
        window.push(key(3), Arc::from(&b"late"[..]), Tick(9));
        window.ack(PushSeq(2));
        let mut resent = Vec::new();
        window.resend(Tick(5), Tick(10), |seq, _| resent.push(seq.0));
        window.resend(Tick(9), Tick(11), |seq, _| resent.push(seq.0));
        assert_eq!(resent, [1, 3]);
    }
}
