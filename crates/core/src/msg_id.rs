//! Message ids: 63 bits, ordered by time, made by logic before the bus (ruling 1).
//!
//! `milliseconds since 2020-01-01 (41 bits) | node (10 bits) | sequence (12 bits)`: 4,096 ids per millisecond and
//! node. When a millisecond is used up, or the wall clock steps back, the generator goes on in milliseconds of its
//! own, ahead of the clock: ids stay unique and increasing, and nothing waits (spec D22 cannot happen).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ids::{MsgId, NodeId};

const EPOCH_MS: u64 = 1_577_836_800_000;
const SEQUENCE_BITS: u32 = 12;
const NODE_BITS: u32 = 10;

/// Makes ids that increase; shared by all threads of a process.
#[derive(Debug)]
pub struct MsgIdGenerator {
    node: u64,
    /// Milliseconds and sequence of the id given last, without the node.
    last: AtomicU64,
}

impl MsgIdGenerator {
    /// For this node (0 to 1023), giving only ids above `floor`, the newest of the journal: a clock that was
    /// set back over a restart cannot make an id twice.
    #[must_use]
    pub fn new(node: NodeId, floor: Option<MsgId>) -> Self {
        let last = floor.map_or(0, stamp_of);
        Self { node: u64::from(node.0) & ((1 << NODE_BITS) - 1), last: AtomicU64::new(last) }
    }

    /// The next id at this wall time (unix milliseconds).
    pub fn next(&self, wall_ms: u64) -> MsgId {
        self.next_block(wall_ms, 1)
    }

    /// Whether [`MsgIdGenerator::next`] can no longer give this id at this wall time or later, on any node whose clock
    /// is not behind.
    #[must_use]
    pub fn is_past(&self, id: MsgId, wall_ms: u64) -> bool {
        let floor = wall_ms.saturating_sub(EPOCH_MS) << SEQUENCE_BITS;
        id.0 > 0 && stamp_of(id) < floor.max(self.last.load(Ordering::Relaxed) + 1)
    }

    /// The first of so many ids (at least 1) that are nobody else's; [`nth_of_block`] gives the others.
    pub fn next_block(&self, wall_ms: u64, count: u32) -> MsgId {
        let floor = wall_ms.saturating_sub(EPOCH_MS) << SEQUENCE_BITS;
        let first = |last: u64| (last + 1).max(floor).max(1);
        let more = u64::from(count.saturating_sub(1));
        let before = self.last.update(Ordering::Relaxed, Ordering::Relaxed, |last| first(last) + more);
        id_of(first(before), self.node)
    }
}

/// The n-th id, from 0, of a block that [`MsgIdGenerator::next_block`] reserved.
#[must_use]
pub fn nth_of_block(first: MsgId, n: u32) -> MsgId {
    let bits = first.0.cast_unsigned();
    let node = (bits >> SEQUENCE_BITS) & ((1 << NODE_BITS) - 1);
    id_of(stamp_of(first) + u64::from(n), node)
}

/// Milliseconds and sequence of an id, without the node.
fn stamp_of(id: MsgId) -> u64 {
    let bits = id.0.unsigned_abs();
    let ms = bits >> (NODE_BITS + SEQUENCE_BITS);
    (ms << SEQUENCE_BITS) | (bits & ((1 << SEQUENCE_BITS) - 1))
}

fn id_of(stamp: u64, node: u64) -> MsgId {
    let ms = (stamp >> SEQUENCE_BITS) & ((1 << 41) - 1);
    let bits =
        (ms << (NODE_BITS + SEQUENCE_BITS)) | (node << SEQUENCE_BITS) | (stamp & ((1 << SEQUENCE_BITS) - 1));
    MsgId(bits.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_through_a_burst_and_a_clock_that_steps_back() {
        let generator = MsgIdGenerator::new(NodeId(3), None);
        let mut last = MsgId(0);
        for wall_ms in [1_700_000_000_000, 1_600_000_000_000, 1_700_000_000_001] {
            for _ in 0..10_000 {
                let id = generator.next(wall_ms);
                assert!(id > last, "{id} after {last}");
                last = id;
            }
        }
        let next = MsgIdGenerator::new(NodeId(3), Some(last));
        assert!(next.next(1_000) > last, "a restart with a wrong clock");
    }

    #[test]
    fn a_block_is_nobody_elses_and_increases_over_a_full_millisecond() {
        let generator = MsgIdGenerator::new(NodeId(1_023), None);
        let now_ms = 1_700_000_000_000;
        let mut last = generator.next(now_ms);
        for count in [1, 3, 5_000, 0, 2] {
            let first = generator.next_block(now_ms, count);
            for n in 0..count.max(1) {
                let id = nth_of_block(first, n);
                assert!(id > last, "{id} after {last}");
                assert_eq!((id.0 >> SEQUENCE_BITS) & 1_023, 1_023, "of this node");
                last = id;
            }
        }
        assert!(generator.next(now_ms) > last);
    }

    #[test]
    fn an_id_is_past_once_it_cannot_be_given_any_more() {
        let generator = MsgIdGenerator::new(NodeId(3), None);
        let now = 1_700_000_000_000;
        let given = generator.next(now);
        assert!(generator.is_past(given, now));
        assert!(!generator.is_past(MsgId(given.0 + 1), now), "the next one");
        assert!(generator.is_past(MsgId(given.0 + 1), now + 1), "its millisecond is over");
        assert!(!generator.is_past(MsgId(i64::MAX), now));
        assert!(!generator.is_past(MsgId(0), now) && !generator.is_past(MsgId(-5), now));
        let burst = (0..5_000).map(|_| generator.next(now)).last().expect("made");
        assert!(generator.is_past(burst, now), "made ahead of the clock");
    }

    #[test]
    fn an_id_is_never_zero_and_never_negative() {
        let generator = MsgIdGenerator::new(NodeId(0), None);
        assert!(generator.next(0) > MsgId(0));
        assert!(generator.next(1 << 45) > MsgId(0));
    }
}
