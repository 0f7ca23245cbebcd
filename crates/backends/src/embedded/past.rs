//! The log by time: which of its records are older than a moment.
//!
//! Searched for in the log itself, by the first record of each segment and then by a walk through one segment: nothing
//! has to be kept for it that could be lost or be wrong, and it works for logs that were written before anybody asked.
//! A walk goes on where the last one for about the same moment ended, so a minute of waiting costs a minute of messages.

use std::collections::VecDeque;

use bytes::Bytes;
use halley_core::ids::LogSeq;
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::retention::Past;
use halley_core::record::Record;
use halley_journal::{LogReader, Position, ReadError};
use parking_lot::Mutex;

/// See the module.
pub(super) struct LogPast {
    log: LogReader,
    /// Where the last walks ended: one for each age that apps have.
    walks: Mutex<VecDeque<Walk>>,
}

/// A walk through one segment.
#[derive(Clone, Copy)]
struct Walk {
    /// It was for this moment.
    before_ms: u64,
    segment: u32,
    /// Where it goes on.
    at: Position,
    /// The newest record that it found to be old enough.
    found: SyncKey,
}

const WALKS_KEPT: usize = 16;

impl LogPast {
    pub(super) fn new(log: LogReader) -> Self {
        Self { log, walks: Mutex::default() }
    }

    /// Key and time of the record.
    fn parse(record: &halley_journal::Record<'_>) -> Result<(SyncKey, u64), PortError> {
        let damaged = |why: String| PortError::Damaged { what: "journal", why };
        let decoded = Record::decode(&Bytes::copy_from_slice(record.payload));
        let (epoch, decoded) = decoded.map_err(|error| damaged(error.to_string()))?;
        let seq = LogSeq(record.seq.get());
        let key = SyncKey::new(epoch, seq.0).ok_or_else(|| damaged(format!("record {seq} has no key")))?;
        Ok((key, decoded.message.time_ms))
    }

    /// The time of the first record in the segment or behind it.
    fn first_time(&self, segment: u32) -> Result<Option<u64>, PortError> {
        let mut scan = self.log.scan(Position::new(segment, 0));
        let first = scan.next_record().map_err(|error| unreadable(&error))?;
        first.map(|record| Self::parse(&record).map(|(_, time_ms)| time_ms)).transpose()
    }

    /// The newest segment that begins with a record that is old enough.
    fn segment(&self, before_ms: u64) -> Result<Option<u32>, PortError> {
        let segments = self.log.segments();
        let (mut low, mut high) = (0, segments.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.first_time(segments[middle].segment) {
                Ok(time_ms) if time_ms.is_some_and(|time_ms| time_ms < before_ms) => low = middle + 1,
                Ok(_) => high = middle,
                Err(error) => return Err(error),
            }
        }
        Ok(low.checked_sub(1).map(|at| segments[at].segment))
    }

    /// The last walk that went through this segment and not too far.
    fn begun(&self, segment: u32, before_ms: u64) -> Walk {
        let walks = self.walks.lock();
        let usable = walks.iter().filter(|walk| walk.segment == segment && walk.before_ms <= before_ms);
        let furthest = usable.max_by_key(|walk| walk.before_ms).copied();
        let start = Position::new(segment, 0);
        furthest.unwrap_or(Walk { before_ms, segment, at: start, found: SyncKey::START })
    }

    fn keep(&self, walk: Walk) {
        let mut walks = self.walks.lock();
        walks.push_back(walk);
        if walks.len() > WALKS_KEPT {
            walks.pop_front();
        }
    }
}

impl Past for LogPast {
    fn newest_older_than(&self, before_ms: u64) -> Result<SyncKey, PortError> {
        let Some(segment) = self.segment(before_ms)? else {
            return Ok(SyncKey::START);
        };
        let mut walk = Walk { before_ms, ..self.begun(segment, before_ms) };
        let mut scan = self.log.scan(walk.at);
        // Times hardly ever go back; where they do, what follows an old record is held for younger than it is at most.
        while let Some(record) = scan.next_record().map_err(|error| unreadable(&error))? {
            if record.position.segment() != segment {
                break;
            }
            let batch = record.batch;
            let (key, time_ms) = Self::parse(&record)?;
            if time_ms >= before_ms {
                break;
            }
            walk.found = key;
            walk.at = batch;
        }
        self.keep(walk);
        Ok(walk.found)
    }
}

fn unreadable(error: &ReadError) -> PortError {
    let (what, why) = ("journal", crate::disk::chain(error));
    match error {
        ReadError::Io { .. } | ReadError::NoSegment { .. } => PortError::Unavailable { what, why },
        _ => PortError::Damaged { what, why },
    }
}
