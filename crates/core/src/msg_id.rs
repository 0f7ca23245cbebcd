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
        let last = floor.map_or(0, |id| {
            let bits = id.0.unsigned_abs();
            let ms = bits >> (NODE_BITS + SEQUENCE_BITS);
            (ms << SEQUENCE_BITS) | (bits & ((1 << SEQUENCE_BITS) - 1))
        });
        Self { node: u64::from(node.0) & ((1 << NODE_BITS) - 1), last: AtomicU64::new(last) }
    }

    /// The next id at this wall time (unix milliseconds).
    pub fn next(&self, wall_ms: u64) -> MsgId {
        let floor = wall_ms.saturating_sub(EPOCH_MS) << SEQUENCE_BITS;
        let step = |last: u64| (last + 1).max(floor).max(1);
        let before = self.last.update(Ordering::Relaxed, Ordering::Relaxed, step);
        let stamp = step(before);
        let ms = (stamp >> SEQUENCE_BITS) & ((1 << 41) - 1);
        let bits = (ms << (NODE_BITS + SEQUENCE_BITS))
            | (self.node << SEQUENCE_BITS)
            | (stamp & ((1 << SEQUENCE_BITS) - 1));
        MsgId(bits.cast_signed())
    }
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
    fn an_id_is_never_zero_and_never_negative() {
        let generator = MsgIdGenerator::new(NodeId(0), None);
        assert!(generator.next(0) > MsgId(0));
        assert!(generator.next(1 << 45) > MsgId(0));
    }
}
