//! The state database: what cannot be derived from messages. Apps, user numbers, tokens, groups, relations, cursors, and
//! the installation's own counters, in redb.
//!
//! Owns: the tables, who writes to them and when that is durable.
//!
//! Does not: decide who may do what; hold messages.
//!
//! **Invariants:** an admin call is answered after its commit is durable; a user's number never changes; group state
//! and the mark of how far it has followed the journal change in one transaction; a cursor never leads.
//!
//! One thread writes ([`StateThread`]), committing together what was asked together; in a simulation the caller
//! does. Group changes are applied by whoever follows the journal, in a transaction of their own.

mod accounts;
mod cache;
mod cursors;
mod devices;
mod files_backend;
mod floors;
mod groups;
mod meta;
mod relations;
mod removals;
mod schema;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod users;
mod writer;

pub use files_backend::FilesBackend;
pub use meta::{Installation, Run};
pub use store::{RedbState, StateOptions};
pub use writer::StateThread;

use halley_core::ports::PortError;
use thiserror::Error;

/// Why the state database did not open.
#[derive(Debug, Error)]
pub enum StateOpenError {
    /// Another process has it, it is damaged, or the operating system refused. The operator acts.
    #[error("open the state database")]
    Open(#[from] redb::DatabaseError),
    /// The operating system refused to make the file.
    #[error("create the state database")]
    Create(#[source] std::io::Error),
    /// Reading or writing what it must have.
    #[error("prepare the state database")]
    Prepare(#[from] Box<redb::Error>),
    /// Written by a newer Halley; nothing is lost, this build must not touch it.
    #[error(
        "the state database has format version {found}, this build reads up to {supported}: run the newer version"
    )]
    Newer {
        /// Its version.
        found: u64,
        /// Ours.
        supported: u64,
    },
    /// The operating system gave no thread.
    #[error("start the state writer")]
    Thread(#[source] std::io::Error),
}

/// What the database says, for the ports.
fn port_error(error: &redb::Error) -> PortError {
    let (what, why) = ("state database", crate::disk::chain(error));
    match error {
        redb::Error::Corrupted(_) => PortError::Damaged { what, why },
        _ => PortError::Unavailable { what, why },
    }
}
