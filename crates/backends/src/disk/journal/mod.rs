//! The journal over the segmented log: appends from any thread, one committer.
//!
//! Owns: sequences and keys of this run, the pending batch, the commit loop, who is told that a record is durable.
//!
//! Does not: know how bytes lie in a segment (`halley-journal`), index anything, read a clock inside a step.
//!
//! **Invariants:** a record's sequence is given under one lock, in which it also enters the batch: order of appends
//! is order of sequences is order in the log. A commit is published to the tail first, then the mark moves, so
//! whoever is told "durable" finds the record. After a failed write or sync nothing is told "durable" any more.

mod committer;
mod pending;
mod port;
mod space;
mod thread;

pub use committer::{Committer, Stepped};
pub use port::{DiskJournal, Start};
pub use space::{Directory, FreeSpace, Unlimited};
pub use thread::JournalThreads;

use std::time::Duration;

/// When an acknowledged record is synced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fsync {
    /// Before it is acknowledged.
    Always,
    /// At most this long after: a power loss takes what came since, a crash of the process nothing.
    Interval(Duration),
    /// When the operating system pleases.
    Os,
}

/// How the journal commits.
#[derive(Clone, Copy, Debug)]
pub struct JournalConfig {
    /// When records are synced.
    pub fsync: Fsync,
    /// Under load, a commit waits for at most one recent fsync time, and never longer than this, for more records.
    /// 0 by default: what arrives during a commit is batch enough. With 300 us the example `journal_load` made a third
    /// fewer commits at 20,000 messages/s, at no less CPU a message, and as many messages/s at full speed.
    pub gather_max: Duration,
    /// An idle marker follows this long after the last commit.
    pub idle_mark_after: Duration,
    /// Below this share of free disk, in percent, appends are refused.
    pub disk_free_percent_min: u8,
    /// How often the free space is looked at, and a commit retried that found none.
    pub disk_check_every: Duration,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            fsync: Fsync::Always,
            gather_max: Duration::ZERO,
            idle_mark_after: Duration::from_millis(100),
            disk_free_percent_min: 5,
            disk_check_every: Duration::from_secs(1),
        }
    }
}
