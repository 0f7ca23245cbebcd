//! A bucket's time: milliseconds since it began.

use std::time::{Duration, Instant};

/// A moment, in milliseconds since the bucket began; deadlines fit into a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Tick(pub(crate) u64);

impl Tick {
    /// No moment at all: later than every other.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The last whole millisecond at `now`.
    pub(crate) fn at(start: Instant, now: Instant) -> Self {
        Self::of(now.saturating_duration_since(start))
    }

    /// This much later.
    pub(crate) fn after(self, step: Duration) -> Self {
        Self(self.0.saturating_add(Self::of(step).0))
    }

    /// As the clock shows it; `None` for [`Tick::NEVER`].
    pub(crate) fn instant(self, start: Instant) -> Option<Instant> {
        start.checked_add(Duration::from_millis(self.0))
    }

    fn of(span: Duration) -> Self {
        Self(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}
