//! The thread that gives disk space back, beside the traffic.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use halley_backends::embedded::Reclaimer;
use halley_core::clock::Clock;
use halley_core::metrics::Metrics;
use parking_lot::Mutex;

/// What it reads and writes at most.
const BYTES_PER_SECOND: u64 = 16 << 20;
/// Between two steps when there is more to do.
const PAUSE_BUSY: Duration = Duration::from_millis(20);

/// What it shares with others.
pub(super) struct Shared {
    /// Held during a step: a backup holds it too, and nothing goes meanwhile.
    pub(super) reclaiming: Arc<Mutex<()>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

/// Gives space back until `stop` is dropped.
pub(super) fn run(mut reclaimer: Reclaimer, shared: &Shared, every: Duration, stop: &Receiver<()>) {
    let is_stopped = |pause| stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
    let mut pause = every;
    let mut is_failing = false;
    while !is_stopped(pause) {
        let Some(_alone) = shared.reclaiming.try_lock() else { continue };
        let mut pace = |bytes: u64| {
            let wait = Duration::from_millis(bytes.saturating_mul(1_000) / BYTES_PER_SECOND);
            if is_stopped(wait) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        pause = match reclaimer.step(shared.clock.now().wall_ms, &mut pace) {
            Ok(more) => {
                is_failing = false;
                if more { PAUSE_BUSY } else { every }
            }
            Err(error) => {
                shared.metrics.retention_failures.inc();
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(%error, "disk space cannot be given back; it is tried again");
                }
                every
            }
        };
    }
}
