//! The bounds of the admin listener.

use std::time::Duration;

/// Bounds of the admin listener. The defaults suit every installation; tests shorten them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdminConfig {
    /// Connections open at once; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// Requests under `/v1` in progress at once; further ones are answered 503 `busy`.
    pub requests_max: usize,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Largest request head (request line and headers), in bytes.
    pub head_bytes_max: usize,
    /// A request head must be complete by then; also how long an idle connection is kept.
    pub head_timeout: Duration,
    /// A request, its body included, is answered by then.
    pub request_timeout: Duration,
    /// A write to the socket makes progress by then.
    pub write_timeout: Duration,
    /// Requests in progress at shutdown may take this long.
    pub drain_timeout: Duration,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            connections_max: 256,
            requests_max: 64,
            body_bytes_max: 1 << 20,
            head_bytes_max: 16 << 10,
            head_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
        }
    }
}
