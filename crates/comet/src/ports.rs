//! What a gateway needs from the other roles.

use std::fmt;
use std::sync::Arc;

use halley_core::clock::Clock;
use halley_core::ports::accounts::Users;
use halley_core::ports::feed::Feed;
use halley_core::ports::logic::Logic;
use halley_core::ports::timelines::Timelines;

/// The ports a bucket uses. Cloned once per bucket.
#[derive(Clone)]
pub struct Ports {
    /// Logins, sends, presence, cursors.
    pub logic: Arc<dyn Logic>,
    /// The live end of the timelines; each bucket subscribes once.
    pub feed: Arc<dyn Feed>,
    /// Reads for sessions that are behind.
    pub timelines: Arc<dyn Timelines>,
    /// Names of users whose id is not their number.
    pub users: Arc<dyn Users>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}
