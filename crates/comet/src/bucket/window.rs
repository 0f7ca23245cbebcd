//! The pushes of a session that are not acknowledged yet, in the order in which they were sent. Each is on a track: keys
//! ascend on each, and acknowledgements move each by itself.

use std::collections::VecDeque;
use std::sync::Arc;

use halley_core::ids::GroupId;
use halley_core::key::SyncKey;

use super::receipts::Owed;
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

/// What a push is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Track {
    /// The inbox, and every feed that does not lag.
    Main,
    /// A feed that lags.
    Feed(GroupId),
}

struct Push {
    track: Track,
    /// Everything of the track at or below is shown or skipped once this one is.
    covers: SyncKey,
    /// `None` once it is acknowledged.
    body: Option<Arc<[u8]>>,
    sent: Tick,
    /// What its acknowledgement owes.
    owed: Option<Owed>,
}

/// What an acknowledgement did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Acked {
    /// Nothing: that push is not outstanding.
    Unknown,
    /// Marked; an earlier one is still missing.
    Marked,
    /// Everything of this track up to this key is acknowledged.
    Moved(Track, SyncKey),
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
    pub(crate) fn push(
        &mut self,
        track: Track,
        key: SyncKey,
        body: Arc<[u8]>,
        now: Tick,
        owed: Option<Owed>,
    ) -> PushSeq {
        let seq = self.first.plus(self.pushes.len());
        self.pushes.push_back(Push { track, covers: key, body: Some(body), sent: now, owed });
        seq
    }

    /// Whether a push of this track is not acknowledged yet.
    pub(crate) fn has_outstanding(&self, track: Track) -> bool {
        // Mostly the newest one tells.
        self.pushes.iter().rev().any(|push| push.track == track && push.body.is_some())
    }

    /// Everything of the track up to `key` needs no push. `false`: nothing of it is outstanding, so its cursor itself may
    /// move there.
    pub(crate) fn cover(&mut self, track: Track, key: SyncKey) -> bool {
        if !self.has_outstanding(track) {
            return false;
        }
        if let Some(last) = self.pushes.iter_mut().rev().find(|push| push.track == track) {
            last.covers = last.covers.max(key);
        }
        true
    }

    /// Takes an acknowledgement; what the track's cursor has passed by it owes goes to `owed`.
    pub(crate) fn ack(&mut self, seq: PushSeq, owed: &mut Vec<Owed>) -> Acked {
        let index = seq.0.wrapping_sub(self.first.0) as usize;
        let Some(push) = self.pushes.get_mut(index) else {
            return Acked::Unknown;
        };
        if push.body.take().is_none() {
            return Acked::Unknown;
        }
        let track = push.track;
        let moved = self.prefix_from(track, index, owed);
        while self.pushes.pop_front_if(|push| push.body.is_none()).is_some() {
            self.first = self.first.plus(1);
        }
        if self.pushes.is_empty() {
            // An idle session holds no memory for its window.
            self.pushes = VecDeque::new();
        }
        moved.map_or(Acked::Marked, |key| Acked::Moved(track, key))
    }

    /// How far the acknowledged prefix of a track goes, if the push at `index` is part of it.
    fn prefix_from(&mut self, track: Track, index: usize, owed: &mut Vec<Owed>) -> Option<SyncKey> {
        let of_track = self.pushes.iter_mut().enumerate();
        let mut of_track = of_track.filter(|(_, push)| push.track == track);
        let mut reached = None;
        let first_missing = of_track.find_map(|(place, push)| {
            if push.body.is_some() {
                return Some(place);
            }
            reached = Some(push.covers);
            owed.extend(push.owed.take());
            None
        });
        reached.filter(|_| first_missing.is_none_or(|missing| missing > index))
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

    fn ack(window: &mut Window, seq: PushSeq) -> Acked {
        window.ack(seq, &mut Vec::new())
    }

    fn moved(raw: i64) -> Acked {
        Acked::Moved(Track::Main, key(raw))
    }

    fn window(first: u32, keys: &[i64]) -> Window {
        let mut window = Window::new();
        window.first = PushSeq(first);
        for raw in keys {
            window.push(Track::Main, key(*raw), Arc::from(&b"body"[..]), Tick(0), None);
        }
        window
    }

    #[test]
    fn only_the_contiguous_prefix_moves_the_cursor() {
        let mut window = window(1, &[10, 20, 30]);
        assert_eq!(ack(&mut window, PushSeq(2)), Acked::Marked);
        assert_eq!(ack(&mut window, PushSeq(2)), Acked::Unknown);
        assert_eq!(ack(&mut window, PushSeq(4)), Acked::Unknown);
        assert_eq!(ack(&mut window, PushSeq(0)), Acked::Unknown);
        assert_eq!(ack(&mut window, PushSeq(1)), moved(20));
        assert_eq!(ack(&mut window, PushSeq(1)), Acked::Unknown);
        assert_eq!(window.len(), 1);
        assert_eq!(ack(&mut window, PushSeq(3)), moved(30));
        assert!(window.is_empty());
        assert_eq!(window.push(Track::Main, key(40), Arc::from(&b""[..]), Tick(0), None), PushSeq(4));
    }

    #[test]
    fn what_needs_no_push_is_covered_by_the_one_before() {
        let mut window = window(1, &[10, 20]);
        assert!(window.cover(Track::Main, key(25)));
        assert_eq!(ack(&mut window, PushSeq(1)), moved(10));
        assert_eq!(ack(&mut window, PushSeq(2)), moved(25));
        assert!(!window.cover(Track::Main, key(30)));
    }

    #[test]
    fn each_track_moves_by_itself() {
        let feed = Track::Feed(GroupId(7));
        let mut window = window(1, &[10]);
        let body = || Arc::from(&b"feed"[..]);
        window.push(feed, key(3), body(), Tick(0), None);
        window.push(Track::Main, key(20), body(), Tick(0), None);
        window.push(feed, key(4), body(), Tick(0), None);
        assert!(!window.has_outstanding(Track::Feed(GroupId(8))));
        assert_eq!(ack(&mut window, PushSeq(3)), Acked::Marked, "10 is missing");
        assert_eq!(ack(&mut window, PushSeq(1)), moved(20));
        assert!(!window.has_outstanding(Track::Main));
        assert!(!window.cover(Track::Main, key(25)), "nothing of it is outstanding");
        assert_eq!(window.len(), 3, "the feed's first is");
        assert!(window.cover(feed, key(5)));
        assert_eq!(ack(&mut window, PushSeq(2)), Acked::Moved(feed, key(3)));
        window.push(Track::Main, key(30), body(), Tick(0), None);
        assert_eq!(ack(&mut window, PushSeq(5)), moved(30), "not only what is new");
        assert_eq!(ack(&mut window, PushSeq(4)), Acked::Moved(feed, key(5)));
        assert!(window.is_empty());
    }

    #[test]
    fn sequences_wrap() {
        let mut window = window(u32::MAX, &[1, 2, 3]);
        assert_eq!(ack(&mut window, PushSeq::from_wire(1)), Acked::Marked);
        assert_eq!(ack(&mut window, PushSeq::from_wire(0)), Acked::Marked);
        assert_eq!(ack(&mut window, PushSeq::from_wire(-1)), moved(3));
        assert_eq!(window.first, PushSeq(2));
    }

    #[test]
    fn a_resend_takes_what_is_old_and_not_acknowledged() {
        let mut window = window(1, &[1, 2]);
        window.push(Track::Main, key(3), Arc::from(&b"late"[..]), Tick(9), None);
        ack(&mut window, PushSeq(2));
        let mut resent = Vec::new();
        window.resend(Tick(5), Tick(10), |seq, _| resent.push(seq.0));
        window.resend(Tick(9), Tick(11), |seq, _| resent.push(seq.0));
        assert_eq!(resent, [1, 3]);
    }
}
