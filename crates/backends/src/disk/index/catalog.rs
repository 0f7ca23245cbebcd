//! Which timelines the index knows, and how many entries they have: for retention.

use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::retention::Catalog;
use halley_core::ports::timelines::Direction;
use halley_core::timeline::TimelineId;

use super::codec;
use super::log_index::{LogIndex, Rows};
use super::run::Run;

/// Rows read at once while counting.
const COUNTED_AT_ONCE: u64 = 1_024;

impl<R: Rows> Catalog for LogIndex<R> {
    fn timelines_behind(&self, behind: Option<TimelineId>, max: usize) -> Result<Vec<TimelineId>, PortError> {
        let found = self.rows().timelines_behind(behind, max);
        Ok(found.inspect_err(|error| self.rows().suspect(error))?)
    }

    fn nth_newest(
        &self,
        timeline: TimelineId,
        floor: SyncKey,
        nth: u64,
    ) -> Result<Option<SyncKey>, PortError> {
        let mut high = self.reach().watermark.key.next();
        let mut left = nth.max(1);
        while left > 0 {
            let wanted = left.min(COUNTED_AT_ONCE);
            let count = usize::try_from(wanted).unwrap_or(usize::MAX);
            let rows = self.rows().scan(timeline, floor, high, Direction::Before, count);
            let rows = rows.inspect_err(|error| self.rows().suspect(error))?;
            let Some(last) = rows.last().filter(|_| rows.len() == count) else {
                return Ok(None);
            };
            high = last.key;
            left -= wanted;
        }
        Ok(Some(high))
    }
}

impl Run {
    /// Timelines here, behind this one in the order of the tables' rows.
    pub(super) fn timelines_behind(&self, behind: Option<TimelineId>, max: usize) -> Vec<TimelineId> {
        let behind = behind.map(codec::timeline_prefix);
        let mut found: Vec<_> = self
            .timelines
            .keys()
            .map(|timeline| (codec::timeline_prefix(*timeline), *timeline))
            .filter(|(prefix, _)| behind.is_none_or(|behind| *prefix > behind))
            .collect();
        found.sort_unstable_by_key(|(prefix, _)| *prefix);
        found.truncate(max);
        found.into_iter().map(|(_, timeline)| timeline).collect()
    }
}

/// Both, in the order of rows, each once.
pub(super) fn merged(mut timelines: Vec<TimelineId>, others: Vec<TimelineId>, max: usize) -> Vec<TimelineId> {
    timelines.extend(others);
    timelines.sort_unstable_by_key(|timeline| codec::timeline_prefix(*timeline));
    timelines.dedup();
    timelines.truncate(max);
    timelines
}
