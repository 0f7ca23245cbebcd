//! The materializer: moves the index and the group state behind the journal, and releases the tail.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use halley_core::ids::LogSeq;
use halley_core::metrics::Metrics;
use halley_core::ports::PortError;
use halley_core::ports::index::TimelineIndex;
use halley_core::tail::Tail;

use crate::groups::GroupApplier;
use crate::retention::Grown;

/// How it batches.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Most records of one index batch.
    pub batch_records_max: usize,
    /// With fewer records than that it waits this long for more: larger batches cost less a record, and nobody waits
    /// for the index, since the tail serves what it has not got yet.
    pub gather: Duration,
    /// With nothing to do for this long, index and tail give memory back.
    pub quiet: Duration,
    /// Pause after a failure of the index.
    pub retry_delay: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_records_max: 2_048,
            gather: Duration::from_millis(25),
            quiet: Duration::from_secs(1),
            retry_delay: Duration::from_secs(1),
        }
    }
}

/// See the module. One per journal partition.
pub struct Materializer {
    config: Config,
    tail: Arc<Tail>,
    index: Arc<dyn TimelineIndex>,
    groups: Arc<GroupApplier>,
    /// Is told which timelines grew.
    grown: Arc<Grown>,
    metrics: Arc<Metrics>,
    /// Everything up to here is indexed and released.
    done: LogSeq,
}

impl Materializer {
    /// Goes on from where the index stands.
    #[must_use]
    pub fn new(
        config: Config,
        tail: Arc<Tail>,
        index: Arc<dyn TimelineIndex>,
        groups: Arc<GroupApplier>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let done = index.watermark().seq;
        Self { config, tail, index, groups, grown: Arc::default(), metrics, done }
    }

    /// Which timelines grew, for retention.
    #[must_use]
    pub fn grown(&self) -> Arc<Grown> {
        Arc::clone(&self.grown)
    }

    /// Indexes one batch; answers how many records it had, 0 when there is nothing to do. May block on the disk.
    ///
    /// # Errors
    /// When the index or the state did not take it; the same batch comes again at the next call.
    pub fn step(&mut self) -> Result<usize, PortError> {
        let batch = self.tail.read_after(self.done, self.config.batch_records_max);
        let batch = batch.ok_or_else(|| PortError::Damaged {
            what: "tail",
            why: format!("records above {} were dropped before they were indexed", self.done),
        })?;
        if batch.is_empty() {
            return Ok(0);
        }
        self.groups.apply(&batch)?;
        let watermark = self.index.apply(&batch)?;
        self.done = watermark.seq;
        self.grown.note(&batch);
        self.tail.release(watermark.seq);
        let (lag, _) = self.tail.backlog();
        self.metrics.index_lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        Ok(batch.len())
    }

    fn settle(&self) {
        if let Err(error) = self.index.settle() {
            tracing::warn!(%error, "the index could not be written out; it stays in memory");
        }
        self.tail.trim();
    }

    /// Follows the journal on a thread of its own until `stop` is dropped, then finishes what is there.
    pub fn run(mut self, stop: &Receiver<()>) {
        let (mut failing, mut idle) = (false, Duration::ZERO);
        loop {
            let (pause, stopping) = match self.step() {
                Ok(0) => {
                    let pause = self.config.gather.max(idle.min(IDLE_PAUSE_MAX));
                    if idle < self.config.quiet && idle + pause >= self.config.quiet {
                        self.settle();
                    }
                    idle = (idle + pause).min(self.config.quiet);
                    (pause, true)
                }
                Ok(taken) => {
                    idle = Duration::ZERO;
                    if std::mem::take(&mut failing) {
                        tracing::info!("the index takes batches again");
                    }
                    let more = taken == self.config.batch_records_max;
                    (if more { Duration::ZERO } else { self.config.gather }, false)
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "the index does not take a batch; sends wait when the tail is full");
                    }
                    (self.config.retry_delay, true)
                }
            };
            match stop.recv_timeout(pause) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if stopping => return,
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
    }
}

/// Looks at a quiet journal are this far apart: nobody waits for the index.
const IDLE_PAUSE_MAX: Duration = Duration::from_millis(250);
