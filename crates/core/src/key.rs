//! Sync keys: an entry's place in its timeline, and the record's place in the journal.

use std::fmt;

/// The installation's journal epoch, 0 to 511: +1 at restore, promotion, a move to Kafka, growth of the
/// partitions, and an unclean start under any `fsync` but `always` (design section 1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u16);

impl Epoch {
    /// The last epoch a key can carry.
    pub const LAST: Self = Self(511);
}

/// A positive i64 below 2^53, strictly increasing within every timeline: `epoch << 44 | place`, where the
/// place is the log sequence (from 1) or the Kafka offset + 1. [`SyncKey::START`] is below every entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SyncKey(i64);

const PLACE_BITS: u32 = 44;
const PLACE_MAX: u64 = (1 << PLACE_BITS) - 1;

impl SyncKey {
    /// Below every entry: a cursor that has seen nothing.
    pub const START: Self = Self(0);
    /// Above every entry.
    pub const END: Self = Self(i64::MAX);

    /// The key of a place (1 to 2^44-1) in an epoch; `None` outside these bounds.
    #[must_use]
    pub fn new(epoch: Epoch, place: u64) -> Option<Self> {
        if place == 0 || place > PLACE_MAX || epoch > Epoch::LAST {
            return None;
        }
        let bits = (u64::from(epoch.0) << PLACE_BITS) | place;
        i64::try_from(bits).ok().map(Self)
    }

    /// A key as it came from outside; `None` when it is negative.
    #[must_use]
    pub fn from_raw(raw: i64) -> Option<Self> {
        (raw >= 0).then_some(Self(raw))
    }

    /// The lowest key above this one, as an exclusive bound of a read downwards.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number clients see.
    #[must_use]
    pub fn raw(self) -> i64 {
        self.0
    }

    /// The place in the journal: log sequence, or Kafka offset + 1.
    #[must_use]
    pub fn place(self) -> u64 {
        self.0.unsigned_abs() & PLACE_MAX
    }
}

impl fmt::Debug for SyncKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0 >> PLACE_BITS, self.place())
    }
}

impl fmt::Display for SyncKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_two_to_the_53_and_order_by_epoch_then_place() {
        let last = SyncKey::new(Epoch::LAST, PLACE_MAX).expect("in bounds");
        assert_eq!(last.raw(), (1 << 53) - 1);
        let early = SyncKey::new(Epoch(1), 5).expect("in bounds");
        let late = SyncKey::new(Epoch(0), PLACE_MAX).expect("in bounds");
        assert!(early > late);
        assert_eq!(early.place(), 5);
        assert_eq!(SyncKey::new(Epoch(0), 0), None);
        assert_eq!(SyncKey::new(Epoch(512), 1), None);
    }
}
