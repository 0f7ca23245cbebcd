//! Rows in memory only.

use halley_core::key::SyncKey;
use halley_core::ports::dedup::{DedupKey, Known};
use halley_core::ports::timelines::Direction;
use halley_core::tail::TailRecord;
use halley_core::timeline::TimelineId;
use parking_lot::RwLock;

use super::log_index::Rows;
use super::run::Run;
use super::{IndexError, Reach, Row};

/// See the module. Grows with the journal: for memory-only servers and simulations.
#[derive(Debug, Default)]
pub struct MemoryRows {
    run: RwLock<Run>,
}

impl Rows for MemoryRows {
    fn write(&self, batch: &[TailRecord], _from: &Reach, _to: &Reach) -> Result<(), IndexError> {
        let mut run = self.run.write();
        batch.iter().for_each(|record| run.add(record));
        Ok(())
    }

    fn scan(
        &self,
        timeline: TimelineId,
        low: SyncKey,
        high: SyncKey,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Row>, IndexError> {
        Ok(self.run.read().scan(timeline, low, high, direction, max))
    }

    fn timelines_behind(
        &self,
        behind: Option<TimelineId>,
        max: usize,
    ) -> Result<Vec<TimelineId>, IndexError> {
        Ok(self.run.read().timelines_behind(behind, max))
    }

    fn find_dedup(&self, key: &DedupKey) -> Result<Option<Known>, IndexError> {
        Ok(self.run.read().dedup.get(key).copied())
    }
}
