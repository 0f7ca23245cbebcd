//! Rows in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::Excluded;

use halley_core::key::SyncKey;
use halley_core::ports::dedup::{DedupKey, Known};
use halley_core::ports::timelines::Direction;
use halley_core::tail::TailRecord;
use halley_core::timeline::TimelineId;
use parking_lot::RwLock;

use super::log_index::Rows;
use super::{IndexError, Reach, Row};

/// See the module. Grows with the journal: for memory-only servers and simulations.
#[derive(Debug, Default)]
pub struct MemoryRows {
    maps: RwLock<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    timelines: HashMap<TimelineId, BTreeMap<SyncKey, u64>>,
    dedup: HashMap<DedupKey, Known>,
}

impl Rows for MemoryRows {
    fn write(&self, batch: &[TailRecord], _from: &Reach, _to: &Reach) -> Result<(), IndexError> {
        let mut maps = self.maps.write();
        for record in batch {
            let (key, message) = (record.entry.key, &record.entry.record.message);
            for timeline in record.entry.record.timelines() {
                maps.timelines.entry(timeline).or_default().insert(key, record.position);
            }
            if let Some(dedup) = DedupKey::of(message) {
                let known = Known {
                    id: message.id,
                    time_ms: message.time_ms,
                    key,
                };
                maps.dedup.insert(dedup, known);
            }
        }
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
        let maps = self.maps.read();
        let Some(rows) = maps.timelines.get(&timeline).filter(|_| low < high) else {
            return Ok(Vec::new());
        };
        let rows = rows.range((Excluded(low), Excluded(high)));
        let row = |(key, position): (&SyncKey, &u64)| Row {
            key: *key,
            position: *position,
        };
        Ok(match direction {
            Direction::After => rows.map(row).take(max).collect(),
            Direction::Before => rows.rev().map(row).take(max).collect(),
        })
    }

    fn find_dedup(&self, key: &DedupKey) -> Result<Option<Known>, IndexError> {
        Ok(self.maps.read().dedup.get(key).copied())
    }
}
