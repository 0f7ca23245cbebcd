//! Why something was not taken out of the log. What was acknowledged is there in every case.

use std::io;

use crate::error::{Damage, ReadError};
use crate::files::is_disk_full;
use crate::segments::name_of;

/// Why a segment was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// It is the one that is written, or above: a mistake of the owner.
    #[error("segment {} of the journal is not sealed", name_of(*segment))]
    NotSealed {
        /// As asked.
        segment: u32,
    },
    /// The operating system refused. Asking again is safe; a directory that could not be synced has poisoned the log.
    #[error("{doing} of the journal")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A write or sync of the log has failed before.
    #[error("the journal has stopped after an earlier failure")]
    Poisoned,
}

/// Why a segment was not rewritten. The old one is there, but after a failed sync of the directory: then it is the old
/// one or the new one.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// The bytes are not what was committed, so nothing is decided about them. The operator restores.
    #[error("a segment that should be rewritten is damaged: {0}")]
    Damaged(Damage),
    /// It is the one that is written, or above: a mistake of the owner.
    #[error("segment {} of the journal is not sealed", name_of(*segment))]
    NotSealed {
        /// As asked.
        segment: u32,
    },
    /// It is not part of the log (any more).
    #[error("segment {} is not in the journal", name_of(*segment))]
    NoSegment {
        /// As asked.
        segment: u32,
    },
    /// No space for the new one beside the old one: try again later.
    #[error("no space left to rewrite a segment of the journal")]
    DiskFull(#[source] io::Error),
    /// So many separate records must go that no header lists them; only segments above 64 MiB can need so many. Nothing
    /// was changed: let neighbours go with them.
    #[error("{holes} separate holes do not fit the header of a segment, which lists {holes_max}")]
    TooManyHoles {
        /// As many as were asked for.
        holes: usize,
        /// As many as fit.
        holes_max: usize,
    },
    /// The owner stopped it.
    #[error("the rewrite of a segment was stopped")]
    Stopped,
    /// The operating system refused. A directory that could not be synced has poisoned the log.
    #[error("{doing} of the journal")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A write or sync of the log has failed before.
    #[error("the journal has stopped after an earlier failure")]
    Poisoned,
}

impl RewriteError {
    pub(super) fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| {
            if is_disk_full(&source) { Self::DiskFull(source) } else { Self::Io { doing, source } }
        }
    }
}

impl From<ReadError> for RewriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damaged(damage) => Self::Damaged(damage),
            ReadError::NoSegment { segment } => Self::NoSegment { segment },
            ReadError::Io { source, .. } => Self::Io { doing: "read a segment", source },
            other @ (ReadError::NotCommitted { .. } | ReadError::Dropped { .. }) => {
                Self::Io { doing: "read a segment", source: io::Error::other(other) }
            }
        }
    }
}
