//! Time that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use halley_core::clock::{Clock, Now};

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug)]
pub struct SimClock {
    begin: Now,
    passed_ns: Arc<AtomicU64>,
}

impl SimClock {
    /// A clock that shows this wall time (unix milliseconds).
    #[must_use]
    pub fn new(wall_ms: u64) -> Self {
        let begin = Now { mono: Instant::now(), wall_ms };
        Self { begin, passed_ns: Arc::default() }
    }

    /// Moves it on.
    pub fn advance(&self, step: Duration) {
        let step = u64::try_from(step.as_nanos()).unwrap_or(u64::MAX);
        self.passed_ns.fetch_add(step, Ordering::SeqCst);
    }

    /// Moves it on to `until`; a time that has passed changes nothing.
    pub fn advance_to(&self, until: Instant) {
        self.advance(until.saturating_duration_since(self.now().mono));
    }

    /// How far it has been moved.
    #[must_use]
    pub fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed_ns.load(Ordering::SeqCst))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        self.begin.after(self.passed())
    }
}
