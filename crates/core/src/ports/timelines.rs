//! Timelines: range reads by key.

use crate::ids::{AppId, MsgId};
use crate::key::SyncKey;
use crate::ports::PortError;
use crate::record::Entry;
use crate::reply::Reply;
use crate::timeline::TimelineId;

/// Which way a range is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Entries above the key, ascending.
    After,
    /// Entries below the key, newest first.
    Before,
}

/// A range of one timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimelineRange {
    /// Of which.
    pub timeline: TimelineId,
    /// From where, exclusive.
    pub from: SyncKey,
    /// Which way.
    pub direction: Direction,
    /// At most so many entries; at least 1.
    pub entries_max: usize,
    /// At most about so many bytes of records; one entry is always given.
    pub bytes_max: usize,
}

/// What a read gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The entries, in the direction asked for. In the place of a message that was revoked before the read began stands
    /// an entry with its key of the kind [`crate::message::EntryKind::REVOKED`].
    pub entries: Vec<Entry>,
    /// [`Direction::After`]: up to this key nothing is missing. It is the last entry's key when the page is full,
    /// else at least the durable end as it was when the read began (promise 4). [`Direction::Before`]: the lowest
    /// key covered.
    pub complete_to: SyncKey,
    /// Whether there may be more in this direction.
    pub more: bool,
}

/// Range reads, complete up to the durable end.
pub trait Timelines: Send + Sync {
    /// Reads a range. Ready when it needs memory only.
    fn read(&self, range: TimelineRange) -> Reply<Result<Page, PortError>>;

    /// The durable end of the partition this timeline lives in: where a session that wants only what is new begins.
    fn head(&self, timeline: TimelineId) -> Reply<Result<SyncKey, PortError>>;
}

/// Messages by id.
pub trait MessageLookup: Send + Sync {
    /// The message with this id, durable, as [`Timelines::read`] shows it. For what is rare: it may look at much.
    fn find_message(&self, app: AppId, id: MsgId) -> Reply<Result<Option<Entry>, PortError>>;
}
