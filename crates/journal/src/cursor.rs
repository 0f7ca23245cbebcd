//! Walks the batches of one segment in order and checks each of them wholly before it shows it.

use std::io;
use std::sync::Arc;

use crate::error::DamageKind;
use crate::files::{File, is_zero, read_full};
use crate::format::{BATCH_HEADER_BYTES, BatchHeader, Framed, Hole, SegmentHeader, parse_record, record_crc};
use crate::ids::{LogSeq, Position};

/// What stands at the place of the cursor.
#[derive(Debug)]
pub(crate) enum Step {
    /// A valid batch; the cursor has moved past it, [`SegmentCursor::body`] is its content.
    Batch(BatchHeader),
    /// Zeros, or less than a header up to the limit. The caller judges the rest.
    End,
    /// The segment is sealed; nothing follows.
    Sealed,
    /// Something else. The cursor stays.
    Invalid(DamageKind),
}

/// A reader of the batches of one segment.
pub(crate) struct SegmentCursor {
    window: Window,
    number: u32,
    log_id: u64,
    offset: u32,
    next_seq: LogSeq,
    holes: Vec<Hole>,
    sealed: bool,
    body_start: u64,
    body_bytes: usize,
}

impl SegmentCursor {
    /// Starts after the header.
    pub(crate) fn new(file: Arc<dyn File>, header: &SegmentHeader, limit: u64) -> Self {
        Self {
            window: Window::new(file, limit),
            number: header.number,
            log_id: header.log_id,
            offset: header.header_bytes(),
            next_seq: skip_holes(&header.holes, header.first_seq),
            holes: header.holes.clone(),
            sealed: false,
            body_start: 0,
            body_bytes: 0,
        }
    }

    /// Moves to `offset` if a batch of this segment begins there.
    pub(crate) fn try_seek(&mut self, offset: u32) -> io::Result<bool> {
        if offset < self.offset || !offset.is_multiple_of(crate::format::ALIGN_BYTES) {
            return Ok(false);
        }
        let bytes = self.window.get(u64::from(offset), BATCH_HEADER_BYTES as usize)?;
        let Some(header) = bytes.and_then(BatchHeader::decode) else {
            return Ok(false);
        };
        if header.log_id != self.log_id || header.position != Position::new(self.number, offset) {
            return Ok(false);
        }
        self.offset = offset;
        self.next_seq = header.first_seq;
        Ok(true)
    }

    /// The file it reads: the one that it was given, whatever has its name now.
    pub(crate) fn file(&self) -> &Arc<dyn File> {
        &self.window.file
    }

    /// Whether the segment was rewritten: positions from before mean nothing in it.
    pub(crate) fn has_moved(&self) -> bool {
        !self.holes.is_empty()
    }

    /// What may be read; it grows with the committed end.
    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.window.limit = limit;
    }

    /// The place of the next batch.
    pub(crate) const fn position(&self) -> Position {
        Position::new(self.number, self.offset)
    }

    /// The sequence that the next record must have.
    pub(crate) const fn next_seq(&self) -> LogSeq {
        self.next_seq
    }

    /// The records of the batch shown last, with their sequence and position.
    pub(crate) fn records(&self, header: &BatchHeader) -> impl Iterator<Item = (LogSeq, Position, &[u8])> {
        let mut at = 0;
        let start = header.position.plus(BATCH_HEADER_BYTES);
        (0..u64::from(header.count)).map_while(move |index| {
            let record = parse_record(&self.body()[at..])?;
            let position = start.plus(at as u32);
            at += record.framed_bytes();
            Some((header.first_seq.plus(index), position, record.payload))
        })
    }

    /// The bytes after the header of the batch shown last.
    pub(crate) fn body(&self) -> &[u8] {
        self.window.held(self.body_start, self.body_bytes)
    }

    /// Checks what stands here and moves past it if it is a valid batch.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        if self.sealed {
            return Ok(Step::Sealed);
        }
        let offset = u64::from(self.offset);
        let Some(head) = self.window.get(offset, BATCH_HEADER_BYTES as usize)? else {
            return Ok(Step::End);
        };
        let Some(header) = BatchHeader::decode(head) else {
            return Ok(if is_zero(head) { Step::End } else { Step::Invalid(DamageKind::BatchHeader) });
        };
        if header.log_id != self.log_id || header.position != self.position() {
            return Ok(Step::Invalid(DamageKind::ForeignBatch));
        }
        let end_seq = header.first_seq.plus(u64::from(header.count));
        if header.first_seq != self.next_seq || has_hole(&self.holes, header.first_seq, end_seq) {
            return Ok(Step::Invalid(DamageKind::BatchSequence));
        }
        let body_start = offset + u64::from(BATCH_HEADER_BYTES);
        let Some(body) = self.window.get(body_start, header.body_bytes as usize)? else {
            return Ok(Step::Invalid(DamageKind::Truncated));
        };
        if !is_body_valid(&header, body) {
            return Ok(Step::Invalid(DamageKind::Record));
        }
        self.body_start = body_start;
        self.body_bytes = header.body_bytes as usize;
        self.offset = self.offset.saturating_add(BATCH_HEADER_BYTES + header.body_bytes);
        self.next_seq = skip_holes(&self.holes, end_seq);
        self.sealed = header.flags.is_seal();
        Ok(Step::Batch(header))
    }

    /// Goes on at a batch found behind damage.
    pub(crate) fn resume_at(&mut self, header: &BatchHeader) {
        self.offset = header.position.offset();
        self.next_seq = header.first_seq;
    }
}

/// The first sequence from `seq` on that is not in a hole. The holes ascend.
fn skip_holes(holes: &[Hole], mut seq: LogSeq) -> LogSeq {
    let begun = holes.partition_point(|hole| hole.first <= seq);
    for hole in &holes[begun.saturating_sub(1)..] {
        let end = hole.first.plus(hole.count);
        if seq < hole.first {
            break;
        }
        seq = seq.max(end);
    }
    seq
}

/// Whether a hole begins within these sequences.
fn has_hole(holes: &[Hole], from: LogSeq, to: LogSeq) -> bool {
    holes.get(holes.partition_point(|hole| hole.first < from)).is_some_and(|hole| hole.first < to)
}

fn is_body_valid(header: &BatchHeader, body: &[u8]) -> bool {
    let mut at = 0;
    let mut records_crc = 0;
    for index in 0..u64::from(header.count) {
        let Some(record) = body.get(at..).and_then(parse_record) else {
            return false;
        };
        let Framed { crc, payload } = record;
        if crc != record_crc(header.first_seq.plus(index), payload) {
            return false;
        }
        records_crc = crc32c::crc32c_append(records_crc, &crc.to_le_bytes());
        at += record.framed_bytes();
    }
    records_crc == header.records_crc && is_zero(&body[at..])
}

/// A stretch of a file held in memory, read ahead.
struct Window {
    file: Arc<dyn File>,
    limit: u64,
    start: u64,
    held_bytes: usize,
    buffer: Vec<u8>,
}

const READ_AHEAD_BYTES: usize = 512 << 10;

impl Window {
    fn new(file: Arc<dyn File>, limit: u64) -> Self {
        Self { file, limit, start: 0, held_bytes: 0, buffer: Vec::new() }
    }

    /// The bytes at `offset`; none when they are not wholly below the limit and in the file.
    fn get(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        if offset + count as u64 > self.limit {
            return Ok(None);
        }
        let held_end = self.start + self.held_bytes as u64;
        if offset < self.start || offset > held_end {
            self.start = offset;
            self.held_bytes = 0;
        }
        if offset + count as u64 > self.start + self.held_bytes as u64 {
            self.fill(offset, count)?;
        }
        let at = (offset - self.start) as usize;
        Ok((at + count <= self.held_bytes).then(|| &self.buffer[at..at + count]))
    }

    /// Drops what lies before `offset` and reads on behind what is held.
    fn fill(&mut self, offset: u64, count: usize) -> io::Result<()> {
        let dropped = (offset - self.start) as usize;
        self.buffer.copy_within(dropped..self.held_bytes, 0);
        self.held_bytes -= dropped;
        self.start = offset;
        let wanted = (count.max(READ_AHEAD_BYTES) as u64).min(self.limit - offset) as usize;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let held = self.held_bytes;
        if wanted > held {
            let read_from = offset + held as u64;
            self.held_bytes += read_full(self.file.as_ref(), &mut self.buffer[held..wanted], read_from)?;
        }
        Ok(())
    }

    fn held(&self, offset: u64, count: usize) -> &[u8] {
        let at = offset.saturating_sub(self.start) as usize;
        self.buffer[..self.held_bytes].get(at..at + count).unwrap_or_default()
    }
}
