//! Rows in memory, in the order of the journal.

use std::collections::{BTreeMap, HashMap};

use halley_core::event::RevokedBy;
use halley_core::ids::{AppId, MsgId};
use halley_core::key::SyncKey;
use halley_core::message::EntryKind;
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
    /// Messages in the order of the journal: nobody looks for one but who revokes it, and may look through all.
    pub(super) messages: Vec<(AppId, MsgId, Row)>,
    /// What was revoked, by timeline and key of the message.
    pub(super) revoked: HashMap<TimelineId, BTreeMap<SyncKey, RevokedBy>>,
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
        if message.kind == EntryKind::MESSAGE {
            self.messages.push((message.app, message.id, Row { key, position: record.position }));
        }
        if let Some((revoked, by)) = RevokedBy::of(&record.entry) {
            for timeline in record.entry.record.timelines() {
                self.revoked.entry(timeline).or_default().entry(revoked).or_insert(by);
            }
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

    /// The place of a message.
    pub(super) fn find_message(&self, app: AppId, id: MsgId) -> Option<Row> {
        let found = self.messages.iter().rev().find(|(of_app, of_id, _)| (*of_app, *of_id) == (app, id));
        found.map(|(_, _, row)| *row)
    }

    /// What was revoked between two keys, both inclusive.
    pub(super) fn revoked(
        &self,
        timeline: TimelineId,
        from: SyncKey,
        to: SyncKey,
    ) -> BTreeMap<SyncKey, RevokedBy> {
        let of_timeline = self.revoked.get(&timeline).into_iter().flat_map(|keys| keys.range(from..=to));
        of_timeline.map(|(key, by)| (*key, *by)).collect()
    }

    /// Roughly what it occupies.
    pub(super) fn bytes(&self) -> usize {
        self.rows * 24
            + self.messages.len() * 32
            + (self.timelines.len() + self.dedup.len() + 2 * self.revoked.len()) * 80
    }
}
