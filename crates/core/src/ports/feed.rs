//! The feed: the live, ordered end of the journal.

use std::task::{Context, Poll};

use crate::key::SyncKey;
use crate::record::Entry;
use crate::timeline::TimelineId;

/// Gives each gateway bucket its reader.
pub trait Feed: Send + Sync {
    /// A reader that begins at the durable end.
    fn subscribe(&self) -> Box<dyn FeedReader>;
}

/// What a reader is given.
#[derive(Clone, Debug)]
pub enum FeedEvent {
    /// The next records, ascending. They may include ones of timelines nobody attached to: the reader filters.
    Entries(Vec<Entry>),
    /// The feed's epoch changed or this reader fell behind what is kept: attachments are void, everything is behind;
    /// read, then attach again. The feed goes on above this key.
    Broken(SyncKey),
}

/// One bucket's place in the feed.
pub trait FeedReader: Send {
    /// Attaches to a timeline and answers the watermark W: every entry of it above W comes, in order and without
    /// a gap, until [`FeedEvent::Broken`]. What is at or below W must be read from the timelines.
    fn attach(&mut self, timeline: TimelineId) -> SyncKey;

    /// Its entries need not come any more.
    fn detach(&mut self, timeline: TimelineId);

    /// Everything at or below this key has been given (or was before the reader began).
    fn position(&self) -> SyncKey;

    /// Ready with up to `max` records, or with what broke.
    fn poll_next(&mut self, max: usize, context: &mut Context<'_>) -> Poll<FeedEvent>;
}
