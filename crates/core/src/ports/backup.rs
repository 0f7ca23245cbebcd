//! Backups of a running server.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// How the newest backup stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupStatus {
    /// Where it is.
    pub directory: PathBuf,
    /// Whether it is whole, or never will be.
    pub stage: BackupStage,
    /// Bytes copied.
    pub done_bytes: u64,
    /// Bytes to copy, as far as that is known yet.
    pub total_bytes: u64,
    /// When it was begun, unix milliseconds.
    pub begun_ms: u64,
}

/// Where a backup is between nothing and whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BackupStage {
    /// It is being made.
    Running,
    /// It is whole.
    Done,
    /// It is none, and why; for the operator.
    Failed(String),
}

/// Why no backup was begun.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackupRefused {
    /// One at a time: wait for it.
    #[error("a backup is being made already")]
    Busy,
    /// The server is stopping, or the system gives no thread.
    #[error("no backup can be begun now: {0}")]
    Unavailable(String),
}

/// Makes backups, one at a time, beside the traffic.
pub trait Backups: Send + Sync {
    /// Begins a backup into a directory of the server's machine that is empty or not there.
    ///
    /// # Errors
    /// When none was begun.
    fn begin(&self, directory: &Path) -> Result<(), BackupRefused>;

    /// The newest one of this process.
    fn status(&self) -> Option<BackupStatus>;
}
