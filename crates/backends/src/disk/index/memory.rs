//! Rows in memory only.

use std::collections::BTreeMap;

use halley_core::event::RevokedBy;
use halley_core::ids::{AppId, MsgId};
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

    fn find_message(&self, app: AppId, id: MsgId) -> Result<Option<Row>, IndexError> {
        Ok(self.run.read().find_message(app, id))
    }

    fn revoked(
        &self,
        timeline: TimelineId,
        from: SyncKey,
        to: SyncKey,
    ) -> Result<BTreeMap<SyncKey, RevokedBy>, IndexError> {
        Ok(self.run.read().revoked(timeline, from, to))
    }

    fn find_dedup(&self, key: &DedupKey) -> Result<Option<Known>, IndexError> {
        Ok(self.run.read().dedup.get(key).copied())
    }
}
