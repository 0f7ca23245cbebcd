//! How the embedded backends are opened.

use std::fmt;
use std::sync::Arc;

use halley_core::metrics::Metrics;
use halley_core::tail::TailLimits;
use halley_journal::failing::Fault;

use crate::disk::journal::JournalConfig;
use crate::disk::state::StateOptions;

/// How far a rebuild of the index is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Records indexed.
    pub done: u64,
    /// Records to index.
    pub total: u64,
}

/// What the owner may choose. The defaults are those of `halley serve`.
pub struct Options {
    /// Commits.
    pub journal: JournalConfig,
    /// Sizes of the log.
    pub log: halley_journal::Config,
    /// The tail.
    pub tail: TailLimits,
    /// The state database.
    pub state: StateOptions,
    /// Threads that read from the index.
    pub read_threads: usize,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
    /// Called once, on the commit thread, when the journal has failed: the process should exit with 1.
    pub on_lost: Box<dyn FnOnce() + Send>,
    /// Called from time to time while the index is rebuilt.
    pub on_progress: Box<dyn FnMut(Progress) + Send>,
    /// A planned fault of the journal's files, for kill tests of the real binary.
    pub fault: Option<Fault>,
}

impl Options {
    /// The defaults, counting here.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            journal: JournalConfig::default(),
            log: halley_journal::Config::default(),
            tail: TailLimits::default(),
            state: StateOptions::default(),
            read_threads: 2,
            metrics,
            on_lost: Box::new(|| {}),
            on_progress: Box::new(|_| {}),
            fault: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("journal", &self.journal)
            .field("log", &self.log)
            .field("tail", &self.tail)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
