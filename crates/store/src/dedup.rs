//! Deduplication derived from the journal: the tail's newest keys, the index's older ones.

use std::sync::Arc;

use halley_core::ports::PortError;
use halley_core::ports::dedup::{DEDUP_WINDOW_MS, Dedup, DedupKey, Known};
use halley_core::ports::index::TimelineIndex;
use halley_core::reply::Reply;
use halley_core::tail::Tail;

/// [`Dedup`] of an embedded journal.
pub struct DerivedDedup {
    tail: Arc<Tail>,
    index: Arc<dyn TimelineIndex>,
}

impl DerivedDedup {
    /// Over this tail and index.
    #[must_use]
    pub fn new(tail: Arc<Tail>, index: Arc<dyn TimelineIndex>) -> Self {
        Self { tail, index }
    }
}

impl Dedup for DerivedDedup {
    fn find(&self, key: DedupKey, now_ms: u64) -> Reply<Result<Option<Known>, PortError>> {
        let recent = move |known: &Known| now_ms.saturating_sub(known.time_ms) < DEDUP_WINDOW_MS;
        if let Some(known) = self.tail.find_dedup(&key) {
            return Reply::Ready(Ok(Some(known).filter(recent)));
        }
        // The tail is asked first: what leaves it between the two questions is in the index by then.
        match self.index.find_dedup(&key) {
            Reply::Ready(found) => Reply::Ready(found.map(|known| known.filter(recent))),
            later => Reply::later(async move { Ok(later.await?.filter(recent)) }),
        }
    }
}
