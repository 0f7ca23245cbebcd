//! The scrubber: checks the whole journal beside the traffic, and turns `/readyz` red when something durable is damaged,
//! whoever met it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use halley_admin::Readiness;
use halley_journal::LogReader;

/// Bytes checked a step: 4 MiB a second cost a few thousandths of a core.
const STEP_BYTES: u64 = 4 << 20;
/// From step to step.
const STEP_EVERY: Duration = Duration::from_secs(1);
/// From the end of one pass over the journal to the next.
const PASS_EVERY: Duration = Duration::from_hours(6);

/// Scrubs until `stop` is dropped.
pub(super) fn run(log: &LogReader, readiness: &Readiness, stop: &Receiver<()>) {
    let (mut pass, mut next_pass) = (Some(log.scrub()), Instant::now());
    let mut damaged_reads = 0;
    while stop.recv_timeout(STEP_EVERY) == Err(RecvTimeoutError::Timeout) {
        if pass.is_none() && Instant::now() >= next_pass {
            pass = Some(log.scrub());
        }
        let is_done = pass.as_mut().is_some_and(|pass| match pass.step(STEP_BYTES) {
            Ok(step) => {
                for damage in &step.damage {
                    tracing::error!(%damage, "the journal is damaged");
                }
                step.is_done
            }
            Err(error) => {
                tracing::error!(%error, "the journal cannot be checked");
                true
            }
        });
        if is_done {
            (pass, next_pass) = (None, Instant::now() + PASS_EVERY);
        }
        // Reads of clients count here too.
        let found = log.counters().damaged_reads;
        if found > damaged_reads {
            damaged_reads = found;
            let what = "something durable in the journal is damaged: stop the server and run `halley verify`";
            readiness.set("journal_damaged", what);
        }
    }
}
