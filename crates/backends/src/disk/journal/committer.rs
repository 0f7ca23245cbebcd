//! The committing side: one batch after the other to the disk, then to the tail, then to those who wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use halley_core::ids::LogSeq;
use halley_core::metrics::Metrics;
use halley_core::tail::tail_record;
use halley_journal::{Batch, CommitError, Committed, Durability, LogWriter};

use super::pending::{Shared, Staged};
use super::space::FreeSpace;
use super::{Fsync, JournalConfig};

/// Commits what was appended. Driven by a thread of its own or, in a simulation, step by step; it reads no clock.
pub struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) config: JournalConfig,
    writer: LogWriter,
    space: Box<dyn FreeSpace>,
    metrics: Arc<Metrics>,
    /// The batch at work: empty, or one that found no space and is tried again.
    batch: Batch,
    staged: Vec<Staged>,
    staged_bytes: usize,
    /// When the last commit was; `None` when the marker after it is written.
    unmarked_since: Option<Instant>,
    /// Since when something is written and not synced (`fsync = interval`).
    unsynced_since: Option<Instant>,
    space_checked: Option<Instant>,
    /// A commit found no space.
    is_out_of_space: bool,
    /// A recent fsync time, smoothed.
    pub(super) recent_sync: Duration,
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stepped {
    /// A batch of so many records and bytes was committed and published.
    Committed {
        /// Records.
        records: u32,
        /// Bytes in the log.
        bytes: u32,
    },
    /// Nothing was to be done; nothing will be until then (`None`: until the next append).
    Idle {
        /// When to step again at the latest.
        until: Option<Instant>,
    },
    /// The disk is full; the batch is kept and tried again then.
    NoSpace {
        /// When.
        until: Instant,
    },
    /// The journal is lost: nothing more is acknowledged, ever.
    Lost,
}

impl Committer {
    pub(super) fn new(
        shared: Arc<Shared>,
        writer: LogWriter,
        config: JournalConfig,
        space: Box<dyn FreeSpace>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let batch = writer.new_batch();
        Self {
            shared,
            config,
            writer,
            space,
            metrics,
            batch,
            staged: Vec::new(),
            staged_bytes: 0,
            unmarked_since: None,
            unsynced_since: None,
            space_checked: None,
            is_out_of_space: false,
            recent_sync: Duration::ZERO,
        }
    }

    /// Does what there is to do at `now`: at most one commit, sync or marker.
    pub fn step(&mut self, now: Instant) -> Stepped {
        if self.shared.mark.get().is_err() {
            return Stepped::Lost;
        }
        self.check_space(now);
        if self.batch.is_empty() {
            self.take_pending();
        }
        let done = self
            .wishes()
            .and_then(|()| if self.batch.is_empty() { self.step_idle(now) } else { self.commit(now) });
        done.unwrap_or_else(|error| self.failed(&error, now))
    }

    /// What was asked for from outside the order of appends.
    fn wishes(&mut self) -> Result<(), CommitError> {
        if self.shared.is_seal_wanted.swap(false, Ordering::Relaxed) {
            self.writer.seal()?;
        }
        if self.shared.is_mark_wanted.swap(false, Ordering::Relaxed) {
            self.writer.mark_idle()?;
        }
        Ok(())
    }

    /// Commits what is left and ends the run cleanly. After an error the next start recovers.
    ///
    /// # Errors
    /// When not everything could be made durable; whoever waited has been told.
    pub fn close(mut self) -> Result<(), CommitError> {
        self.shared.close();
        if self.shared.mark.get().is_err() {
            return Err(CommitError::Poisoned);
        }
        // A lack of space may pass: the batch is kept, so it is tried twice.
        let rest = match self.commit_rest() {
            Err(CommitError::DiskFull(_)) => self.commit_rest(),
            done => done,
        };
        if let Err(error) = rest.and_then(|()| self.writer.sync()) {
            self.shared.fail();
            return Err(error);
        }
        match self.writer.close() {
            Err(CommitError::DiskFull(_)) => {
                tracing::warn!("no space for the mark of a clean end; everything else is durable");
                Ok(())
            }
            closed => closed,
        }
    }

    fn commit_rest(&mut self) -> Result<(), CommitError> {
        loop {
            if self.batch.is_empty() {
                self.take_pending();
            }
            if self.batch.is_empty() {
                return Ok(());
            }
            let committed = self.writer.commit(&mut self.batch, Durability::Synced)?;
            self.publish(&committed);
        }
    }

    /// Swaps the filled batch for the empty one.
    fn take_pending(&mut self) {
        let mut pending = self.shared.pending.lock();
        if pending.batch.is_empty() {
            return;
        }
        let next_seq = pending.batch.next_seq();
        self.batch.restart(next_seq);
        std::mem::swap(&mut pending.batch, &mut self.batch);
        std::mem::swap(&mut pending.staged, &mut self.staged);
        self.staged_bytes = std::mem::take(&mut pending.staged_bytes);
        pending.committing_bytes = self.staged_bytes;
        let waiting = std::mem::take(&mut pending.waiting);
        drop(pending);
        for waker in waiting {
            waker.wake();
        }
    }

    fn commit(&mut self, now: Instant) -> Result<Stepped, CommitError> {
        let durability = match self.config.fsync {
            Fsync::Always => Durability::Synced,
            Fsync::Interval(every) if self.unsynced_since.is_some_and(|since| now >= since + every) => {
                self.unsynced_since = None;
                Durability::Synced
            }
            Fsync::Interval(_) | Fsync::Os => Durability::Written,
        };
        let committed = self.writer.commit(&mut self.batch, durability)?;
        self.found_space(now);
        if durability == Durability::Written {
            self.unsynced_since.get_or_insert(now);
        } else {
            self.metrics.stage_fsync.observe(committed.sync);
            self.recent_sync = (self.recent_sync * 7 + committed.sync) / 8;
        }
        self.unmarked_since = Some(now);
        let (records, bytes) = (self.batch.len(), self.batch.framed_bytes());
        self.publish(&committed);
        Ok(Stepped::Committed { records, bytes })
    }

    /// To the tail, then to those who wait.
    fn publish(&mut self, committed: &Committed) {
        let first = committed.first_seq.get();
        let shared = &self.shared;
        let records = self.staged.drain(..).zip(first..).map(|(staged, seq)| {
            let (seq, position) = (LogSeq(seq), committed.position(staged.offset_in_batch).to_bits());
            tail_record(seq, position, shared.key_of(seq), staged.record)
        });
        shared.tail.publish(records);
        {
            let mut pending = shared.pending.lock();
            pending.unindexed_bytes += std::mem::take(&mut pending.committing_bytes);
        }
        shared.mark.advance(LogSeq(committed.next_seq.get() - 1));
        self.metrics.commits.inc();
        self.metrics.commit_bytes.inc_by(u64::from(self.batch.framed_bytes()));
        self.staged_bytes = 0;
        self.batch.restart(committed.next_seq);
    }

    /// A write has found space.
    fn found_space(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_out_of_space) {
            tracing::info!("the journal has space again");
            self.space_checked = None;
            self.check_space(now);
        }
    }

    fn step_idle(&mut self, now: Instant) -> Result<Stepped, CommitError> {
        if let (Fsync::Interval(every), Some(since)) = (self.config.fsync, self.unsynced_since)
            && now >= since + every
        {
            self.writer.sync()?;
            self.unsynced_since = None;
        }
        if let Some(since) = self.unmarked_since
            && now >= since + self.config.idle_mark_after
        {
            // Under `os` nothing is synced before its time.
            if self.config.fsync != Fsync::Os {
                self.writer.mark_idle()?;
                self.unsynced_since = None;
                // It may have been the one that found none, with nothing behind it: appends are refused until somebody
                // sees that there is space again.
                self.found_space(now);
            }
            self.unmarked_since = None;
        }
        let sync_at = match self.config.fsync {
            Fsync::Interval(every) => self.unsynced_since.map(|since| since + every),
            Fsync::Always | Fsync::Os => None,
        };
        let mark_at = self.unmarked_since.map(|since| since + self.config.idle_mark_after);
        let is_full = self.shared.is_disk_full.load(Ordering::Relaxed);
        let check_at = is_full.then(|| now + self.config.disk_check_every);
        let until = [sync_at, mark_at, check_at].into_iter().flatten().min();
        Ok(Stepped::Idle { until })
    }

    fn failed(&mut self, error: &CommitError, now: Instant) -> Stepped {
        if matches!(error, CommitError::DiskFull(_)) {
            self.metrics.commit_retries.inc();
            if !std::mem::replace(&mut self.is_out_of_space, true) {
                tracing::error!(error = %Chain(error), "the disk is full: nothing is acknowledged until there is space");
            }
            self.shared.is_disk_full.store(true, Ordering::Relaxed);
            self.shared.wake_waiting();
            return Stepped::NoSpace { until: now + self.config.disk_check_every.min(RETRY_EVERY_MAX) };
        }
        tracing::error!(error = %Chain(error), "the journal has failed: nothing more is acknowledged");
        self.shared.fail();
        Stepped::Lost
    }

    /// Looks at the free space when it is time.
    fn check_space(&mut self, now: Instant) {
        let is_due = |checked: Instant| now >= checked + self.config.disk_check_every;
        if self.is_out_of_space || !self.space_checked.is_none_or(is_due) {
            return;
        }
        self.space_checked = Some(now);
        let free_percent = self.space.free_percent();
        let is_full = free_percent.is_some_and(|free| free < self.config.disk_free_percent_min);
        let was_full = self.shared.is_disk_full.swap(is_full, Ordering::Relaxed);
        if is_full && !was_full {
            tracing::error!(free_percent, "the disk is nearly full: new messages are refused");
            self.shared.wake_waiting();
        } else if was_full && !is_full {
            tracing::info!(free_percent, "the disk has room again: new messages are accepted");
        }
    }
}

/// A commit that found no space is tried again at least this often.
const RETRY_EVERY_MAX: Duration = Duration::from_millis(250);

/// An error with what caused it, for the log.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
