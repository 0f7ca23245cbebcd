//! What the tables of the index hold: runs, each from one record to another, which must join.

use std::collections::VecDeque;

use fjall::Keyspace;
use halley_core::ids::LogSeq;

use super::{IndexError, Reach, codec};

/// What the tables hold.
pub(super) struct Tables {
    /// They reach so far.
    pub(super) reach: Reach,
    /// The run reaches so far.
    pub(super) run_reach: Reach,
    /// Where the runs in them began, oldest first; the oldest ones are merged when there are many.
    runs: VecDeque<(LogSeq, Reach)>,
}

/// The rows that say where runs begin and end are merged when there are twice as many.
#[cfg(not(test))]
const RUN_ROWS_KEPT: usize = 512;
#[cfg(test)]
const RUN_ROWS_KEPT: usize = 3;

/// A row that says where a run leads, or that it was merged into an older one.
pub(super) type RunRow = ([u8; 9], Option<Reach>);

impl Tables {
    /// These runs, up to here, and an empty run behind them.
    pub(super) fn new(reach: Reach, runs: VecDeque<(LogSeq, Reach)>) -> Self {
        Self { reach, run_reach: reach, runs }
    }

    /// What is to be written about runs with the next one, in the order of the keys.
    pub(super) fn run_rows(&self, to: &Reach) -> Vec<RunRow> {
        let mut rows = Vec::new();
        let merged = self.merged();
        if let (Some((first, _)), Some((_, last))) =
            (self.runs.front(), self.runs.get(merged.saturating_sub(1)))
            && merged > 1
        {
            rows.push((codec::batch_key(*first), Some(*last)));
            let gone = self.runs.iter().take(merged).skip(1);
            rows.extend(gone.map(|(from, _)| (codec::batch_key(*from), None)));
        }
        rows.push((codec::batch_key(self.reach.watermark.seq), Some(*to)));
        rows
    }

    /// How many of the oldest become one.
    fn merged(&self) -> usize {
        if self.runs.len() < 2 * RUN_ROWS_KEPT {
            return 0;
        }
        self.runs.len() - RUN_ROWS_KEPT
    }

    pub(super) fn wrote(&mut self, to: Reach) {
        let merged = self.merged();
        if merged > 1 {
            let last = self.runs[merged - 1].1;
            self.runs[0].1 = last;
            self.runs.drain(1..merged);
        }
        self.runs.push_back((self.reach.watermark.seq, to));
        self.reach = to;
    }
}

pub(super) type Joined = (Reach, VecDeque<(LogSeq, Reach)>);

/// How far the runs of a keyspace lead, and where they begin; `None` when there is a gap between them.
pub(super) fn joined(keyspace: &Keyspace) -> Result<Option<Joined>, IndexError> {
    let mut reach = Reach::default();
    let mut runs = VecDeque::new();
    for row in keyspace.prefix(codec::BATCH_PREFIX) {
        let (key, value) = row.into_inner()?;
        let from = codec::batch_from(&key)?;
        let to = codec::reach_of(&value)?;
        if from > reach.watermark.seq {
            return Ok(None);
        }
        if to.watermark.seq > reach.watermark.seq {
            reach = to;
        }
        runs.push_back((from, to));
    }
    Ok(Some((reach, runs)))
}
