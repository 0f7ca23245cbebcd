//! Rate limit per app, over all shards of the process.
//!
//! One moment an app, which the shards share as an atomic: an app's users are spread over the shards as it happens, so a
//! share for each shard would refuse a busy one what its neighbours leave. It is asked after the limit per user, so that
//! what one user sends in vain takes nothing from the others of its app.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use halley_core::ids::AppId;
use parking_lot::RwLock;

/// What may be sent at once on top of the rate: a second of it.
const BURST: Duration = Duration::from_secs(1);

/// Decides by the theoretical arrival time of an app's next message (GCRA).
#[derive(Debug)]
pub struct AppRate {
    interval_ns: u64,
    start: Instant,
    /// In nanoseconds since `start`. Operators make apps, so there are few; written once for each.
    next_due: RwLock<HashMap<AppId, Arc<AtomicU64>>>,
}

impl AppRate {
    /// So many messages a second for each app; `None` for 0, which is no limit.
    #[must_use]
    pub fn new(per_second: u32, start: Instant) -> Option<Self> {
        let interval_ns = 1_000_000_000_u64.checked_div(u64::from(per_second))?;
        Some(Self { interval_ns, start, next_due: RwLock::default() })
    }

    /// Whether this app may send one more message now; counts it when so.
    pub(crate) fn admit(&self, app: AppId, now: Instant) -> bool {
        let now_ns = nanoseconds(now.saturating_duration_since(self.start));
        let next_due = self.of(app);
        let counted = next_due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |due| {
            let from = due.max(now_ns);
            (from - now_ns <= nanoseconds(BURST)).then(|| from + self.interval_ns)
        });
        counted.is_ok()
    }

    fn of(&self, app: AppId) -> Arc<AtomicU64> {
        if let Some(next_due) = self.next_due.read().get(&app) {
            return Arc::clone(next_due);
        }
        Arc::clone(self.next_due.write().entry(app).or_default())
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_a_second_passes_then_the_rate_holds_and_other_apps_are_unaffected() {
        let start = Instant::now();
        let rate = AppRate::new(10, start).expect("is a limit");
        let admitted = |now, times| (0..times).filter(|_| rate.admit(AppId(1), now)).count();
        assert_eq!(admitted(start, 50), 11, "the burst and the one that is due");
        assert!(rate.admit(AppId(2), start));
        assert_eq!(admitted(start + Duration::from_millis(450), 50), 4);
        assert_eq!(admitted(start + Duration::from_secs(60), 50), 11, "the burst is full again, not more");
        assert!(AppRate::new(0, start).is_none());
    }

    #[test]
    fn shards_together_admit_no_more_than_one_would() {
        let start = Instant::now();
        let rate = AppRate::new(1_000, start).expect("is a limit");
        let admitted: usize = std::thread::scope(|scope| {
            let shard = || (0..5_000).filter(|_| rate.admit(AppId(1), start)).count();
            let shards: Vec<_> = (0..4).map(|_| scope.spawn(shard)).collect();
            shards.into_iter().map(|shard| shard.join().expect("ends")).sum()
        });
        assert_eq!(admitted, 1_001);
    }
}
