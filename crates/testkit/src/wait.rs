//! Waiting for a condition, level-triggered, with a deadline: no test sleeps and hopes.

use std::time::{Duration, Instant};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Looks until `look` gives something.
///
/// # Panics
/// After `deadline`, naming `what` was waited for.
pub fn wait_for<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {deadline:?} in vain for {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
