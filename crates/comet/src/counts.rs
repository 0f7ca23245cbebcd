//! How many there are of each, in the whole process, against a limit.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;

/// Counts by key. Without a limit nothing is counted, and nothing is locked.
pub(crate) struct Counts<K> {
    /// 0 is none.
    max: u32,
    /// Locked for a look-up, at the beginning and the end of a connection.
    counts: Mutex<HashMap<K, u32>>,
}

impl<K: Eq + Hash> Counts<K> {
    pub(crate) fn new(max: u32) -> Self {
        Self { max, counts: Mutex::new(HashMap::new()) }
    }

    /// Counts one more. `false`: there are as many as there may be, and it was not counted.
    pub(crate) fn enter(&self, key: K) -> bool {
        if self.max == 0 {
            return true;
        }
        let mut counts = self.counts.lock();
        let count = counts.entry(key).or_insert(0);
        let fits = *count < self.max;
        *count += u32::from(fits);
        fits
    }

    /// One that was counted is gone.
    pub(crate) fn leave(&self, key: &K) {
        if self.max == 0 {
            return;
        }
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_the_limit_fit_and_who_leaves_makes_room() {
        let counts = Counts::new(2);
        assert!(counts.enter('a') && counts.enter('a'));
        assert!(!counts.enter('a'));
        assert!(counts.enter('b'), "each has its own");
        counts.leave(&'a');
        assert!(counts.enter('a'));
        counts.leave(&'a');
        counts.leave(&'a');
        counts.leave(&'b');
        assert!(counts.counts.lock().is_empty());
    }
}
