//! What writer, readers and preparer share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use crate::config::Config;
use crate::files::Files;
use crate::ids::{LogSeq, Position};

pub(crate) struct Shared {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) config: Config,
    pub(crate) log_id: u64,
    /// Written by the writer after each commit. Everything below may be read.
    end: Mutex<End>,
    /// First sequence of every started segment.
    pub(crate) segments: RwLock<BTreeMap<u32, LogSeq>>,
    prep: Mutex<Prep>,
    prep_idle: Condvar,
    poisoned: AtomicBool,
    pub(crate) floor: Floor,
    pub(crate) counts: Counts,
}

/// The oldest segment that must exist. Retention raises it; the writer states it in every batch; only below what is
/// durably stated may files go, else an open would miss them.
pub(crate) struct Floor {
    wanted: AtomicU32,
    durable: AtomicU32,
}

impl Floor {
    fn new(segment: u32) -> Self {
        Self { wanted: AtomicU32::new(segment), durable: AtomicU32::new(segment) }
    }

    /// What the next batch states.
    pub(crate) fn wanted(&self) -> u32 {
        self.wanted.load(Ordering::Acquire)
    }

    pub(crate) fn raise(&self, segment: u32) {
        self.wanted.fetch_max(segment, Ordering::AcqRel);
    }

    /// What a synced batch states.
    pub(crate) fn durable(&self) -> u32 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn set_durable(&self, segment: u32) {
        self.durable.fetch_max(segment, Ordering::AcqRel);
    }
}

/// The committed end of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct End {
    pub(crate) position: Position,
    pub(crate) next_seq: LogSeq,
}

/// How far the zeros of the active segment reach, and whether the next segment exists.
#[derive(Debug)]
pub(crate) struct Prep {
    pub(crate) segment: u32,
    pub(crate) zeroed_to: u32,
    /// Bytes of zeros of segment + 1, when it exists.
    pub(crate) spare_bytes: Option<u32>,
    /// The preparer is writing. Nobody else may touch what it claimed.
    pub(crate) is_busy: bool,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) batches: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) rotations: AtomicU64,
    pub(crate) late_zeroings: AtomicU64,
    pub(crate) late_segments: AtomicU64,
    pub(crate) disk_full: AtomicU64,
    pub(crate) damaged_reads: AtomicU64,
    pub(crate) removed_segments: AtomicU64,
    pub(crate) rewritten_segments: AtomicU64,
    pub(crate) freed_bytes: AtomicU64,
}

/// What the log has done since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Batches with records.
    pub batches: u64,
    /// Records.
    pub records: u64,
    /// Bytes of batches, framing included.
    pub bytes: u64,
    /// Syncs of segment files by the writer.
    pub syncs: u64,
    /// Segments started.
    pub rotations: u64,
    /// Commits that had to write zeros themselves because the preparer lagged.
    pub late_zeroings: u64,
    /// Rotations that had to create the segment themselves because the preparer lagged.
    pub late_segments: u64,
    /// Writes refused for want of space.
    pub disk_full: u64,
    /// Reads that met damage.
    pub damaged_reads: u64,
    /// Segments removed at the oldest end.
    pub removed_segments: u64,
    /// Segments rewritten without some of their records.
    pub rewritten_segments: u64,
    /// Bytes of files that both have given back.
    pub freed_bytes: u64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Shared {
    pub(crate) fn new(
        files: Arc<dyn Files>,
        config: Config,
        log_id: u64,
        end: End,
        segments: BTreeMap<u32, LogSeq>,
        prep: Prep,
        floor_segment: u32,
    ) -> Self {
        Self {
            files,
            config,
            log_id,
            end: Mutex::new(end),
            segments: RwLock::new(segments),
            prep: Mutex::new(prep),
            prep_idle: Condvar::new(),
            poisoned: AtomicBool::new(false),
            floor: Floor::new(floor_segment),
            counts: Counts::default(),
        }
    }

    pub(crate) fn end(&self) -> End {
        *locked(&self.end)
    }

    pub(crate) fn set_end(&self, end: End) {
        *locked(&self.end) = end;
    }

    pub(crate) fn prep(&self) -> MutexGuard<'_, Prep> {
        locked(&self.prep)
    }

    /// The preparation state, once the preparer is not writing.
    pub(crate) fn idle_prep(&self) -> MutexGuard<'_, Prep> {
        let prep = self.prep();
        self.prep_idle.wait_while(prep, |prep| prep.is_busy).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notify_idle(&self) {
        self.prep_idle.notify_all();
    }

    /// The sequence that a segment begins with.
    pub(crate) fn first_seq(&self, segment: u32) -> Option<LogSeq> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).get(&segment).copied()
    }

    pub(crate) fn add_segment(&self, segment: u32, first_seq: LogSeq) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).insert(segment, first_seq);
    }

    /// The sequence that the segment after this one begins with; none when this is the one that is written.
    pub(crate) fn seq_after(&self, segment: u32) -> Option<LogSeq> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.get(&segment.checked_add(1)?).copied()
    }

    /// Says which sequence it began with.
    pub(crate) fn forget_segment(&self, segment: u32) -> Option<LogSeq> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).remove(&segment)
    }

    /// The number of the oldest segment.
    pub(crate) fn oldest(&self) -> u32 {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.keys().next().copied().unwrap_or(1)
    }

    /// Nothing is acknowledged from here on.
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(crate) fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            batches: read(&self.counts.batches),
            records: read(&self.counts.records),
            bytes: read(&self.counts.bytes),
            syncs: read(&self.counts.syncs),
            rotations: read(&self.counts.rotations),
            late_zeroings: read(&self.counts.late_zeroings),
            late_segments: read(&self.counts.late_segments),
            disk_full: read(&self.counts.disk_full),
            damaged_reads: read(&self.counts.damaged_reads),
            removed_segments: read(&self.counts.removed_segments),
            rewritten_segments: read(&self.counts.rewritten_segments),
            freed_bytes: read(&self.counts.freed_bytes),
        }
    }
}

/// Nothing here is left half-changed by a panic, so a poisoned mutex is as good as any.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
