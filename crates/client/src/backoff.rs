//! How long to wait before connecting again.

use std::time::Duration;

/// Doubling waits, jittered over their upper half so that clients cut off together do not return together.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempt: u32,
}

impl Backoff {
    /// Waits from about `first` to at most `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempt: 0 }
    }

    /// The next wait; `random` is any number, evenly distributed.
    pub fn next_delay(&mut self, random: u32) -> Duration {
        let whole = self.first.saturating_mul(1 << self.attempt.min(16)).min(self.longest);
        self.attempt = self.attempt.saturating_add(1);
        whole.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
    }

    /// A connection worked: the next wait is the first again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let longest: Vec<_> = (0..6).map(|_| backoff.next_delay(u32::MAX).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next_delay(0).as_millis(), 50);
    }
}
