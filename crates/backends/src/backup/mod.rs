//! Backup and restore of a data directory, of a running server or a stopped one.
//!
//! ```text
//! DIR/data/VERSION, state.redb, journal/*.segment    what a data directory cannot do without
//! DIR/MANIFEST.json                                  written last: without it a backup is not whole
//! DIR/RESTORED_EPOCH                                 written by a restore: the next one begins a higher epoch
//! ```
//!
//! Owns: what belongs to a backup, in which order it is copied, how it is known to be whole.
//!
//! Does not: copy the index, which is derived; copy secrets of the admin API; decide where backups go or how many stay.
//!
//! **Order.** First a snapshot of the state, then the journal up to its end as it is then. So the journal of a backup has
//! every group change that its state has applied, and every record that its cursors have passed. Sealed segments never
//! change but by being replaced as a whole; of the one that is written, what is committed is copied. Nothing may be
//! taken out of the journal meanwhile: whoever does that waits.
//!
//! **Restore** begins a new epoch: keys that were given after the backup are below every key that is given after the
//! restore, so a client that has seen more than the backup goes on behind it.

mod copy;
mod error;
mod manifest;
mod restore;
mod write;

pub use error::{BackupError, RestoreError};
pub use manifest::{BackedUpFile, Manifest};
pub use restore::{Restored, restore};
pub use write::{BackupOf, backup, backup_stopped};

use std::ops::ControlFlow;

/// How far it is, in bytes; asked to go on, or to stop.
pub type OnProgress<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;
