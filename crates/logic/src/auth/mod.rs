//! Authentication: what a token proves, by the ways its app accepts.
//!
//! Owns: the order of the ways, the checks of signed tokens and JSON web tokens, the questions to apps' own servers, and
//! the threads these need.
//!
//! Does not: tell the client why; keep access tokens.
//!
//! **Invariants:** nothing that a client sends makes a bucket's thread compute a signature or wait for another server; every
//! queue here is bounded, and what finds it full is refused as busy; what cannot be decided is refused (fail closed).

mod authenticate;
mod http;
mod jwt;
mod pool;
mod replay;
mod signed;

pub(crate) use authenticate::unavailable;
pub use pool::Threads;

use std::sync::Arc;
use std::time::Duration;

use halley_core::metrics::Metrics;

use http::Caller;
use jwt::KeyRing;
use pool::{Bounds, Pool};
use replay::ReplayGuard;

/// Questions that may wait together, and of one app.
const CALLS_WAITING_MAX: usize = 1_024;
const CALLS_WAITING_OF_APP_MAX: usize = 256;
/// Checks that may wait together, and of one app.
const CHECKS_WAITING_MAX: usize = 4_096;
const CHECKS_WAITING_OF_APP_MAX: usize = 2_048;

/// Tokens of clients, and key sets of operators: read or refused, whatever the bytes are. No signed token is proven but one
/// that somebody with the key has made, as those of the corpus.
pub fn fuzz_token(data: &[u8]) {
    /// When the corpus's signed token was made.
    const NOW_MS: u64 = 1_655_716_335_340;
    let _is_set = jwt::is_key_set(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let settings = halley_core::app::JwtSettings::default();
    let _web_token = jwt::Unchecked::read(text, &settings, NOW_MS);
    if let Ok(signed) = signed::Signed::read(text, "dtalk", NOW_MS)
        && let Some(user) = signed.verify()
    {
        assert_eq!(user, "1AqutxNoVTtcWiVYpBtvficAgea1dYTddR");
    }
}

/// What authentication keeps between logins. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    checks: Arc<Pool>,
    caller: Arc<Caller>,
    keys: Arc<KeyRing>,
    used: Arc<ReplayGuard>,
}

impl Authenticator {
    /// Starts no thread yet. A question to an app's own server takes at most `call_time_max`, waiting included: the time
    /// that a client is given for its login.
    #[must_use]
    pub fn new(threads: Threads, call_time_max: Duration, metrics: &Arc<Metrics>) -> Self {
        let checks = Bounds {
            threads_max: threads.checks,
            running_of_app_max: threads.checks,
            waiting_max: CHECKS_WAITING_MAX,
            waiting_of_app_max: CHECKS_WAITING_OF_APP_MAX,
            niceness: 5,
        };
        let calls = Bounds {
            threads_max: threads.calls,
            running_of_app_max: threads.calls_of_app,
            waiting_max: CALLS_WAITING_MAX,
            waiting_of_app_max: CALLS_WAITING_OF_APP_MAX,
            niceness: 0,
        };
        let calls = Pool::new("login-call", calls, metrics.login_calls_waiting.clone());
        Self {
            checks: Arc::new(Pool::new("login-check", checks, metrics.login_checks_waiting.clone())),
            caller: Arc::new(Caller::new(calls, call_time_max, Arc::clone(metrics))),
            keys: Arc::new(KeyRing::default()),
            used: Arc::new(ReplayGuard::new(replay::TOKENS_MAX)),
        }
    }
}
