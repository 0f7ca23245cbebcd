//! The thread that raises floors: retention by age and entries, beside the traffic.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use futures::executor::block_on;
use halley_core::metrics::Metrics;
use halley_store::Retention;

/// Between two steps when there is more to look at.
const PAUSE_BUSY: Duration = Duration::from_millis(50);

/// Raises floors until `stop` is dropped.
pub(super) fn run(mut retention: Retention, metrics: &Metrics, stop: &Receiver<()>) {
    let mut pause = retention.every();
    let mut is_failing = false;
    while stop.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        pause = match block_on(retention.step()) {
            Ok(more) => {
                is_failing = false;
                if more { PAUSE_BUSY } else { retention.every() }
            }
            Err(error) => {
                metrics.retention_failures.inc();
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!(%error, "retention cannot go on; it tries again");
                }
                retention.every()
            }
        };
    }
}
