//! The durable index under the timelines: what store fills and reads are served from below the tail.

use std::sync::Arc;

use crate::ids::{AppId, LogSeq, MsgId};
use crate::key::SyncKey;
use crate::ports::PortError;
use crate::ports::dedup::{DedupKey, Known};
use crate::ports::timelines::{Page, TimelineRange};
use crate::record::Entry;
use crate::reply::Reply;
use crate::tail::TailRecord;

/// How far the index goes: everything at or below is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Watermark {
    /// The record.
    pub seq: LogSeq,
    /// Its key.
    pub key: SyncKey,
    /// Its place in the log, opaque.
    pub position: u64,
}

/// A derived, deletable index of the journal. Batches are atomic: after a crash it holds a prefix of them.
pub trait TimelineIndex: Send + Sync {
    /// How far it goes.
    fn watermark(&self) -> Watermark;

    /// Adds records: contiguous, ascending, beginning right behind the watermark. May block on the disk; called
    /// off every hot path, by one thread.
    ///
    /// # Errors
    /// When the batch was not added, as a whole.
    fn apply(&self, batch: &[TailRecord]) -> Result<Watermark, PortError>;

    /// The journal has been quiet for a while: memory that waits to become tables may be written out now. May block
    /// on the disk; called by the thread that applies.
    ///
    /// # Errors
    /// When it could not be written; it stays in memory and readable.
    fn settle(&self) -> Result<(), PortError> {
        Ok(())
    }

    /// Reads a range below the watermark, bodies from the journal; `Page::complete_to` is at most the watermark. What was
    /// revoked by a record at or below the watermark is shown without its content ([`crate::event::RevokedBy::show`]).
    fn read(self: Arc<Self>, range: TimelineRange) -> Reply<Result<Page, PortError>>;

    /// The message with this id, if it is at or below the watermark; shown as [`TimelineIndex::read`] shows it.
    fn find_message(self: Arc<Self>, app: AppId, id: MsgId) -> Reply<Result<Option<Entry>, PortError>>;

    /// The newest message that had this dedup key, if it is at or below the watermark.
    fn find_dedup(&self, key: &DedupKey) -> Reply<Result<Option<Known>, PortError>>;

    /// A timeline's newest key at or below the watermark, START when it has no entry.
    ///
    /// # Errors
    /// When it cannot be read.
    fn newest(&self, timeline: crate::timeline::TimelineId) -> Result<SyncKey, PortError>;
}
