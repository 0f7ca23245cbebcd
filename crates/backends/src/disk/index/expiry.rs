//! Rows leave when a compaction comes across them: dedup rows when their window is over, rows of timelines when they lie
//! below a floor, rows of messages when they lie below their app's.

use std::panic::{AssertUnwindSafe, RefUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};
use halley_core::ids::GroupId;
use halley_core::key::SyncKey;
use halley_core::ports::dedup::DEDUP_WINDOW_MS;
use halley_core::ports::floors::Floors;
use halley_core::timeline::TimelineId;

use super::codec;

/// Drops dedup rows that are a window old.
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

/// Drops rows of timelines at or below their floors. No read asks for them any more, so it does not matter when.
pub(super) struct BelowFloors(AssertUnwindSafe<Arc<dyn Floors>>);

const _: fn() = || {
    fn is_unwind_safe<T: RefUnwindSafe>() {}
    is_unwind_safe::<BelowFloors>();
};

impl BelowFloors {
    pub(super) fn factory(floors: Arc<dyn Floors>) -> Arc<dyn Factory> {
        Arc::new(Self(AssertUnwindSafe(floors)))
    }
}

impl Factory for BelowFloors {
    fn name(&self) -> &str {
        "below-floors"
    }

    fn make_filter(&self, _context: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Below { floors: Arc::clone(&self.0), asked: None })
    }
}

struct Below {
    floors: Arc<dyn Floors>,
    /// Rows come timeline by timeline: the floor of the one that was asked for last.
    asked: Option<(TimelineId, SyncKey)>,
}

impl Below {
    fn floor(&mut self, timeline: TimelineId) -> SyncKey {
        match self.asked {
            Some((asked, floor)) if asked == timeline => floor,
            _ => {
                // Where it cannot be told, the row stays for another time.
                let floor = self.floors.floor(timeline).unwrap_or_default();
                self.asked = Some((timeline, floor));
                floor
            }
        }
    }
}

impl CompactionFilter for Below {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _context: &Context) -> CompactionFilterResult {
        let (key, floor) = if let Some(app) = codec::app_of_message(item.key()) {
            // Nobody has a feed with this number: its floor is that of its app.
            let floor = self.floor(TimelineId::Feed(app, GroupId(0)));
            if floor == SyncKey::START {
                return Ok(Verdict::Keep);
            }
            (codec::message_row_of(&item.value()?).map(|row| row.key), floor)
        } else {
            let row = codec::row_of_revoked(item.key()).unwrap_or(item.key());
            let Some(timeline) = codec::timeline_of_row(row) else { return Ok(Verdict::Keep) };
            (codec::key_of_row(row), self.floor(timeline))
        };
        let is_below = key.is_ok_and(|key| key <= floor);
        Ok(if is_below { Verdict::Remove } else { Verdict::Keep })
    }
}
