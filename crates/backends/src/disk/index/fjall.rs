//! Rows on disk: the newest in a run in memory, the others in fjall's tables.
//!
//! Rows are not written to fjall one by one: its own journal would double what ours has, and took half a second to
//! replay at a start. They gather in a run; when it is large, or the index closes, it becomes sorted tables at once. A
//! crash takes the run, and the records it was made of are replayed from the log: at most [`RUN_BYTES_MAX`] of rows.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use fjall::config::PinningPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use halley_core::event::RevokedBy;
use halley_core::ids::{AppId, MsgId};
use halley_core::key::SyncKey;
use halley_core::ports::dedup::{DedupKey, Known};
use halley_core::ports::floors::Floors;
use halley_core::ports::timelines::Direction;
use halley_core::tail::TailRecord;
use halley_core::timeline::TimelineId;
use parking_lot::{Mutex, RwLock};

use super::catalog::merged;
use super::expiry::{BelowFloors, Expiry};
use super::log_index::Rows;
use super::opening::Marker;
use super::run::Run;
use super::tables::{RunRow, Tables, joined};
use super::{IndexError, Reach, Row, codec};

/// See the module.
pub struct FjallRows {
    path: PathBuf,
    /// Made when the first run becomes tables: an empty one costs some sixty syncs, which a first start need not wait for.
    engine: OnceLock<Engine>,
    /// What is not in tables yet. Read before the tables: what moves from here to there is then seen once at least.
    run: RwLock<Run>,
    /// Held by the one who writes.
    tables: Mutex<Tables>,
    /// The newest message time seen: dedup rows a window older are dropped by compactions.
    newest_ms: Arc<AtomicU64>,
    /// Rows at or below them are dropped by compactions.
    floors: Arc<dyn Floors>,
    marker: Marker,
}

struct Engine {
    database: Database,
    timelines: Keyspace,
    dedup: Keyspace,
    /// Rows of messages by id, apart: ids ascend with the journal, so that compactions find little to merge.
    messages: Keyspace,
}

/// A run of this size becomes tables: about 60,000 private messages.
pub(super) const RUN_BYTES_MAX: usize = 10 << 20;
/// So does one of so many bytes of journal, however few its rows: a start after a crash reads them again.
const RUN_JOURNAL_BYTES_MAX: usize = 64 << 20;
/// A smaller run is not worth a table of its own: a slow stream of messages would make thousands.
const SETTLE_BYTES_MIN: usize = 512 << 10;
const CACHE_BYTES: u64 = 8 << 20;
const MEMTABLE_BYTES: u64 = 1 << 20;
/// The least that fjall takes. Nothing goes into its journal.
const ENGINE_JOURNAL_BYTES: u64 = 64 << 20;
/// With so many tables that are not compacted yet, the next one waits.
const NEW_TABLES_MAX: usize = 24;
/// But not for ever: compactions may have failed.
const COMPACTION_WAIT: Duration = Duration::from_millis(10);
const COMPACTION_WAITS_MAX: usize = 1_000;
/// So many records enter the run under one lock; a dedup lookup waits for no more.
const RECORDS_AT_ONCE: usize = 64;

impl Engine {
    fn open(path: &Path, newest_ms: &Arc<AtomicU64>, floors: &Arc<dyn Floors>) -> Result<Self, IndexError> {
        let expiry = Expiry::factory(Arc::clone(newest_ms));
        let below = BelowFloors::factory(Arc::clone(floors));
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .worker_threads(1)
            .max_cached_files(Some(128))
            .max_journaling_size(ENGINE_JOURNAL_BYTES)
            .with_compaction_filter_factories(Arc::new(move |name| match name {
                "dedup" => Some(Arc::clone(&expiry)),
                "timelines" | "messages" => Some(Arc::clone(&below)),
                _ => None,
            }))
            .open()?;
        // A dedup lookup is on the path of every message and mostly finds nothing: it must not read a filter from a
        // file to learn that. The upper levels keep theirs in memory (some 2 bytes a row, at most 13 million rows);
        // below, filters and indexes are cut into blocks that fit the cache.
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .filter_block_pinning_policy(PinningPolicy::new([true, true, true, false]))
                .index_block_pinning_policy(PinningPolicy::new([true, true, true, false]))
        };
        let timelines = database.keyspace("timelines", options)?;
        let dedup = database.keyspace("dedup", || options().expect_point_read_hits(false))?;
        let messages = database.keyspace("messages", options)?;
        Ok(Self { database, timelines, dedup, messages })
    }

    /// How far the tables go, and the runs they were made of; `None` when they do not join up or are of another format.
    fn tables(&self) -> Result<Option<Tables>, IndexError> {
        let (Some(of_timelines), Some(of_dedup)) = (joined(&self.timelines)?, joined(&self.dedup)?) else {
            return Ok(None);
        };
        for keyspace in [&self.timelines, &self.messages] {
            match keyspace.get(codec::FORMAT_KEY)? {
                Some(found) if *found == codec::FORMAT_VERSION.to_be_bytes() => {}
                None if of_timelines.1.is_empty() => {}
                _ => return Ok(None),
            }
        }
        // What one of them has beyond the other is replayed into both: rows are idempotent.
        let (reach, mut runs) =
            if of_timelines.0.watermark.seq <= of_dedup.0.watermark.seq { of_timelines } else { of_dedup };
        runs.retain(|(from, _)| *from < reach.watermark.seq);
        Ok(Some(Tables::new(reach, runs)))
    }
}

impl FjallRows {
    /// Opens what is in the directory, if it is there; `None` when what is there does not join up or is of another
    /// format.
    pub(super) fn open(
        path: &Path,
        marker: Marker,
        floors: Arc<dyn Floors>,
    ) -> Result<Option<(Self, Reach)>, IndexError> {
        let newest_ms = Arc::new(AtomicU64::new(0));
        let engine = OnceLock::new();
        let mut tables = Tables::new(Reach::default(), VecDeque::new());
        if path.exists() {
            let opened = Engine::open(path, &newest_ms, &floors)?;
            let Some(found) = opened.tables()? else { return Ok(None) };
            tables = found;
            let _first = engine.set(opened);
        }
        let reach = tables.reach;
        let (path, tables) = (path.to_owned(), Mutex::new(tables));
        let rows = Self { path, engine, run: RwLock::default(), tables, newest_ms, floors, marker };
        Ok(Some((rows, reach)))
    }

    /// The engine, made if it was not; by the one who writes.
    fn engine_for_writing(&self) -> Result<&Engine, IndexError> {
        if self.engine.get().is_none() {
            let _first = self.engine.set(Engine::open(&self.path, &self.newest_ms, &self.floors)?);
        }
        self.engine.get().ok_or(IndexError::Malformed)
    }

    /// Bytes on disk, for operators.
    ///
    /// # Errors
    /// When they cannot be told.
    pub fn disk_bytes(&self) -> Result<u64, IndexError> {
        self.engine.get().map_or(Ok(0), |engine| Ok(engine.database.disk_space()?))
    }

    /// Makes tables of the run. Who reads finds the rows in the one or in the other all the time.
    fn write_tables(&self, tables: &mut Tables) -> Result<(), IndexError> {
        let to = tables.run_reach;
        if to.watermark.seq == tables.reach.watermark.seq {
            return Ok(());
        }
        let engine = self.engine_for_writing()?;
        engine.wait_for_compactions();
        let run_rows = tables.run_rows(&to);
        {
            let run = self.run.read();
            self.newest_ms.fetch_max(run.newest_ms, Ordering::Relaxed);
            // First: these tables say nothing of how far they go, and must not lag those that do.
            engine.write_messages(&run)?;
            engine.write_dedup(&run, &run_rows)?;
            engine.write_timelines(&run, &run_rows)?;
        }
        *self.run.write() = Run::default();
        tables.wrote(to);
        Ok(())
    }
}

impl Engine {
    /// Tables pile up when compactions lag: the indexer waits, and with it, in the end, those who append.
    fn wait_for_compactions(&self) {
        let are_many = |keyspace: &Keyspace| keyspace.l0_table_count() >= NEW_TABLES_MAX;
        for _ in 0..COMPACTION_WAITS_MAX {
            if !are_many(&self.timelines) && !are_many(&self.dedup) {
                return;
            }
            thread::sleep(COMPACTION_WAIT);
        }
        tracing::error!(
            "the index is not compacted any more; it grows and becomes slow until the next start"
        );
    }

    fn write_dedup(&self, run: &Run, run_rows: &[RunRow]) -> Result<(), IndexError> {
        let mut rows: Vec<_> = run.dedup.iter().map(|(key, known)| (codec::dedup_key(key), known)).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        let mut into = self.dedup.start_ingestion()?;
        for (key, reach) in run_rows {
            match reach {
                Some(reach) => into.write(*key, codec::reach(reach))?,
                None => into.write_tombstone(*key)?,
            }
        }
        for (key, known) in rows {
            into.write(key, codec::known(known))?;
        }
        Ok(into.finish()?)
    }

    fn write_messages(&self, run: &Run) -> Result<(), IndexError> {
        let mut messages = run.messages.clone();
        messages.sort_unstable_by_key(|(app, id, _)| (*app, *id));
        // The same id twice would be the same message twice, which nobody makes; keys of tables must ascend.
        messages.dedup_by_key(|(app, id, _)| (*app, *id));
        // Once: in every table it would make their ranges overlap, and compactions would have to merge them.
        let is_new = self.messages.get(codec::FORMAT_KEY)?.is_none();
        if messages.is_empty() && !is_new {
            return Ok(());
        }
        let mut into = self.messages.start_ingestion()?;
        if is_new {
            into.write(codec::FORMAT_KEY, codec::FORMAT_VERSION.to_be_bytes())?;
        }
        for (app, id, row) in messages {
            into.write(codec::message_key(app, id), codec::message_row(row))?;
        }
        Ok(into.finish()?)
    }

    fn write_timelines(&self, run: &Run, run_rows: &[RunRow]) -> Result<(), IndexError> {
        let mut rows: Vec<_> = run.timelines.iter().collect();
        rows.sort_unstable_by_key(|(timeline, _)| codec::row_key(**timeline, SyncKey::START));
        let mut into = self.timelines.start_ingestion()?;
        for (key, reach) in run_rows {
            match reach {
                Some(reach) => into.write(*key, codec::reach(reach))?,
                None => into.write_tombstone(*key)?,
            }
        }
        into.write(codec::FORMAT_KEY, codec::FORMAT_VERSION.to_be_bytes())?;
        for (timeline, rows) in rows {
            for row in rows {
                into.write(codec::row_key(*timeline, row.key), row.position.to_be_bytes())?;
            }
        }
        let mut revoked: Vec<_> = run.revoked.iter().collect();
        revoked.sort_unstable_by_key(|(timeline, _)| codec::revoked_key(**timeline, SyncKey::START));
        for (timeline, keys) in revoked {
            for (key, by) in keys {
                into.write(codec::revoked_key(*timeline, *key), codec::revoked_by(by))?;
            }
        }
        Ok(into.finish()?)
    }
}

impl Rows for FjallRows {
    fn write(&self, batch: &[TailRecord], _from: &Reach, to: &Reach) -> Result<(), IndexError> {
        let mut tables = self.tables.lock();
        // First, so that a run that could not be written is tried again before it grows.
        let is_full = {
            let run = self.run.read();
            run.bytes() >= RUN_BYTES_MAX || run.journal_bytes >= RUN_JOURNAL_BYTES_MAX
        };
        if is_full {
            self.write_tables(&mut tables).inspect_err(|error| self.suspect(error))?;
        }
        for records in batch.chunks(RECORDS_AT_ONCE) {
            let mut run = self.run.write();
            records.iter().for_each(|record| run.add(record));
        }
        tables.run_reach = *to;
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
        // The run has everything of the timeline from its first row there on: the tables are asked for what is below.
        let (newer, border) = {
            let run = self.run.read();
            let border = run.first(timeline).map_or(high, |first| first.min(high));
            (run.scan(timeline, low, high, direction, max), border)
        };
        if direction == Direction::Before && newer.len() == max {
            return Ok(newer);
        }
        let wanted = if direction == Direction::Before { max - newer.len() } else { max };
        let older = self.scan_tables(timeline, low, border, direction, wanted)?;
        let (mut first, second) = match direction {
            Direction::After => (older, newer),
            Direction::Before => (newer, older),
        };
        first.extend(second);
        first.truncate(max);
        Ok(first)
    }

    fn timelines_behind(
        &self,
        behind: Option<TimelineId>,
        max: usize,
    ) -> Result<Vec<TimelineId>, IndexError> {
        let in_run = self.run.read().timelines_behind(behind, max);
        let in_tables = self.timelines_in_tables(behind, max)?;
        Ok(merged(in_tables, in_run, max))
    }

    fn find_message(&self, app: AppId, id: MsgId) -> Result<Option<Row>, IndexError> {
        if let Some(row) = self.run.read().find_message(app, id) {
            return Ok(Some(row));
        }
        let Some(engine) = self.engine.get() else { return Ok(None) };
        let found = engine.messages.get(codec::message_key(app, id))?;
        found.map(|value| codec::message_row_of(&value)).transpose()
    }

    fn revoked(
        &self,
        timeline: TimelineId,
        from: SyncKey,
        to: SyncKey,
    ) -> Result<BTreeMap<SyncKey, RevokedBy>, IndexError> {
        let mut revoked = self.run.read().revoked(timeline, from, to);
        if let Some(engine) = self.engine.get() {
            let (first, last) = (codec::revoked_key(timeline, from), codec::revoked_key(timeline, to));
            for row in engine.timelines.range(first..=last) {
                let (key, value) = row.into_inner()?;
                revoked.insert(codec::key_of_revoked(&key)?, codec::revoked_by_of(&value)?);
            }
        }
        Ok(revoked)
    }

    fn find_dedup(&self, key: &DedupKey) -> Result<Option<Known>, IndexError> {
        if let Some(known) = self.run.read().dedup.get(key) {
            return Ok(Some(*known));
        }
        let Some(engine) = self.engine.get() else { return Ok(None) };
        let found = engine.dedup.get(codec::dedup_key(key))?;
        found.map(|value| codec::known_of(&value)).transpose()
    }

    fn flush(&self) -> Result<(), IndexError> {
        self.write_tables(&mut self.tables.lock()).inspect_err(|error| self.suspect(error))
    }

    fn durable_reach(&self) -> Option<Reach> {
        Some(self.tables.lock().reach)
    }

    fn settle(&self) -> Result<(), IndexError> {
        if self.run.read().bytes() < SETTLE_BYTES_MIN {
            return Ok(());
        }
        self.flush()
    }

    fn suspect(&self, error: &IndexError) {
        if !error.is_disk_full() {
            self.marker.suspect();
        }
    }
}

impl FjallRows {
    /// One seek a timeline.
    fn timelines_in_tables(
        &self,
        mut behind: Option<TimelineId>,
        max: usize,
    ) -> Result<Vec<TimelineId>, IndexError> {
        let mut found = Vec::new();
        let Some(engine) = self.engine.get() else { return Ok(found) };
        while found.len() < max {
            // Behind the rows of runs and the format, the rows of feeds come first.
            let start = behind.map_or(vec![b'g'], |timeline| codec::row_key(timeline, SyncKey::END).to_vec());
            let bounds = (Bound::Excluded(start), Bound::<Vec<u8>>::Unbounded);
            let Some(row) = engine.timelines.range(bounds).next() else { break };
            let Some(timeline) = codec::timeline_of_row(&row.key()?) else { break };
            found.push(timeline);
            behind = Some(timeline);
        }
        Ok(found)
    }

    fn scan_tables(
        &self,
        timeline: TimelineId,
        low: SyncKey,
        high: SyncKey,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Row>, IndexError> {
        let Some(engine) = self.engine.get().filter(|_| low.next() < high) else { return Ok(Vec::new()) };
        let (first, end) = (codec::row_key(timeline, low.next()), codec::row_key(timeline, high));
        let rows = engine.timelines.range(first..end);
        let row = |row: fjall::Guard| {
            let (key, value) = row.into_inner()?;
            Ok(Row { key: codec::key_of_row(&key)?, position: codec::position_of_row(&value)? })
        };
        match direction {
            Direction::After => rows.take(max).map(row).collect(),
            Direction::Before => rows.rev().take(max).map(row).collect(),
        }
    }
}
