//! Time as an argument.

use std::time::{Duration, Instant};

/// One reading of both clocks. Deadlines are made of `mono`, stamps of `wall_ms`.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic.
    pub mono: Instant,
    /// Unix time in milliseconds; may jump.
    pub wall_ms: u64,
}

impl Now {
    /// This much later on both clocks.
    #[must_use]
    pub fn after(self, step: Duration) -> Self {
        let step_ms = u64::try_from(step.as_millis()).unwrap_or(u64::MAX);
        Self { mono: self.mono + step, wall_ms: self.wall_ms.saturating_add(step_ms) }
    }
}

/// Where time comes from: the system's clocks, or a test's.
pub trait Clock: Send + Sync {
    /// Both clocks, now.
    fn now(&self) -> Now;
}
