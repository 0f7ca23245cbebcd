//! The time of a run that has a quiet part, for comparison, and a loaded one.

use std::time::{Duration, Instant};

/// Nanoseconds count from the start.
pub(crate) struct LoopTime {
    start: Instant,
    /// The load begins.
    pub(crate) load_from_ns: u64,
    /// Everything ends.
    pub(crate) end_ns: u64,
}

impl LoopTime {
    /// Starts now.
    pub(crate) fn start(baseline: Duration, load: Duration) -> Self {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self { start: Instant::now(), load_from_ns: nanos(baseline), end_ns: nanos(baseline + load) }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
