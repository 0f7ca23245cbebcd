//! Everything in order: for an index that is rebuilt, and for a follower.

use std::sync::Arc;

use crate::cursor::{SegmentCursor, Step};
use crate::error::{DamageKind, ReadError};
use crate::files::File;
use crate::format::{BATCH_HEADER_BYTES, BatchHeader, HeaderRead, SegmentHeader, parse_record};
use crate::ids::{LogSeq, Position};
use crate::reader::LogReader;

/// A record, as it lies in the buffer of whoever reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Its sequence.
    pub seq: LogSeq,
    /// Its place; with the sequence it is all that [`LogReader::read`] needs.
    pub position: Position,
    /// Where its batch begins: opening or scanning from here is fastest.
    pub batch: Position,
    /// What was pushed.
    pub payload: &'a [u8],
}

/// Reads on in order. At the committed end it answers `None`, and goes on from there when it is asked again later.
pub struct Scan {
    reader: LogReader,
    from: Position,
    /// 0 is the oldest at the first call.
    segment: u32,
    cursor: Option<SegmentCursor>,
    batch: Option<BatchHeader>,
    /// Records of the batch already shown, and where the next begins in its body.
    shown: u32,
    body_at: usize,
}

impl Scan {
    pub(crate) fn new(reader: LogReader, from: Position) -> Self {
        let segment = from.segment();
        Self { reader, from, segment, cursor: None, batch: None, shown: 0, body_at: 0 }
    }

    /// The next record, or `None` at the committed end. After an error the scan stays where it is: nothing is served
    /// across damage.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        let (seq, position, batch, body_at) = loop {
            if let Some(found) = self.next_in_batch()
                && found.1 >= self.from
            {
                break found;
            }
            let is_batch_done = self.batch.is_none_or(|batch| self.shown >= batch.count);
            if is_batch_done && !self.advance()? {
                return Ok(None);
            }
        };
        let body = self.cursor.as_ref().map(SegmentCursor::body).unwrap_or_default();
        let record = body.get(body_at..).and_then(parse_record);
        Ok(record.map(|record| Record { seq, position, batch, payload: record.payload }))
    }

    fn next_in_batch(&mut self) -> Option<(LogSeq, Position, Position, usize)> {
        let batch = self.batch?;
        if self.shown >= batch.count {
            return None;
        }
        let record = parse_record(self.cursor.as_ref()?.body().get(self.body_at..)?)?;
        let at = self.body_at;
        let position = batch.position.plus(BATCH_HEADER_BYTES + at as u32);
        let seq = batch.first_seq.plus(u64::from(self.shown));
        self.shown += 1;
        self.body_at += record.framed_bytes();
        Some((seq, position, batch.position, at))
    }

    /// Moves to the next batch, through as many segments as needed.
    fn advance(&mut self) -> Result<bool, ReadError> {
        if self.segment == 0 {
            self.segment = self.reader.shared.oldest();
        }
        loop {
            let end = self.reader.committed_end();
            if self.segment > end.segment() {
                return Ok(false);
            }
            let segment = self.segment;
            let mut cursor = match self.cursor.take() {
                Some(cursor) => cursor,
                None => open_cursor(&self.reader, segment, self.from)?,
            };
            if cursor.has_moved() && self.from.segment() == segment {
                self.from = Position::new(segment, 0);
            }
            let is_last = segment == end.segment();
            if is_last {
                cursor.set_limit(u64::from(end.offset()));
            } else {
                // Of the file that it reads: its name may belong to a rewritten one by now.
                let size = cursor.file().size();
                cursor.set_limit(size.map_err(|source| ReadError::Io { segment, source })?);
            }
            let step = cursor.step().map_err(|source| ReadError::Io { segment, source })?;
            let position = cursor.position();
            if !matches!(step, Step::Sealed) {
                self.cursor = Some(cursor);
            }
            match step {
                Step::Batch(batch) => {
                    self.batch = Some(batch);
                    self.shown = 0;
                    self.body_at = 0;
                    return Ok(true);
                }
                Step::Sealed => self.segment += 1,
                Step::End if is_last && position == end => return Ok(false),
                Step::End => return Err(self.reader.damaged(position, DamageKind::Gone)),
                Step::Invalid(kind) => return Err(self.reader.damaged(position, kind)),
            }
        }
    }
}

/// A cursor in a started segment, at `from` when a batch begins there.
pub(crate) fn open_cursor(
    reader: &LogReader,
    segment: u32,
    from: Position,
) -> Result<SegmentCursor, ReadError> {
    let io = |source| ReadError::Io { segment, source };
    let (file, header) = read_header(reader, segment)?;
    let end = reader.committed_end();
    let limit = if end.segment() == segment { u64::from(end.offset()) } else { file.size().map_err(io)? };
    let mut cursor = SegmentCursor::new(file, &header, limit);
    if from.segment() == segment && !cursor.has_moved() {
        cursor.try_seek(from.offset()).map_err(io)?;
    }
    Ok(cursor)
}

/// The file of a started segment and its header, checked.
pub(crate) fn read_header(
    reader: &LogReader,
    segment: u32,
) -> Result<(Arc<dyn File>, SegmentHeader), ReadError> {
    let file = reader.file(segment)?;
    let start = Position::new(segment, 0);
    let read = SegmentHeader::read(file.as_ref()).map_err(|source| ReadError::Io { segment, source })?;
    let HeaderRead::Valid(header) = read else {
        return Err(reader.damaged(start, DamageKind::SegmentHeader));
    };
    if header.number != segment || header.log_id != reader.shared.log_id {
        return Err(reader.damaged(start, DamageKind::ForeignSegment));
    }
    Ok((file, header))
}
