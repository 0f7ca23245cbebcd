//! Signed tokens that have opened a connection (ruling 7): remembered until they are too old to be accepted anyway.
//!
//! In memory: a token could be used once more right after a restart, within its two minutes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use halley_core::ids::AppId;
use parking_lot::Mutex;

/// Tokens remembered at once, of all apps: 4 minutes at over 1,000 logins a second. About 40 MB when full.
pub(super) const TOKENS_MAX: usize = 262_144;

type Token = (AppId, [u8; 32]);

#[derive(Default)]
struct Used {
    until: HashMap<Token, u64>,
    by_time: BTreeSet<(u64, Token)>,
}

/// See the module.
pub(super) struct ReplayGuard {
    used: Mutex<Used>,
    tokens_max: usize,
}

/// Why a token may not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotNow {
    /// It was.
    Used,
    /// So many were that nobody can tell.
    Full,
}

impl ReplayGuard {
    pub(super) fn new(tokens_max: usize) -> Self {
        Self { used: Mutex::new(Used::default()), tokens_max }
    }

    /// Takes a token, which is accepted until `until_ms`. It may be taken again when the use is dropped before
    /// [`Use::keep`]: then it opened no connection.
    pub(super) fn take(
        self: &Arc<Self>,
        app: AppId,
        token: [u8; 32],
        until_ms: u64,
        now_ms: u64,
    ) -> Result<Use, NotNow> {
        let token = (app, token);
        let mut used = self.used.lock();
        while let Some((until, oldest)) = used.by_time.first().copied().filter(|(until, _)| *until < now_ms) {
            used.by_time.remove(&(until, oldest));
            used.until.remove(&oldest);
        }
        if used.until.contains_key(&token) {
            return Err(NotNow::Used);
        }
        if used.until.len() >= self.tokens_max {
            return Err(NotNow::Full);
        }
        used.until.insert(token, until_ms);
        used.by_time.insert((until_ms, token));
        Ok(Use { guard: Arc::clone(self), token, is_kept: false })
    }
}

/// The use of a token by a login that is not decided yet.
pub(crate) struct Use {
    guard: Arc<ReplayGuard>,
    token: Token,
    is_kept: bool,
}

impl Use {
    /// The login succeeded.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let mut used = self.guard.used.lock();
        if let Some(until) = used.until.remove(&self.token) {
            used.by_time.remove(&(until, self.token));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_once_and_forgotten_with_its_time() {
        let guard = Arc::new(ReplayGuard::new(2));
        let take = |token: u8, until, now| guard.take(AppId(1), [token; 32], until, now);
        drop(take(1, 100, 50).expect("new"));
        take(1, 100, 50).expect("the login before failed").keep();
        assert_eq!(take(1, 100, 100).err(), Some(NotNow::Used));
        guard.take(AppId(2), [1; 32], 90, 50).expect("of another app").keep();
        assert_eq!(take(2, 100, 50).err(), Some(NotNow::Full));
        take(2, 300, 91).expect("the oldest is too old by now").keep();
        assert_eq!(take(2, 300, 200).err(), Some(NotNow::Used));
        let used = guard.used.lock();
        assert_eq!((used.until.len(), used.by_time.len()), (1, 1), "both sides agree");
    }
}
