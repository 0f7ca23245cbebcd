//! The index of the timelines: which records a timeline has, and where their bodies lie in the log.
//!
//! Owns: rows (timeline, key) -> position, message rows (id -> key, position), rows of what was revoked, dedup rows, how
//! far all go; reading a range of bodies.
//!
//! Does not: hold a body, keep a journal of its own. It is derived from the log: what a crash takes from it is taken
//! from its end and replayed; what does not join up is thrown away and rebuilt.
//!
//! **Invariants:** batches are whole for whoever reads; what survives a crash is a prefix of them; rows at or below the watermark are complete; a body is served only if the log
//! has that very sequence, checked, where the row says or (for rewritten segments) elsewhere.

mod bodies;
mod catalog;
mod codec;
mod expiry;
mod fjall;
mod log_index;
mod memory;
mod opening;
mod pool;
mod run;
mod tables;

pub use self::fjall::FjallRows;
pub use bodies::Bodies;
pub use log_index::{LogIndex, Reads, Rows};
pub use memory::MemoryRows;
pub use opening::{IndexOpenError, Opened, Opening};
pub use pool::{PoolHandle, ReadPool};

use std::sync::Arc;

use halley_core::ids::MsgId;
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::index::Watermark;
use thiserror::Error;

/// The index on disk.
pub type FjallIndex = LogIndex<FjallRows>;
/// The index in memory.
pub type MemoryIndex = LogIndex<MemoryRows>;

/// How far the index goes, and the newest message id at or below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The newest record.
    pub watermark: Watermark,
    /// The highest message id of all records.
    pub newest_id: MsgId,
}

impl Default for Reach {
    fn default() -> Self {
        Self { watermark: Watermark::default(), newest_id: MsgId(0) }
    }
}

/// One row of a timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The entry's key.
    pub key: SyncKey,
    /// Where its record lay in the log when it was indexed.
    pub position: u64,
}

/// The index did not do its part.
#[derive(Debug, Error, Clone)]
#[non_exhaustive]
pub enum IndexError {
    /// The storage engine failed. What it holds is suspect and is rebuilt at the next start.
    #[error("the index failed")]
    Engine(#[source] Arc<::fjall::Error>),
    /// A row does not parse. Rebuilt at the next start.
    #[error("a row of the index is malformed")]
    Malformed,
    /// A batch that does not begin behind the watermark: a mistake of the caller; nothing was added.
    #[error("the batch begins with {found}, the index ends at {watermark}")]
    Gap {
        /// First sequence of the batch.
        found: u64,
        /// The watermark.
        watermark: u64,
    },
}

impl IndexError {
    /// Whether it may pass by itself and says nothing about what the index holds.
    fn is_disk_full(&self) -> bool {
        let Self::Engine(error) = self else { return false };
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                return io.kind() == std::io::ErrorKind::StorageFull;
            }
            cause = error.source();
        }
        false
    }
}

impl From<::fjall::Error> for IndexError {
    fn from(error: ::fjall::Error) -> Self {
        Self::Engine(Arc::new(error))
    }
}

impl From<IndexError> for PortError {
    fn from(error: IndexError) -> Self {
        let (what, why) = ("index", crate::disk::chain(&error));
        match error {
            IndexError::Engine(_) | IndexError::Gap { .. } => Self::Unavailable { what, why },
            IndexError::Malformed => Self::Damaged { what, why },
        }
    }
}

#[cfg(test)]
mod tests;
