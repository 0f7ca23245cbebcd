//! What retention asks of the journal and the index to find out where floors belong.

use crate::key::SyncKey;
use crate::ports::PortError;
use crate::timeline::TimelineId;

/// The journal by time.
pub trait Past: Send + Sync {
    /// The key of the newest record that is known to be older than this; START when there is none. It may lag behind the
    /// truth, it never leads. May block on the disk, for a bounded time.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn newest_older_than(&self, before_ms: u64) -> Result<SyncKey, PortError>;
}

/// The timelines that the index knows, and how many entries they have. May block on the disk.
pub trait Catalog: Send + Sync {
    /// Up to `max` timelines behind this one, in an order of the index's own; the first ones for `None`. Empty at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn timelines_behind(&self, behind: Option<TimelineId>, max: usize) -> Result<Vec<TimelineId>, PortError>;

    /// The key of the `nth` newest entry (1 is the newest) above `floor`; `None` when there are not so many.
    ///
    /// # Errors
    /// When they cannot be read.
    fn nth_newest(
        &self,
        timeline: TimelineId,
        floor: SyncKey,
        nth: u64,
    ) -> Result<Option<SyncKey>, PortError>;
}
