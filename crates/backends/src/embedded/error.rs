//! Why a data directory did not open or close.

use std::io;
use std::path::PathBuf;

use halley_core::ports::PortError;
use halley_journal::CommitError;
use thiserror::Error;

use crate::disk::index::IndexOpenError;
use crate::disk::state::StateOpenError;

/// Why a data directory did not open. Nothing has been served and nothing changed but what a repetition repeats.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system refused. The operator acts.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Written by a newer Halley; nothing is lost, this build must not touch it.
    #[error(
        "the data directory {} has format version {found}, this build reads up to {supported}: run the newer version",
        path.display()
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// Ours.
        supported: u64,
    },
    /// The file `VERSION` holds no version. The operator restores it.
    #[error("{} does not say a format version", path.display())]
    VersionUnreadable {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the directory, or it cannot be made.
    #[error("take the data directory")]
    Directory(#[from] halley_journal::real::DirError),
    /// See there.
    #[error("open the journal")]
    Journal(#[from] halley_journal::OpenError),
    /// See there.
    #[error("open the state database")]
    State(#[from] StateOpenError),
    /// See there.
    #[error("open the index")]
    Index(#[from] IndexOpenError),
    /// The journal has records, but the state database knows none of it. The operator restores the one that
    /// belongs to the journal: users, tokens and groups are only there.
    #[error(
        "the journal has records, but the state database is new: restore the state database that belongs to it"
    )]
    StateMissing,
    /// The state database belongs to another journal, or the journal is gone. The operator restores.
    #[error(
        "the state database belongs to the journal {expected:016x}, found {found:016x}: restore the one or the other"
    )]
    ForeignJournal {
        /// As the state says.
        expected: u64,
        /// As found.
        found: u64,
    },
    /// The counter of epochs is at its end: after 511 unclean starts with a weak `fsync`.
    #[error("the installation has used every journal epoch")]
    EpochsExhausted,
    /// A record of the log could not be read while the index was rebuilt.
    #[error("read the journal for the index")]
    Rebuild(#[from] halley_journal::ReadError),
    /// A record of the log does not parse: it was written by a newer version, or there is a bug.
    #[error("parse a record of the journal")]
    Record(#[from] halley_core::RecordError),
    /// Index or state did not take what the journal says.
    #[error("follow the journal")]
    Follow(#[from] PortError),
    /// The operating system gave no thread.
    #[error("start a thread")]
    Thread(#[source] io::Error),
}

/// What was not done when the directory was closed. Acknowledged messages are safe in any case.
#[derive(Debug, Error)]
pub enum CloseError {
    /// Records that nobody was told to be durable may be missing; the next start recovers.
    #[error("close the journal")]
    Journal(#[from] CommitError),
    /// Cursors lag: some messages are delivered again.
    #[error("write the cursors")]
    State(#[from] PortError),
}
