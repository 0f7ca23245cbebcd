//! The bounds of the two listeners.

use std::time::Duration;

/// Bounds of the gRPC listeners. The defaults suit every installation; tests shorten them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GrpcConfig {
    /// Connections open at once, per listener; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// Calls in progress at once on one connection; a client waits with further ones, as HTTP/2 has it.
    pub streams_max: u32,
    /// Calls in progress at once on both listeners together; further ones are answered RESOURCE_EXHAUSTED.
    pub calls_max: usize,
    /// Largest request, in bytes.
    pub message_bytes_max: usize,
    /// Largest head of a request, in bytes.
    pub head_bytes_max: u32,
    /// A connection says something by then.
    pub first_bytes_timeout: Duration,
    /// A call is answered by then, its request included; or sooner, when the caller says so (`grpc-timeout`).
    pub call_timeout: Duration,
    /// How often a connection is asked whether it lives.
    pub keepalive_interval: Duration,
    /// By when it must answer that; it also bounds a client that does not read.
    pub keepalive_timeout: Duration,
    /// Calls in progress at shutdown may take this long.
    pub drain_timeout: Duration,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            connections_max: 256,
            streams_max: 128,
            calls_max: 256,
            message_bytes_max: 4 << 20,
            head_bytes_max: 16 << 10,
            first_bytes_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(60),
            keepalive_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(5),
        }
    }
}
