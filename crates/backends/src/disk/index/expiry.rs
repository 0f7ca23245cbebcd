//! Dedup rows leave when the window is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};
use halley_core::ports::dedup::DEDUP_WINDOW_MS;

use super::codec;

/// Drops dedup rows that are a window old, when a compaction comes across them.
pub(super) struct Expiry {
    /// The newest message time seen.
    newest_ms: Arc<AtomicU64>,
}

impl Expiry {
    pub(super) fn factory(newest_ms: Arc<AtomicU64>) -> Arc<dyn Factory> {
        Arc::new(Self { newest_ms })
    }
}

impl Factory for Expiry {
    fn name(&self) -> &str {
        "dedup-expiry"
    }

    fn make_filter(&self, _context: &Context) -> Box<dyn CompactionFilter> {
        let newest_ms = self.newest_ms.load(Ordering::Relaxed);
        Box::new(Expired { before_ms: newest_ms.saturating_sub(DEDUP_WINDOW_MS) })
    }
}

struct Expired {
    before_ms: u64,
}

impl CompactionFilter for Expired {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _context: &Context) -> CompactionFilterResult {
        if item.key().first() != Some(&codec::DEDUP_TAG) {
            return Ok(Verdict::Keep);
        }
        let known = codec::known_of(&item.value()?);
        let is_expired = known.is_ok_and(|known| known.time_ms < self.before_ms);
        Ok(if is_expired { Verdict::Remove } else { Verdict::Keep })
    }
}
