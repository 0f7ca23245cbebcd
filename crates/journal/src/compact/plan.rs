//! Which holes a rewritten segment gets.

use super::error::RewriteError;
use crate::format::Hole;
use crate::ids::LogSeq;

/// What the owner says about a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It stays.
    Live,
    /// Nobody needs it: it goes where that saves space.
    Dead,
    /// It must go, whatever that costs: personal data.
    Erased,
}

/// A stretch of sequences without a live record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Gap {
    hole: Hole,
    /// Of its records in the file. None when it was a hole before.
    records: u64,
    bytes: u64,
    /// It must be a hole.
    must_go: bool,
}

/// Gathers what goes, in order.
#[derive(Default)]
pub(super) struct Plan {
    gaps: Vec<Gap>,
}

/// What goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// As the header lists them.
    pub(super) holes: Vec<Hole>,
    /// Records that were there and go.
    pub(super) dropped: u64,
}

/// What a hole costs: its place in the header, and the header and padding of the batch that it splits off.
const HOLE_COST_BYTES: u64 = 16 + 64 + 7;

impl Plan {
    /// A hole of the segment as it was.
    pub(super) fn hole(&mut self, hole: Hole) {
        self.gap(Gap { hole, records: 0, bytes: 0, must_go: true });
    }

    /// A record of the segment.
    pub(super) fn record(&mut self, seq: LogSeq, framed_bytes: u64, fate: Fate) {
        if fate != Fate::Live {
            let hole = Hole { first: seq, count: 1 };
            self.gap(Gap { hole, records: 1, bytes: framed_bytes, must_go: fate == Fate::Erased });
        }
    }

    fn gap(&mut self, more: Gap) {
        match self.gaps.last_mut() {
            Some(last) if last.hole.end() == more.hole.first => {
                last.hole.count += more.hole.count;
                last.records += more.records;
                last.bytes += more.bytes;
                last.must_go |= more.must_go;
            }
            _ => self.gaps.push(more),
        }
    }

    /// Keeps the gaps that must go, and of the others those that save space, the largest first when not all fit.
    pub(super) fn choose(mut self, holes_max: usize) -> Result<Chosen, RewriteError> {
        self.gaps.retain(|gap| gap.must_go || gap.bytes > HOLE_COST_BYTES);
        if self.gaps.len() > holes_max {
            let musts = self.gaps.iter().filter(|gap| gap.must_go).count();
            let room =
                holes_max.checked_sub(musts).ok_or(RewriteError::TooManyHoles { holes: musts, holes_max })?;
            self.gaps.sort_unstable_by_key(|gap| (!gap.must_go, std::cmp::Reverse(gap.bytes)));
            self.gaps.truncate(musts + room);
            self.gaps.sort_unstable_by_key(|gap| gap.hole.first);
        }
        Ok(Chosen {
            dropped: self.gaps.iter().map(|gap| gap.records).sum(),
            holes: self.gaps.into_iter().map(|gap| gap.hole).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole(first: u64, count: u64) -> Hole {
        Hole { first: LogSeq::new(first), count }
    }

    fn plan(fates: &[(u64, Fate)]) -> Plan {
        let mut plan = Plan::default();
        for (seq, (bytes, fate)) in (1..).zip(fates) {
            plan.record(LogSeq::new(seq), *bytes, *fate);
        }
        plan
    }

    #[test]
    fn dead_records_go_where_it_saves_space_and_erased_ones_always() {
        use Fate::{Dead, Erased, Live};
        let fates = [
            (500, Live),
            (87, Dead), // Alone it costs as much as it saves.
            (500, Live),
            (88, Dead),
            (500, Live),
            (8, Erased),
            (8, Dead), // Goes with its neighbour.
            (500, Live),
            (50, Dead),
            (50, Dead),
        ];
        let chosen = plan(&fates).choose(100).unwrap();
        assert_eq!(chosen.holes, [hole(4, 1), hole(6, 2), hole(9, 2)]);
        assert_eq!(chosen.dropped, 5);
    }

    #[test]
    fn what_was_a_hole_stays_one_and_grows_together_with_what_goes() {
        let mut plan = Plan::default();
        plan.hole(hole(5, 3));
        plan.record(LogSeq::new(8), 10, Fate::Dead);
        plan.hole(hole(9, 2));
        plan.record(LogSeq::new(11), 10, Fate::Live);
        plan.hole(hole(12, 1));
        let chosen = plan.choose(100).unwrap();
        assert_eq!((chosen.holes, chosen.dropped), (vec![hole(5, 6), hole(12, 1)], 1));
    }

    #[test]
    fn when_not_all_fit_the_largest_go_and_those_that_must() {
        use Fate::{Dead, Erased, Live};
        let fates = [(300, Dead), (1, Live), (900, Dead), (1, Live), (9, Erased), (1, Live), (500, Dead)];
        let chosen = |holes_max| plan(&fates).choose(holes_max).map(|chosen| chosen.holes);
        assert_eq!(chosen(4).unwrap(), [hole(1, 1), hole(3, 1), hole(5, 1), hole(7, 1)]);
        assert_eq!(chosen(3).unwrap(), [hole(3, 1), hole(5, 1), hole(7, 1)]);
        assert_eq!(chosen(2).unwrap(), [hole(3, 1), hole(5, 1)]);
        assert_eq!(chosen(1).unwrap(), [hole(5, 1)]);
        assert!(matches!(chosen(0), Err(RewriteError::TooManyHoles { holes: 1, holes_max: 0 })));
    }
}
