//! The answer role: check, filter, append, acknowledge.
//!
//! Owns: the decision on every message (type, size, rate, dedup, membership, friends and
//! blacklists), its journal record, the
//! acknowledgement once that is durable.
//!
//! Does not: hold a socket, know a frame, read history, acknowledge before the journal says durable.
//!
//! **Invariants:** one shard handles one partition of the bus, in order, so that one user's messages are decided and
//! appended in the order of their sending; a repetition never makes a second record, not even while the first is on
//! its way to the disk; a refusal leaves no trace.

mod app_rate;
mod check;
mod decide;
mod rate;
mod shard;

pub use app_rate::AppRate;
pub use check::{CLIENT_ID_BYTES_MAX, is_client_type};
pub use decide::Ports;
pub use rate::RateLimit;
pub use shard::{AnswerShard, Config};
