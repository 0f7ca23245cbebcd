//! What an open finds, without changing anything: where the log ends, what is torn, whether it is damaged.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cursor::{SegmentCursor, Step};
use crate::error::{Damage, DamageKind, OpenError, VisitError};
use crate::files::{File, Files};
use crate::format::{BatchHeader, FORMAT_VERSION, Flags, HeaderRead, SegmentHeader};
use crate::ids::{LogSeq, Position};
use crate::marks;
use crate::scan::Record;
use crate::segments::{SegmentFile, name_of};

/// A visitor of records.
pub(crate) type Visit<'a> = dyn FnMut(Record<'_>) -> Result<(), VisitError> + 'a;

/// A log that may be opened.
pub(crate) struct Survey {
    pub(crate) segments: Vec<SegmentFile>,
    /// Index in `segments` of the one that holds the end.
    pub(crate) tail: usize,
    /// Where the valid log ends. At offset 0 the first segment was never started.
    pub(crate) stop: Position,
    pub(crate) next_seq: LogSeq,
    pub(crate) log_id: Option<u64>,
    /// The highest position known to have been durable.
    pub(crate) durable: Position,
    /// The oldest segment that must exist.
    pub(crate) floor_segment: u32,
    /// Of the last batch.
    pub(crate) last_flags: Flags,
    /// Offset of the last byte behind the end, in its segment, that is not zero.
    pub(crate) last_used: Option<u64>,
    /// The same for each segment after it.
    pub(crate) later_used: Vec<Option<u64>>,
    pub(crate) visited: u64,
}

/// Where the walk came to its end, and why.
struct Stop {
    position: Position,
    kind: DamageKind,
    /// Something must be there whatever the marks say: the segment before is sealed.
    is_damage: bool,
}

/// Looks at the log from `from` on. The segments before it are only looked at by their headers.
pub(crate) fn survey(
    files: &dyn Files,
    segments: Vec<SegmentFile>,
    from: Option<Position>,
    first_seq: LogSeq,
    visit: &mut Visit<'_>,
) -> Result<Survey, OpenError> {
    check_versions(&segments)?;
    check_numbers(&segments)?;
    let from = from.unwrap_or(Position::ZERO);
    let start = start_index(&segments, from)?;
    let log_id = segments.iter().find_map(SegmentFile::own_header).map(|header| header.log_id);
    let mut survey = Survey {
        segments,
        tail: start,
        stop: Position::ZERO,
        next_seq: first_seq,
        log_id,
        durable: Position::ZERO,
        floor_segment: 0,
        last_flags: Flags::NONE,
        last_used: None,
        later_used: Vec::new(),
        visited: 0,
    };
    survey.check_headers_before(start)?;
    let stop = survey.walk(files, start, from, visit)?;
    survey.stop = stop.position;
    survey.scan_on(files)?;
    survey.judge(&stop, from)?;
    Ok(survey)
}

fn check_versions(segments: &[SegmentFile]) -> Result<(), OpenError> {
    for segment in segments {
        if let HeaderRead::Newer(found) = segment.header {
            return Err(OpenError::NewerFormat { segment: segment.number, found, supported: FORMAT_VERSION });
        }
    }
    Ok(())
}

fn check_numbers(segments: &[SegmentFile]) -> Result<(), OpenError> {
    for pair in segments.windows(2) {
        if pair[1].number - pair[0].number != 1 {
            return Err(OpenError::MissingSegment { segment: pair[0].number + 1 });
        }
    }
    Ok(())
}

/// The segment to begin with. Beyond the last one the walk ends below `from`, which is then reported.
fn start_index(segments: &[SegmentFile], from: Position) -> Result<usize, OpenError> {
    let oldest = segments.first().map_or(1, |segment| segment.number);
    if from == Position::ZERO {
        return Ok(0);
    }
    if from.segment() < oldest {
        return Err(OpenError::Removed { from, oldest });
    }
    let index = (from.segment() - oldest) as usize;
    let last_started = segments.iter().rposition(|segment| segment.own_header().is_some()).unwrap_or(0);
    Ok(index.min(last_started))
}

impl Survey {
    fn damaged(&self, position: Position, kind: DamageKind) -> OpenError {
        let durable = self.durable.max(position);
        OpenError::Damaged { damage: Damage { position, kind }, durable }
    }

    /// What is wrong with the header of a segment, if anything.
    fn header_fault(&self, index: usize) -> Option<DamageKind> {
        match &self.segments[index].header {
            HeaderRead::Valid(header) => {
                let is_ours =
                    header.number == self.segments[index].number && Some(header.log_id) == self.log_id;
                (!is_ours).then_some(DamageKind::ForeignSegment)
            }
            _ => Some(DamageKind::SegmentHeader),
        }
    }

    /// Sealed segments that are not walked must at least have their headers, in order.
    fn check_headers_before(&mut self, start: usize) -> Result<(), OpenError> {
        let mut least = LogSeq::ZERO;
        for index in 0..start {
            let place = Position::new(self.segments[index].number, 0);
            if let Some(kind) = self.header_fault(index) {
                return Err(self.damaged(place, kind));
            }
            let first_seq = self.segments[index].own_header().map_or(least, |header| header.first_seq);
            if first_seq < least {
                return Err(self.damaged(place, DamageKind::SegmentSequence));
            }
            least = first_seq;
        }
        Ok(())
    }

    fn walk(
        &mut self,
        files: &dyn Files,
        start: usize,
        from: Position,
        visit: &mut Visit<'_>,
    ) -> Result<Stop, OpenError> {
        for index in start..self.segments.len() {
            self.tail = index;
            let number = self.segments[index].number;
            if let Some(kind) = self.header_fault(index) {
                let is_damage = index > 0 || number > 1 || kind == DamageKind::ForeignSegment;
                return Ok(Stop { position: Position::new(number, 0), kind, is_damage });
            }
            let follows_seal = index > start;
            let name = name_of(number);
            let file = files.open(&name).map_err(OpenError::io("open segment", &name))?;
            let read = SegmentHeader::read(file.as_ref()).map_err(OpenError::io("read segment", &name))?;
            let HeaderRead::Valid(header) = read else {
                let kind = DamageKind::SegmentHeader;
                return Ok(Stop { position: Position::new(number, 0), kind, is_damage: true });
            };
            if follows_seal && header.first_seq != self.next_seq {
                let kind = DamageKind::SegmentSequence;
                return Ok(Stop { position: Position::new(number, 0), kind, is_damage: true });
            }
            self.durable = self.durable.max(header.durable);
            let cursor = SegmentCursor::new(Arc::clone(&file), &header, self.segments[index].bytes);
            // Positions from before it was rewritten mean nothing in it: all of it is shown.
            let from =
                if from.segment() == number && cursor.has_moved() { Position::new(number, 0) } else { from };
            if let Some(stop) = self.walk_segment(file.as_ref(), cursor, from, visit)? {
                return Ok(stop);
            }
        }
        let last = self.segments.last().map_or(0, |segment| segment.number);
        Err(OpenError::MissingSegment { segment: last.saturating_add(1) })
    }

    /// Walks one segment; none when it is whole and sealed.
    fn walk_segment(
        &mut self,
        file: &dyn File,
        mut cursor: SegmentCursor,
        from: Position,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Stop>, OpenError> {
        let number = cursor.position().segment();
        let name = name_of(number);
        if from.segment() == number {
            cursor.try_seek(from.offset()).map_err(OpenError::io("read segment", &name))?;
        }
        loop {
            let step = cursor.step().map_err(OpenError::io("read segment", &name))?;
            let position = cursor.position();
            self.next_seq = cursor.next_seq();
            match step {
                Step::Batch(batch) => {
                    self.durable = self.durable.max(batch.durable);
                    self.floor_segment = self.floor_segment.max(batch.floor_segment);
                    self.last_flags = batch.flags;
                    self.visited += visit_batch(&cursor, &batch, from, visit)?;
                }
                Step::Sealed => {
                    let behind = marks::search(file, number, u64::from(position.offset()), self.log_id)
                        .map_err(OpenError::io("read segment", &name))?;
                    let kind = DamageKind::Garbage;
                    return Ok(behind.last_used.map(|_| Stop { position, kind, is_damage: true }));
                }
                Step::End => {
                    return Ok(Some(Stop { position, kind: DamageKind::Gone, is_damage: false }));
                }
                Step::Invalid(kind) => {
                    return Ok(Some(Stop { position, kind, is_damage: false }));
                }
            }
        }
    }

    /// Looks behind the end for anything that says that more was durable.
    fn scan_on(&mut self, files: &dyn Files) -> Result<(), OpenError> {
        let mut durable = self.durable;
        for index in self.tail..self.segments.len() {
            let segment = &self.segments[index];
            let from = if index == self.tail { u64::from(self.stop.offset()) } else { 0 };
            let name = name_of(segment.number);
            let file = files.open(&name).map_err(OpenError::io("open segment", &name))?;
            let found = marks::search(file.as_ref(), segment.number, from, self.log_id)
                .map_err(OpenError::io("read segment", &name))?;
            durable = durable.max(found.durable.unwrap_or(Position::ZERO));
            if index == self.tail {
                self.last_used = found.last_used;
                continue;
            }
            self.later_used.push(found.last_used);
            if let Some(header) = segment.own_header() {
                durable = durable.max(header.durable);
            }
        }
        self.durable = durable;
        Ok(())
    }

    fn judge(&self, stop: &Stop, from: Position) -> Result<(), OpenError> {
        if stop.is_damage || self.durable > stop.position {
            return Err(self.damaged(stop.position, stop.kind));
        }
        for index in self.tail + 1..self.segments.len() {
            if self.header_fault(index) == Some(DamageKind::ForeignSegment) {
                let place = Position::new(self.segments[index].number, 0);
                return Err(self.damaged(place, DamageKind::ForeignSegment));
            }
        }
        let oldest = self.segments.first().map_or(1, |segment| segment.number);
        if oldest > self.floor_segment && self.floor_segment > 0 {
            return Err(OpenError::MissingSegment { segment: self.floor_segment });
        }
        if from > stop.position {
            return Err(OpenError::Shorter { from, end: stop.position });
        }
        Ok(())
    }

    /// First sequence of every started segment.
    pub(crate) fn first_seqs(&self) -> BTreeMap<u32, LogSeq> {
        let started = self.segments[..=self.tail].iter();
        started.filter_map(|segment| Some((segment.number, segment.own_header()?.first_seq))).collect()
    }
}

/// Shows the records from `from` on; says how many.
fn visit_batch(
    cursor: &SegmentCursor,
    batch: &BatchHeader,
    from: Position,
    visit: &mut Visit<'_>,
) -> Result<u64, OpenError> {
    let mut visited = 0;
    for (seq, position, payload) in cursor.records(batch) {
        if position < from {
            continue;
        }
        let record = Record { seq, position, batch: batch.position, payload };
        visit(record).map_err(|source| OpenError::Visit { seq, position, source })?;
        visited += 1;
    }
    Ok(visited)
}
