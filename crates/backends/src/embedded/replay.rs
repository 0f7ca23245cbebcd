//! What is read of the log while it opens: records the index lacks, group changes the state lacks.

use std::sync::Arc;

use bytes::Bytes;
use halley_core::RecordError;
use halley_core::ids::{LogSeq, MsgId};
use halley_core::key::SyncKey;
use halley_core::ports::accounts::JournaledChange;
use halley_core::ports::index::Watermark;
use halley_core::record::{Entry, Record};
use halley_core::tail::TailRecord;

/// A record of the log as it lies there.
pub(super) fn decode(record: &halley_journal::Record<'_>) -> Result<TailRecord, RecordError> {
    let seq = LogSeq(record.seq.get());
    let (epoch, decoded) = Record::decode(&Bytes::copy_from_slice(record.payload))?;
    let key = SyncKey::new(epoch, seq.0).ok_or(RecordError::Malformed { at: 0 })?;
    Ok(TailRecord {
        seq,
        position: record.position.to_bits(),
        entry: Entry { key, record: Arc::new(decoded) },
    })
}

/// The visitor of the opening log.
pub(super) struct Replay {
    /// The index has everything up to here; nothing yet when it is to be rebuilt.
    pub(super) indexed: Watermark,
    /// The state has all changes up to here.
    pub(super) applied: Watermark,
    bytes_max: usize,
    bytes: usize,
    /// Records above `indexed`, as many as the tail may hold.
    pub(super) records: Vec<TailRecord>,
    /// There are more of these than the tail may hold, or they begin below what was visited: index before serving.
    pub(super) is_partial: bool,
    /// Group changes above `applied`.
    pub(super) changes: Vec<JournaledChange>,
    /// The newest record visited.
    pub(super) newest: Watermark,
    pub(super) newest_id: MsgId,
    /// The log holds another record where the index saw its newest one.
    pub(super) is_index_foreign: bool,
    pub(super) visited: u64,
}

impl Replay {
    pub(super) fn new(indexed: Watermark, applied: Watermark, bytes_max: usize) -> Self {
        Self {
            indexed,
            applied,
            bytes_max,
            bytes: 0,
            records: Vec::new(),
            is_partial: indexed.seq < applied.seq && indexed.seq.0 == 0,
            changes: Vec::new(),
            newest: Watermark::default(),
            newest_id: MsgId(0),
            is_index_foreign: false,
            visited: 0,
        }
    }

    /// Where the log must be read from: below it, index and state have everything. An empty index is filled by a scan
    /// of its own.
    pub(super) fn from(&self) -> Watermark {
        if self.is_partial || self.applied.seq < self.indexed.seq { self.applied } else { self.indexed }
    }

    pub(super) fn visit(&mut self, record: &halley_journal::Record<'_>) -> Result<(), RecordError> {
        let record = decode(record)?;
        self.visited += 1;
        self.newest_id = self.newest_id.max(record.entry.record.message.last_id());
        self.newest = Watermark { seq: record.seq, key: record.entry.key, position: record.position };
        if record.seq == self.indexed.seq && record.entry.key != self.indexed.key {
            self.is_index_foreign = true;
        }
        if record.seq > self.applied.seq
            && let Some(change) = JournaledChange::of(&record.entry)
        {
            self.changes.push(change);
        }
        if record.seq > self.indexed.seq && !self.is_partial {
            self.bytes += record.entry.record.weight_bytes();
            self.records.push(record);
            self.is_partial = self.bytes > self.bytes_max;
        }
        Ok(())
    }
}
