//! What every part of Halley agrees on: the vocabulary (ids, messages, commands), pure data structures and
//! state machines, and the **ports**, the traits by which the roles meet.
//!
//! Owns: the meaning of names, the binary form of a journal record, the in-memory tail of a partition.
//!
//! Does not: open a file or a socket, read a clock, spawn anything, know a frame of a client dialect, an HTTP
//! status or a gRPC code. Time is always an argument ([`clock::Now`]).
//!
//! **Invariant:** a [`key::SyncKey`] is strictly increasing within every timeline, and nothing in this crate
//! makes one but [`key::SyncKey::new`] from an epoch and a place in the journal.

pub mod app;
pub mod app_check;
pub mod bearer;
pub mod clock;
pub mod command;
pub mod device;
pub mod event;
#[doc(hidden)]
pub mod fuzzing;
pub mod group;
pub mod ids;
pub mod key;
pub mod message;
pub mod metrics;
pub mod msg_id;
pub mod placement;
pub mod ports;
pub mod public_key;
pub mod record;
mod record_codec;
pub mod reply;
pub mod session;
pub mod tail;
pub mod ticket;
pub mod timeline;

pub use record_codec::RecordError;
