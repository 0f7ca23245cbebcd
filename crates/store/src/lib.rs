//! The store role: what is derived from the journal, kept up with it.
//!
//! Owns: how far the index and the group state have followed the journal; releasing the tail behind them; where the
//! floors of retention are.
//!
//! Does not: sit on the path of an acknowledgement, decide anything, read for clients.
//!
//! **Invariants:** the tail is released only up to what the index holds; group changes are applied in journal order,
//! each at least once, and before the index passes them.

mod dedup;
mod groups;
mod materializer;
mod retention;

pub use dedup::DerivedDedup;
pub use groups::GroupApplier;
pub use materializer::{Config, Materializer};
pub use retention::{Grown, Retention, RetentionConfig, RetentionPorts};
