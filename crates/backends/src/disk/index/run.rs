//! Rows in memory, in the order of the journal.

use std::collections::HashMap;

use halley_core::key::SyncKey;
use halley_core::ports::dedup::{DedupKey, Known};
use halley_core::ports::timelines::Direction;
use halley_core::tail::TailRecord;
use halley_core::timeline::TimelineId;

use super::Row;

/// See the module. What is added lies behind everything that was added before, so every timeline is sorted by itself.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) timelines: HashMap<TimelineId, Vec<Row>>,
    pub(super) dedup: HashMap<DedupKey, Known>,
    /// Rows of all timelines.
    pub(super) rows: usize,
    pub(super) newest_ms: u64,
    /// What a crash makes a start read again: roughly the bytes of these records in the journal.
    pub(super) journal_bytes: usize,
}

impl Run {
    pub(super) fn add(&mut self, record: &TailRecord) {
        let (key, message) = (record.entry.key, &record.entry.record.message);
        for timeline in record.entry.record.timelines() {
            let row = Row { key, position: record.position };
            self.timelines.entry(timeline).or_default().push(row);
            self.rows += 1;
        }
        self.newest_ms = self.newest_ms.max(message.time_ms);
        self.journal_bytes += record.entry.record.weight_bytes();
        if let Some(dedup) = DedupKey::of(message) {
            let known = Known { id: message.id, time_ms: message.time_ms, key };
            self.dedup.insert(dedup, known);
        }
    }

    /// The lowest key of a timeline here.
    pub(super) fn first(&self, timeline: TimelineId) -> Option<SyncKey> {
        self.timelines.get(&timeline)?.first().map(|row| row.key)
    }

    /// Up to `max` rows with keys in `low..high`, both exclusive.
    pub(super) fn scan(
        &self,
        timeline: TimelineId,
        low: SyncKey,
        high: SyncKey,
        direction: Direction,
        max: usize,
    ) -> Vec<Row> {
        let Some(rows) = self.timelines.get(&timeline) else {
            return Vec::new();
        };
        let from = rows.partition_point(|row| row.key <= low);
        let to = rows.partition_point(|row| row.key < high).max(from);
        let rows = rows[from..to].iter().copied();
        match direction {
            Direction::After => rows.take(max).collect(),
            Direction::Before => rows.rev().take(max).collect(),
        }
    }

    /// Roughly what it occupies.
    pub(super) fn bytes(&self) -> usize {
        self.rows * 24 + self.timelines.len() * 80 + self.dedup.len() * 80
    }
}
