//! Why there is no backup, or nothing was restored from one.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::disk::state::StateOpenError;

/// Why a backup was not made. What is in its directory has no manifest and is refused by a restore.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The operating system refused.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// There is something in the directory: name a new one.
    #[error("{} is not empty: name a new directory for the backup", .0.display())]
    NotEmpty(PathBuf),
    /// No data directory is there.
    #[error("{} is no data directory", .0.display())]
    NoData(PathBuf),
    /// The journal is in use by a server, or its directory cannot be opened.
    #[error("take the data directory")]
    Directory(#[from] halley_journal::real::DirError),
    /// The state database did not give its rows, or the copy did not take them.
    #[error("copy the state database")]
    State(#[source] Box<redb::Error>),
    /// The state database of a stopped server did not open.
    #[error("open the state database")]
    OpenState(#[from] StateOpenError),
    /// What was dirty could not be written before.
    #[error("write the state database before it is copied")]
    Flush(#[from] halley_core::ports::PortError),
    /// Whoever follows the progress ended it.
    #[error("the backup was ended before it was whole")]
    Ended,
}

/// Why nothing was restored. The backup is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The operating system refused.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// There is something in the target: it is never overwritten.
    #[error("{} is not empty: nothing is ever restored over something", .0.display())]
    NotEmpty(PathBuf),
    /// The backup was interrupted, or it is none.
    #[error("{} has no MANIFEST.json: no backup, or one that was interrupted before it was whole", .0.display())]
    NoManifest(PathBuf),
    /// The manifest does not parse.
    #[error("the manifest of the backup does not parse: {0}")]
    Manifest(String),
    /// Made by a newer Halley.
    #[error("the backup has format {found}, this build reads up to {supported}: use the newer version")]
    Newer {
        /// Its format.
        found: u64,
        /// Ours.
        supported: u64,
    },
    /// A file is not what it was when the backup was made.
    #[error("{file} of the backup is damaged: {what}")]
    Damaged {
        /// Which.
        file: String,
        /// How it differs.
        what: &'static str,
    },
    /// The state database of the backup did not open.
    #[error("open the restored state database")]
    State(#[from] StateOpenError),
    /// The counter of epochs is at its end.
    #[error("the installation has used every journal epoch")]
    EpochsExhausted,
    /// Whoever follows the progress ended it.
    #[error("the restore was ended")]
    Ended,
}
