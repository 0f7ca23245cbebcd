//! The embedded backends, composed: log, tail, index and state over one data directory, or the same code over memory
//! or a simulated disk.
//!
//! ```text
//! <data>/VERSION       format version of the whole directory
//! <data>/journal/      segments of the log, and the lock of the directory
//! <data>/index/        derived from the log; may be deleted at any time
//! <data>/state.redb    apps, users, tokens, groups, cursors
//! ```
//!
//! Owns: the order in which these are opened, joined, and closed; the threads behind them.
//!
//! Does not: follow the journal once it runs; that is store's part.
//!
//! **Invariants:** nothing is served before the journal is recovered and group state has followed it to its end; an
//! index that does not fit the log is rebuilt, a state that does not is refused.

mod error;
mod open;
mod options;
mod past;
mod reclaim;
mod recovered;
mod replay;
mod running;
mod version;

pub use error::{CloseError, OpenError};
pub use options::{Options, Progress};
pub use reclaim::{Pace, ReclaimOptions, Reclaimer};
pub use recovered::RecoveryReport;
pub use running::{Embedded, Parts};
pub use version::FORMAT_VERSION as DATA_FORMAT_VERSION;
