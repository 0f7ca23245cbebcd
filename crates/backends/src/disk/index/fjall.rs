//! Rows in fjall.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch};
use halley_core::ids::LogSeq;
use halley_core::key::SyncKey;
use halley_core::ports::dedup::{DEDUP_WINDOW_MS, DedupKey, Known};
use halley_core::ports::timelines::Direction;
use halley_core::tail::TailRecord;
use halley_core::timeline::TimelineId;
use parking_lot::Mutex;

use super::log_index::Rows;
use super::opening::Marker;
use super::{IndexError, Reach, Row, codec};

/// See the module.
pub struct FjallRows {
    database: Database,
    timelines: Keyspace,
    dedup: Keyspace,
    /// Where the rows of the batches begin, oldest first, so that old ones can be merged.
    batches: Mutex<VecDeque<LogSeq>>,
    /// The newest message time seen: dedup rows a window older are dropped by compactions.
    newest_ms: Arc<AtomicU64>,
    marker: Marker,
}

/// Batch rows are merged when there are twice as many; the newest so many stay apart, for a crash may take some of
/// those that are not in tables yet.
const BATCH_ROWS_KEPT: usize = 1_024;
const CACHE_BYTES: u64 = 8 << 20;
const TIMELINES_MEMTABLE_BYTES: u64 = 8 << 20;
const DEDUP_MEMTABLE_BYTES: u64 = 4 << 20;
/// The least that fjall takes.
const ENGINE_JOURNAL_BYTES: u64 = 64 << 20;

impl FjallRows {
    /// Opens what is in the directory, creating it when it is not there; `None` when what is there does not join up
    /// or is of another format.
    pub(super) fn open(path: &Path, marker: Marker) -> Result<Option<(Self, Reach)>, IndexError> {
        let newest_ms = Arc::new(AtomicU64::new(0));
        let expiry: Arc<dyn Factory> = Arc::new(Expiry(Arc::clone(&newest_ms)));
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .worker_threads(1)
            .max_cached_files(Some(128))
            .max_journaling_size(ENGINE_JOURNAL_BYTES)
            .with_compaction_filter_factories(Arc::new(move |name| {
                (name == "dedup").then(|| Arc::clone(&expiry))
            }))
            .open()?;
        let timelines = database.keyspace("timelines", || {
            KeyspaceCreateOptions::default().max_memtable_size(TIMELINES_MEMTABLE_BYTES)
        })?;
        let dedup = database.keyspace("dedup", || {
            KeyspaceCreateOptions::default().max_memtable_size(DEDUP_MEMTABLE_BYTES)
        })?;
        let (of_timelines, mut batches) = joined(&timelines)?;
        let (of_dedup, _) = joined(&dedup)?;
        let version = codec::FORMAT_VERSION.to_be_bytes();
        match timelines.get(codec::FORMAT_KEY)? {
            Some(found) if *found == version => {}
            None if batches.is_empty() => timelines.insert(codec::FORMAT_KEY, version)?,
            _ => return Ok(None),
        }
        let (Some(of_timelines), Some(of_dedup)) = (of_timelines, of_dedup) else {
            return Ok(None);
        };
        // What one of them has beyond the other is replayed into both: rows are idempotent.
        let reach = if of_timelines.watermark.seq <= of_dedup.watermark.seq {
            of_timelines
        } else {
            of_dedup
        };
        batches.retain(|from| *from < reach.watermark.seq);
        let rows = Self {
            database,
            timelines,
            dedup,
            batches: Mutex::new(batches),
            newest_ms,
            marker,
        };
        Ok(Some((rows, reach)))
    }

    fn write_rows(&self, batch: &[TailRecord], into: &mut OwnedWriteBatch) {
        // Sorted, the memtable is walked once and not jumped about in.
        let mut rows = Vec::with_capacity(batch.len() * 2);
        let mut dedup_rows = Vec::with_capacity(batch.len());
        let mut newest_ms = 0;
        for record in batch {
            let (key, message) = (record.entry.key, &record.entry.record.message);
            let timelines = record.entry.record.timelines();
            rows.extend(timelines.map(|timeline| (codec::row_key(timeline, key), record.position)));
            newest_ms = newest_ms.max(message.time_ms);
            if let Some(dedup) = DedupKey::of(message) {
                let known = Known {
                    id: message.id,
                    time_ms: message.time_ms,
                    key,
                };
                dedup_rows.push((codec::dedup_key(&dedup), known));
            }
        }
        self.newest_ms.fetch_max(newest_ms, Ordering::Relaxed);
        rows.sort_unstable();
        for (key, position) in rows {
            into.insert(&self.timelines, key, position.to_be_bytes());
        }
        // Stable: of two with the same key the newer stays behind the older, and wins.
        dedup_rows.sort_by_key(|(key, _)| *key);
        let mut dedup_rows = dedup_rows.into_iter().peekable();
        while let Some((key, known)) = dedup_rows.next() {
            if dedup_rows.peek().is_none_or(|(next, _)| *next != key) {
                into.insert(&self.dedup, key, codec::known(&known));
            }
        }
    }

    /// Adds the row of this batch, and merges old rows when there are many.
    fn write_batch_row(&self, from: LogSeq, to: &Reach, batches: &mut VecDeque<LogSeq>, into: &mut OwnedWriteBatch) {
        let value = codec::reach(to);
        into.insert(&self.timelines, codec::batch_key(from), value);
        into.insert(&self.dedup, codec::batch_key(from), value);
        if batches.back() != Some(&from) {
            batches.push_back(from);
        }
    }

    fn merge_batch_rows(&self, batches: &mut VecDeque<LogSeq>) -> Result<(), IndexError> {
        if batches.len() <= 2 * BATCH_ROWS_KEPT {
            return Ok(());
        }
        let merged = batches.len() - BATCH_ROWS_KEPT;
        let (Some(first), Some(last)) = (batches.front().copied(), batches.get(merged - 1).copied()) else {
            return Ok(());
        };
        let to = self.timelines.get(codec::batch_key(last))?.ok_or(IndexError::Malformed)?;
        let mut into = self.database.batch();
        for keyspace in [&self.timelines, &self.dedup] {
            into.insert(keyspace, codec::batch_key(first), to.clone());
            for from in batches.iter().take(merged).skip(1) {
                into.remove(keyspace, codec::batch_key(*from));
            }
        }
        into.commit()?;
        batches.drain(1..merged);
        Ok(())
    }
}

/// How far the batch rows of a keyspace lead without a gap, and where they begin; no reach when there is a gap.
fn joined(keyspace: &Keyspace) -> Result<(Option<Reach>, VecDeque<LogSeq>), IndexError> {
    let mut reach = Reach::default();
    let mut batches = VecDeque::new();
    for row in keyspace.prefix(codec::BATCH_PREFIX) {
        let (key, value) = row.into_inner()?;
        let from = codec::batch_from(&key)?;
        let to = codec::reach_of(&value)?;
        if from > reach.watermark.seq {
            return Ok((None, batches));
        }
        if to.watermark.seq > reach.watermark.seq {
            reach = to;
        }
        batches.push_back(from);
    }
    Ok((Some(reach), batches))
}

impl Rows for FjallRows {
    fn write(&self, batch: &[TailRecord], from: &Reach, to: &Reach) -> Result<(), IndexError> {
        let mut batches = self.batches.lock();
        let mut into = OwnedWriteBatch::with_capacity(self.database.clone(), batch.len() * 3 + 2);
        self.write_rows(batch, &mut into);
        self.write_batch_row(from.watermark.seq, to, &mut batches, &mut into);
        let written = into.commit().map_err(IndexError::from).and_then(|()| self.merge_batch_rows(&mut batches));
        written.inspect_err(|_| self.suspect())
    }

    fn scan(
        &self,
        timeline: TimelineId,
        low: SyncKey,
        high: SyncKey,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Row>, IndexError> {
        if low.next() >= high {
            return Ok(Vec::new());
        }
        let (first, end) = (codec::row_key(timeline, low.next()), codec::row_key(timeline, high));
        let rows = self.timelines.range(first..end);
        let row = |row: fjall::Guard| {
            let (key, value) = row.into_inner()?;
            Ok(Row {
                key: codec::key_of_row(&key)?,
                position: codec::position_of_row(&value)?,
            })
        };
        match direction {
            Direction::After => rows.take(max).map(row).collect(),
            Direction::Before => rows.rev().take(max).map(row).collect(),
        }
    }

    fn find_dedup(&self, key: &DedupKey) -> Result<Option<Known>, IndexError> {
        let found = self.dedup.get(codec::dedup_key(key))?;
        found.map(|value| codec::known_of(&value)).transpose()
    }

    fn suspect(&self) {
        self.marker.suspect();
    }
}

/// Drops dedup rows that are a window old, when a compaction comes across them.
struct Expiry(Arc<AtomicU64>);

impl Factory for Expiry {
    fn name(&self) -> &str {
        "dedup-expiry"
    }

    fn make_filter(&self, _context: &Context) -> Box<dyn CompactionFilter> {
        let newest_ms = self.0.load(Ordering::Relaxed);
        Box::new(Expired {
            before_ms: newest_ms.saturating_sub(DEDUP_WINDOW_MS),
        })
    }
}

struct Expired {
    before_ms: u64,
}

impl CompactionFilter for Expired {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _context: &Context) -> CompactionFilterResult {
        if item.key().first() != Some(&b'd') {
            return Ok(Verdict::Keep);
        }
        let known = codec::known_of(&item.value()?);
        let is_expired = known.is_ok_and(|known| known.time_ms < self.before_ms);
        Ok(if is_expired { Verdict::Remove } else { Verdict::Keep })
    }
}
