//! Implementations of the ports: in memory, and on the local disk (the log, its index, the state database).
//!
//! Owns: how what the ports promise is kept. [`Embedded`] composes the disk's parts over a data directory, and the
//! same code over memory or a simulated disk; [`memory`] has what needs no disk.
//!
//! Does not: decide anything about messages, know a role, a runtime, a client dialect.
//!
//! **Invariants**
//!  - The journal is the truth: the index is derived from it, may be deleted at any time, and is rebuilt when it does
//!    not join up. State holds what no message says, and how far it has followed the journal.
//!  - Whatever follows the journal (tail, index, group state) sees its records in order, each once or idempotently.
//!  - Every queue is bounded; every thread is named, owned by a handle and joined.

pub mod backup;
pub mod disk;
pub mod embedded;
pub mod memory;

pub use embedded::{DATA_FORMAT_VERSION, Embedded, OpenError, Options};
