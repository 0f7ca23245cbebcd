//! Yeses that are remembered for a while, by a hash of the question. A no never is.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Most yeses remembered; when all are fresh, no more are taken.
const YESES_MAX: usize = 16_384;

/// Until when, unix milliseconds, and who.
type Yes = (u64, Box<str>);

/// See the module.
#[derive(Default)]
pub(super) struct YesCache(Mutex<HashMap<[u8; 32], Yes>>);

impl YesCache {
    pub(super) fn get(&self, name: &[u8; 32], now_ms: u64) -> Option<String> {
        let yeses = self.0.lock();
        yeses.get(name).filter(|(until_ms, _)| now_ms < *until_ms).map(|(_, user)| user.to_string())
    }

    pub(super) fn put(&self, name: [u8; 32], user: &str, until_ms: u64, now_ms: u64) {
        let mut yeses = self.0.lock();
        if yeses.len() >= YESES_MAX {
            yeses.retain(|_, (until_ms, _)| now_ms < *until_ms);
        }
        if yeses.len() < YESES_MAX {
            yeses.insert(name, (until_ms, user.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_remembered_for_its_time_and_within_the_bound() {
        let cache = YesCache::default();
        let name = |number: u32| {
            let mut name = [0; 32];
            name[..4].copy_from_slice(&number.to_be_bytes());
            name
        };
        for number in 0..20_000 {
            cache.put(name(number), "u", 100, 0);
        }
        assert_eq!(cache.0.lock().len(), YESES_MAX);
        assert_eq!(cache.get(&name(1), 99).as_deref(), Some("u"));
        assert_eq!(cache.get(&name(1), 100), None);
        cache.put(name(50_000), "v", 300, 200);
        assert_eq!(cache.get(&name(50_000), 200).as_deref(), Some("v"), "what is stale makes room");
        assert_eq!(cache.0.lock().len(), 1);
    }
}
