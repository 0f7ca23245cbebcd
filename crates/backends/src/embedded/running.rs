//! The embedded backends while they run.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use halley_core::ports::index::TimelineIndex;
use halley_core::ports::retention::{Catalog, Past};
use halley_core::tail::Tail;
use halley_journal::{LogReader, Prepared, Preparer};
use parking_lot::Mutex;

use super::error::CloseError;
use super::reclaim::Reclaimer;
use super::recovered::RecoveryReport;
use crate::disk::index::{FjallIndex, ReadPool, Rows};
use crate::disk::journal::{self, Committer, DiskJournal, JournalThreads};
use crate::disk::state::{RedbState, StateThread};

/// The ports that it gives, to be shared.
pub struct Parts {
    /// [`halley_core::ports::journal::Journal`].
    pub journal: Arc<DiskJournal>,
    /// The newest records; the journal publishes, store releases.
    pub tail: Arc<Tail>,
    /// The index under the timelines; store fills it.
    pub index: Arc<dyn TimelineIndex>,
    /// The index by timelines, for retention.
    pub catalog: Arc<dyn Catalog>,
    /// The journal by time, for retention.
    pub past: Arc<dyn Past>,
    /// Apps, users, tokens, groups, group state, cursors.
    pub state: Arc<RedbState>,
    /// The log itself: for scrubbing, counters, replication.
    pub log: LogReader,
    /// Gives disk space back; whoever steps it takes it.
    pub reclaimer: Mutex<Option<Reclaimer>>,
    /// What opening found and did.
    pub recovery: RecoveryReport,
}

/// Open backends. Dropping them ends the threads as [`Embedded::close`] does, and only logs what failed.
pub struct Embedded {
    parts: Parts,
    driver: Driver,
}

pub(super) enum Driver {
    Threads { journal: JournalThreads, state: StateThread, pool: ReadPool, index: Arc<FjallIndex> },
    Steps(Box<Stepped>),
}

/// Without threads: the caller drives.
pub(super) struct Stepped {
    pub(super) committer: Committer,
    pub(super) preparer: Preparer,
    pub(super) on_lost: Option<Box<dyn FnOnce() + Send>>,
}

impl Embedded {
    pub(super) fn new(parts: Parts, driver: Driver) -> Self {
        Self { parts, driver }
    }

    /// One step of the journal at `now`: at most one commit, sync or marker, and the zeros ahead of it. With threads it
    /// does nothing.
    pub fn step(&mut self, now: Instant) -> journal::Stepped {
        let Driver::Steps(stepped) = &mut self.driver else {
            return journal::Stepped::Idle { until: None };
        };
        let done = stepped.committer.step(now);
        if matches!(done, journal::Stepped::Committed { .. }) {
            // What it cannot prepare, the next commit does.
            while matches!(
                stepped.preparer.prepare_step(),
                Ok(Prepared::Zeroed { .. } | Prepared::Segment { .. })
            ) {}
        }
        if done == journal::Stepped::Lost
            && let Some(on_lost) = stepped.on_lost.take()
        {
            on_lost();
        }
        done
    }

    /// Writes cursors and marks, as the writer thread does from time to time.
    ///
    /// # Errors
    /// When they are not durable.
    pub fn flush_state(&self) -> Result<(), CloseError> {
        Ok(self.state.flush()?)
    }

    /// Commits what was taken, writes cursors, ends cleanly. Stop whoever follows the journal first.
    ///
    /// # Errors
    /// See [`CloseError`]; everything else was closed all the same.
    pub fn close(self) -> Result<(), CloseError> {
        let Self { parts, driver } = self;
        match driver {
            Driver::Threads { journal, state, pool, index } => {
                drop(pool);
                let journal = journal.close();
                let state = state.close();
                if let Err(error) = index.rows().flush() {
                    // Derived: it is replayed at the next start.
                    tracing::warn!(%error, "the index was not written out");
                }
                drop((index, parts));
                journal?;
                state?;
            }
            Driver::Steps(stepped) => {
                let journal = stepped.committer.close();
                let state = parts.state.flush();
                journal?;
                state?;
            }
        }
        Ok(())
    }
}

impl Deref for Embedded {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("recovery", &self.parts.recovery).finish_non_exhaustive()
    }
}
