//! Rate limit per user: a leaky bucket that remembers one instant a user.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use halley_core::ids::{AppId, UserId};

/// How many messages one user may send.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// Sustained, per second; 0 means no limit.
    pub per_second: u32,
    /// At once, on top of that.
    pub burst: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { per_second: 5_000, burst: 10_000 }
    }
}

/// Users that are remembered before those whose bucket is empty are forgotten.
const USERS_BEFORE_SWEEP: usize = 4_096;

/// Decides by the theoretical arrival time of the next message (GCRA).
#[derive(Debug)]
pub(crate) struct RateLimiter {
    limit: RateLimit,
    next_due: HashMap<(AppId, UserId), Instant>,
    sweep_at: usize,
}

impl RateLimiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, next_due: HashMap::new(), sweep_at: USERS_BEFORE_SWEEP }
    }

    /// Whether this user may send one more message now; counts it when so.
    pub(crate) fn admit(&mut self, app: AppId, user: UserId, now: Instant) -> bool {
        if self.limit.per_second == 0 {
            return true;
        }
        let interval = Duration::from_secs(1) / self.limit.per_second;
        if self.next_due.len() >= self.sweep_at {
            self.next_due.retain(|_, due| *due > now);
            self.sweep_at = (self.next_due.len() * 2).max(USERS_BEFORE_SWEEP);
        }
        let due = self.next_due.entry((app, user)).or_insert(now);
        let from = (*due).max(now);
        if from.saturating_duration_since(now) > interval * self.limit.burst {
            return false;
        }
        *due = from + interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_sustained_rate_holds_and_others_are_unaffected() {
        let mut limiter = RateLimiter::new(RateLimit { per_second: 10, burst: 5 });
        let start = Instant::now();
        let admitted = (0..20).filter(|_| limiter.admit(AppId(1), UserId(1), start)).count();
        assert_eq!(admitted, 6, "the burst and the one that is due");
        assert!(limiter.admit(AppId(1), UserId(2), start));
        let mut now = start + Duration::from_secs(1);
        let admitted = (0..20).filter(|_| limiter.admit(AppId(1), UserId(1), now)).count();
        assert_eq!(admitted, 6, "the burst is full again, not more");
        let mut admitted = 0;
        for _ in 0..1_000 {
            now += Duration::from_millis(10);
            admitted += usize::from(limiter.admit(AppId(1), UserId(1), now));
        }
        assert!((100..=101).contains(&admitted), "ten seconds at ten a second: {admitted}");
    }

    #[test]
    fn users_who_are_quiet_are_forgotten() {
        let mut limiter = RateLimiter::new(RateLimit::default());
        let mut now = Instant::now();
        for user in 0..100_000 {
            now += Duration::from_millis(1);
            assert!(limiter.admit(AppId(1), UserId(user), now));
        }
        assert!(limiter.next_due.len() <= USERS_BEFORE_SWEEP + 1, "{}", limiter.next_due.len());
    }
}
