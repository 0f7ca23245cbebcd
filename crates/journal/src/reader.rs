//! The reading end: single records by position, and the committed end.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Damage, DamageKind, ReadError};
use crate::files::{File, read_full};
use crate::find::{Find, Place};
use crate::format::{HeaderRead, Hole, RECORD_HEADER_BYTES, SegmentHeader, parse_record, record_crc, u32_at};
use crate::ids::{LogSeq, Position};
use crate::open_files::{OpenFiles, OpenSegment};
use crate::scan::Scan;
use crate::scrub::Scrubber;
use crate::shared::{Counters, Shared, count, locked};

/// Reads what is committed. Cheap to clone; any number of threads read while the writer writes.
#[derive(Clone)]
pub struct LogReader {
    pub(crate) shared: Arc<Shared>,
    open: Arc<Mutex<OpenFiles>>,
}

/// A started segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentInfo {
    /// Its number.
    pub segment: u32,
    /// The sequence it begins with.
    pub first_seq: LogSeq,
}

/// The first read of a record takes this much: most are shorter.
const GUESS_BYTES: usize = 512;

impl LogReader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, open: Arc::default() }
    }

    /// The end of what is committed: durable when every commit is [`crate::Durability::Synced`].
    #[must_use]
    pub fn committed_end(&self) -> Position {
        self.shared.end().position
    }

    /// The sequence that the next record will get.
    #[must_use]
    pub fn next_seq(&self) -> LogSeq {
        self.shared.end().next_seq
    }

    /// What the log has done since it was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Whether a write or sync has failed: nothing more is acknowledged.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }

    /// The started segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments
            .iter()
            .map(|(segment, first_seq)| SegmentInfo { segment: *segment, first_seq: *first_seq })
            .collect()
    }

    /// Where to begin a scan that must show the record `seq`: the start of its segment.
    #[must_use]
    pub fn segment_of(&self, seq: LogSeq) -> Option<Position> {
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        let (segment, _) = segments.iter().rev().find(|(_, first_seq)| **first_seq <= seq)?;
        (seq < self.next_seq()).then_some(Position::new(*segment, 0))
    }

    /// The payload of the record `seq` at `position`, checked. When the segment was rewritten since the position was
    /// kept, the record is found by its sequence; when it was taken out, that is the answer.
    pub fn read(&self, position: Position, seq: LogSeq) -> Result<Vec<u8>, ReadError> {
        let end = self.committed_end();
        if position.plus(RECORD_HEADER_BYTES) > end {
            return Err(ReadError::NotCommitted { position });
        }
        let segment = position.segment();
        let io = |source| ReadError::Io { segment, source };
        let open = self.open_segment(segment)?;
        if open.has_moved {
            return self.find(&open, position, seq);
        }
        let file = open.file;
        let offset = u64::from(position.offset());
        let mut guess = [0; GUESS_BYTES];
        let held = read_full(file.as_ref(), &mut guess, offset).map_err(io)?;
        let framed_bytes = framed_bytes(&guess[..held]);
        let longer;
        let bytes = if framed_bytes <= held as u64 {
            &guess[..held]
        } else if offset + framed_bytes > file.size().map_err(io)? {
            return Err(self.damaged(position, DamageKind::Record));
        } else {
            let mut buffer = vec![0; framed_bytes as usize];
            buffer[..held].copy_from_slice(&guess[..held]);
            let more = read_full(file.as_ref(), &mut buffer[held..], offset + held as u64).map_err(io)?;
            buffer.truncate(held + more);
            longer = buffer;
            &longer
        };
        match parse_record(bytes) {
            Some(record) if record.crc == record_crc(seq, record.payload) => Ok(record.payload.to_vec()),
            _ => Err(self.damaged(position, DamageKind::Record)),
        }
    }

    /// Everything from `from` on, in order, up to the committed end at each call; [`Position::ZERO`] is the oldest
    /// record there is. In a segment that was rewritten it begins with the first record that is left: more than asked,
    /// never fewer. A scan in a segment that is rewritten or removed meanwhile finishes it as it was.
    #[must_use]
    pub fn scan(&self, from: Position) -> Scan {
        Scan::new(self.clone(), from)
    }

    /// A check of everything committed so far, in steps.
    #[must_use]
    pub fn scrub(&self) -> Scrubber {
        Scrubber::new(self.clone())
    }

    pub(crate) fn damaged(&self, position: Position, kind: DamageKind) -> ReadError {
        count(&self.shared.counts.damaged_reads, 1);
        ReadError::Damaged(Damage { position, kind })
    }

    /// The record in a segment that was rewritten.
    fn find(&self, open: &OpenSegment, position: Position, seq: LogSeq) -> Result<Vec<u8>, ReadError> {
        let segment = position.segment();
        let io = |source| ReadError::Io { segment, source };
        let (file, log_id) = (open.file.as_ref(), self.shared.log_id);
        let place = Place { file, number: segment, log_id, header_bytes: open.header_bytes };
        let missing_at = match place.find(seq).map_err(io)? {
            Find::Record(payload) => return Ok(payload),
            Find::Damaged(position) => return Err(self.damaged(position, DamageKind::Record)),
            Find::Missing(position) => position,
        };
        match SegmentHeader::read(file).map_err(io)? {
            HeaderRead::Valid(header) if has_hole_at(&header.holes, seq) => Err(ReadError::Dropped { seq }),
            HeaderRead::Valid(_) => Err(self.damaged(missing_at, DamageKind::Gone)),
            _ => Err(self.damaged(Position::new(segment, 0), DamageKind::SegmentHeader)),
        }
    }

    /// The file of a segment, as it is now.
    pub(crate) fn file(&self, segment: u32) -> Result<Arc<dyn File>, ReadError> {
        self.open_segment(segment).map(|open| open.file)
    }

    fn open_segment(&self, segment: u32) -> Result<OpenSegment, ReadError> {
        // Held over the opening: what is forgotten in the meantime is not kept afterwards.
        let mut open = locked(&self.open);
        if let Some(file) = open.get(segment) {
            return Ok(file);
        }
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        if !segments.contains_key(&segment) {
            return Err(ReadError::NoSegment { segment });
        }
        drop(segments);
        let opened = OpenSegment::open(self.shared.files.as_ref(), segment);
        let opened = opened.map_err(|source| ReadError::Io { segment, source })?;
        open.keep(segment, opened.clone(), self.shared.config.reader_files_max);
        Ok(opened)
    }

    /// The segment is no part of the log from here on; who has its file open may finish. Says where it began.
    pub(crate) fn forget(&self, segment: u32) -> Option<LogSeq> {
        let mut open = locked(&self.open);
        open.forget(segment);
        self.shared.forget_segment(segment)
    }

    /// Another file has the name of the segment from here on; who has the old one open may finish.
    pub(crate) fn forget_file(&self, segment: u32) {
        locked(&self.open).forget(segment);
    }
}

fn has_hole_at(holes: &[Hole], seq: LogSeq) -> bool {
    let begun = holes.partition_point(|hole| hole.first <= seq);
    holes[..begun].last().is_some_and(|hole| seq < hole.end())
}

/// Bytes that the record at the start of `bytes` says it takes.
fn framed_bytes(bytes: &[u8]) -> u64 {
    let header_bytes = u64::from(RECORD_HEADER_BYTES);
    if (bytes.len() as u64) < header_bytes {
        return header_bytes;
    }
    header_bytes + u64::from(u32_at(bytes, 0))
}

impl std::fmt::Debug for LogReader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("LogReader").field("end", &self.shared.end()).finish_non_exhaustive()
    }
}

const _: () = {
    const fn is_shared_by_threads<T: Clone + Send + Sync>() {}
    is_shared_by_threads::<LogReader>();
};
