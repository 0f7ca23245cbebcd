//! The journal: the truth (design section 1).

use std::sync::Arc;
use std::task::{Context, Poll};

use thiserror::Error;

use crate::key::SyncKey;
use crate::record::Record;
use crate::ticket::{JournalLost, Ticket};

/// Why a record was not taken. It is not in the journal and will not be.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendRefused {
    /// The tail is full because the index lags: wait with [`Journal::poll_ready`], then try again.
    #[error("the journal's tail is full")]
    Full,
    /// The disk is nearly full: refuse the message.
    #[error("the disk is nearly full")]
    DiskFull,
    /// Larger than the journal takes; never retry.
    #[error("the record is too large for the journal")]
    TooLarge,
    /// The journal has failed or is closed.
    #[error(transparent)]
    Lost(#[from] JournalLost),
}

/// Appends in the order of the calls; durable when the ticket says so.
pub trait Journal: Send + Sync {
    /// Takes a record. The ticket is ready, with the key, once it is durable. Records become durable in the order
    /// in which they were taken; a crash leaves a prefix.
    ///
    /// # Errors
    /// See [`AppendRefused`].
    fn append(&self, record: &Arc<Record>) -> Result<Ticket, AppendRefused>;

    /// Ready when an append that was refused as [`AppendRefused::Full`] may be tried again.
    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()>;

    /// The newest durable key.
    ///
    /// # Errors
    /// When the journal has failed.
    fn durable_end(&self) -> Result<SyncKey, JournalLost>;
}
