//! Lines on standard error while a run is under way.

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Says it. A closed standard error stops no run.
pub(crate) fn say(line: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "{line}");
}

/// Says it, unless something was said this way within the last second.
pub(crate) fn say_each_second(line: &str) {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let Ok(mut last) = LAST.lock() else { return };
    if last.is_none_or(|last| last.elapsed() >= Duration::from_secs(1)) {
        *last = Some(Instant::now());
        say(line);
    }
}
