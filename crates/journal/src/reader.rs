//! The reading end: single records by position, and the committed end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Damage, DamageKind, ReadError};
use crate::files::{File, read_full};
use crate::format::{RECORD_HEADER_BYTES, parse_record, record_crc, u32_at};
use crate::ids::{LogSeq, Position};
use crate::scan::Scan;
use crate::scrub::Scrubber;
use crate::segments::name_of;
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

    /// The payload of the record `seq` at `position`, checked.
    pub fn read(&self, position: Position, seq: LogSeq) -> Result<Vec<u8>, ReadError> {
        let end = self.committed_end();
        if position.plus(RECORD_HEADER_BYTES) > end {
            return Err(ReadError::NotCommitted { position });
        }
        let segment = position.segment();
        let io = |source| ReadError::Io { segment, source };
        let file = self.file(segment)?;
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

    /// Everything from `from` on, in order, up to the committed end at each call.
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

    /// The number of the oldest segment.
    pub(crate) fn oldest(&self) -> u32 {
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.keys().next().copied().unwrap_or(1)
    }

    pub(crate) fn file(&self, segment: u32) -> Result<Arc<dyn File>, ReadError> {
        let mut open = locked(&self.open);
        if let Some(file) = open.get(segment) {
            return Ok(file);
        }
        let segments = self.shared.segments.read().unwrap_or_else(PoisonError::into_inner);
        if !segments.contains_key(&segment) {
            return Err(ReadError::NoSegment { segment });
        }
        drop(segments);
        let opened = self.shared.files.open(&name_of(segment));
        let file = opened.map_err(|source| ReadError::Io { segment, source })?;
        open.keep(segment, Arc::clone(&file), self.shared.config.reader_files_max);
        Ok(file)
    }
}

/// Bytes that the record at the start of `bytes` says it takes.
fn framed_bytes(bytes: &[u8]) -> u64 {
    let header_bytes = u64::from(RECORD_HEADER_BYTES);
    if (bytes.len() as u64) < header_bytes {
        return header_bytes;
    }
    header_bytes + u64::from(u32_at(bytes, 0))
}

/// Open segment files, the one used longest ago leaves first.
#[derive(Default)]
struct OpenFiles {
    files: HashMap<u32, (Arc<dyn File>, u64)>,
    uses: u64,
}

impl OpenFiles {
    fn get(&mut self, segment: u32) -> Option<Arc<dyn File>> {
        self.uses += 1;
        let (file, used) = self.files.get_mut(&segment)?;
        *used = self.uses;
        Some(Arc::clone(file))
    }

    fn keep(&mut self, segment: u32, file: Arc<dyn File>, files_max: usize) {
        while self.files.len() >= files_max {
            let Some(oldest) =
                self.files.iter().min_by_key(|(_, (_, used))| *used).map(|(number, _)| *number)
            else {
                break;
            };
            self.files.remove(&oldest);
        }
        self.files.insert(segment, (file, self.uses));
    }
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
