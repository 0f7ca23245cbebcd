//! What is measured: latencies, and what the server spends.

pub(crate) mod latency;
pub(crate) mod server;
