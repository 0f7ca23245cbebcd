//! The segmented, group-committed log over a file port.
//!
//! Owns: the bytes of the log. Segments of opaque payloads with contiguous sequences, batches that become durable with
//! one write and one `fdatasync`, what is torn and what is damaged after a crash, and the check of everything.
//! `FORMAT.md` has the byte tables.
//!
//! Does not: know a message, start a thread, read a clock for a decision, keep an index, decide when to gather or
//! when to sync on a timer. Every call is made by its owner, so a seed replays a run on [`sim::SimDisk`].
//!
//! **Who calls what.** [`Log::open`] gives four handles: the [`LogWriter`] (one commit thread), the [`LogReader`]
//! (cloned freely), the [`Preparer`] (one background thread that keeps zeros ahead) and the [`Compactor`] (one that takes
//! records out again, for retention and deletion). Appenders fill a [`Batch`]
//! under a lock of their own, the commit thread swaps it for an empty one and commits it.
//!
//! **Invariants**
//!  - A sequence is given once. The batches of the log join without a gap, but for the holes a segment header lists.
//!  - Nothing is called durable that was not synced: every batch header carries the position known durable when it was
//!    written, and recovery writes again whatever is above the highest of these before it calls it durable.
//!  - Below the highest such mark the log is whole or refuses to open; above it, it is cut, and the cut is reported.
//!  - What is cut is zeroed and synced before anything is written there.
//!  - A failed sync poisons the writer for ever; it is never retried.
//!  - A record is found by its sequence or not at all: a rewritten segment never shows another in its place.
//!  - A segment is durable, with its name, before the first batch in it is acknowledged; it is sealed before that too.

pub mod failing;
pub mod real;
pub mod sim;

mod batch;
mod compact;
mod config;
mod cursor;
mod error;
mod files;
mod find;
mod format;
#[cfg(test)]
mod holes_tests;
mod ids;
mod log;
mod marks;
mod open_files;
mod prepare;
mod reader;
mod repair;
mod scan;
mod scrub;
mod segments;
mod shared;
mod survey;
mod verify;
mod writer;

pub use batch::{Batch, Pushed};
pub use compact::{Compactor, Fate, Removal, RemoveError, RewriteError, Rewritten};
pub use config::{Config, ConfigError, NewLog};
pub use error::{
    CommitError, Damage, DamageKind, OpenError, PrepareError, PushError, ReadError, VerifyError, VisitError,
};
pub use files::{File, Files};
pub use format::{FORMAT_VERSION, Hole};
pub use ids::{LogSeq, Position};
pub use log::{Log, Recovery, Torn};
pub use prepare::{Prepared, Preparer};
pub use reader::{LogReader, SegmentInfo};
pub use scan::{Record, Scan};
pub use scrub::{ScrubStep, Scrubber};
pub use shared::Counters;
pub use verify::{Report, SegmentReport, verify};
pub use writer::{Committed, Durability, LogWriter};
