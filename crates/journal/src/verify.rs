//! The whole check, for `halley verify`: every segment, every batch, every record. It changes nothing and goes on past
//! damage, so that one run lists it all.

use std::sync::Arc;

use crate::cursor::{SegmentCursor, Step};
use crate::error::{Damage, DamageKind, VerifyError};
use crate::files::{File, Files};
use crate::format::{FORMAT_VERSION, Flags, HeaderRead, SegmentHeader};
use crate::ids::{LogSeq, Position};
use crate::log::Torn;
use crate::marks;
use crate::segments::{self, SegmentFile, name_of};

/// What a verification found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Identity of the log; none when no segment was started.
    pub log_id: Option<u64>,
    /// Every segment file, oldest first.
    pub segments: Vec<SegmentReport>,
    /// What was durable and is not whole any more.
    pub damage: Vec<Damage>,
    /// Segments that must exist and do not.
    pub missing: Vec<u32>,
    /// What the next open will cut; no damage.
    pub torn: Option<Torn>,
    /// The highest position known to have been durable.
    pub durable: Position,
    /// Where the records end.
    pub end: Position,
    /// The sequence that the next record gets.
    pub next_seq: LogSeq,
    /// The last run ended cleanly.
    pub is_clean: bool,
}

impl Report {
    /// Nothing durable is damaged or missing.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.missing.is_empty()
    }
}

/// One segment file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SegmentReport {
    /// Its number.
    pub segment: u32,
    /// Its length.
    pub bytes: u64,
    /// It holds only zeros: prepared, never started.
    pub is_blank: bool,
    /// Nothing more is written to it.
    pub is_sealed: bool,
    /// Whole batches, markers included.
    pub batches: u64,
    /// Whole records.
    pub records: u64,
    /// The sequence it begins with.
    pub first_seq: LogSeq,
    /// The sequence after its last record.
    pub next_seq: LogSeq,
    /// Runs of records that were taken out of it on purpose.
    pub holes: u64,
    /// Sequences in them.
    pub dropped: u64,
}

/// Checks everything. `progress` gets the bytes done and the bytes there are, after each segment.
pub fn verify(files: &dyn Files, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, VerifyError> {
    let segments =
        segments::list(files).map_err(|error| VerifyError::io(error.doing, &error.name)(error.source))?;
    let bytes_total = segments.iter().map(|segment| segment.bytes).sum();
    let mut bytes_done = 0;
    let log_id = segments.iter().find_map(SegmentFile::own_header).map(|header| header.log_id);
    let mut check = Check { report: Report { log_id, ..Report::default() }, ..Check::default() };
    for segment in &segments {
        check.segment(files, segment)?;
        bytes_done += segment.bytes;
        progress(bytes_done, bytes_total);
    }
    Ok(check.finish())
}

#[derive(Default)]
struct Check {
    report: Report,
    /// What is not valid; damage or a torn tail, depending on the highest mark.
    suspects: Vec<Damage>,
    /// Bytes behind the end that are not zero.
    trailing_bytes: u64,
    floor_segment: u32,
    last_flags: Flags,
    /// Where the segment before ended; none before the first one and after one that could not be followed.
    before: Option<Before>,
}

#[derive(Clone, Copy)]
struct Before {
    number: u32,
    end: Position,
    next_seq: LogSeq,
    is_sealed: bool,
}

impl Check {
    fn segment(&mut self, files: &dyn Files, segment: &SegmentFile) -> Result<(), VerifyError> {
        let name = name_of(segment.number);
        let io = || VerifyError::io("read segment", &name);
        if let HeaderRead::Newer(found) = segment.header {
            return Err(VerifyError::NewerFormat {
                segment: segment.number,
                found,
                supported: FORMAT_VERSION,
            });
        }
        if let Some(before) = self.before {
            self.report.missing.extend(before.number + 1..segment.number);
        }
        let mut of =
            SegmentReport { segment: segment.number, bytes: segment.bytes, ..SegmentReport::default() };
        let file = files.open(&name).map_err(VerifyError::io("open segment", &name))?;
        let read = SegmentHeader::read(file.as_ref()).map_err(io())?;
        let segment = &SegmentFile { number: segment.number, bytes: segment.bytes, header: read };
        let found = marks::search(file.as_ref(), segment.number, 0, self.report.log_id).map_err(io())?;
        let follows_seal = self.before.is_some_and(|before| before.is_sealed);
        if found.last_used.is_none() && !follows_seal {
            of.is_blank = true;
            self.before = self.before.map(|before| Before { number: segment.number, ..before });
            self.report.segments.push(of);
            return Ok(());
        }
        let start = Position::new(segment.number, 0);
        let header = self.header(segment, found.first.map(|batch| batch.first_seq));
        let Some(header) = header else {
            // Nothing in it can be followed. Behind a seal, or behind the first segment, something was there.
            self.suspect(start, DamageKind::SegmentHeader);
            if follows_seal {
                self.report.durable = self.report.durable.max(start.plus(1));
            }
            self.trailing_bytes += found.last_used.map_or(0, |last| last + 1);
            self.before =
                Some(Before { number: segment.number, end: start, next_seq: LogSeq::ZERO, is_sealed: false });
            self.report.segments.push(of);
            return Ok(());
        };
        self.join(&header);
        of.first_seq = header.first_seq;
        of.holes = header.holes.len() as u64;
        of.dropped = header.holes.iter().map(|hole| hole.count).sum();
        let cursor = SegmentCursor::new(Arc::clone(&file), &header, segment.bytes);
        self.batches(file.as_ref(), cursor, &mut of)?;
        self.report.segments.push(of);
        Ok(())
    }

    fn suspect(&mut self, position: Position, kind: DamageKind) {
        self.suspects.push(Damage { position, kind });
    }

    /// The header of the segment, or what stands in for it when batches prove that there was one.
    fn header(&mut self, segment: &SegmentFile, first_seq: Option<LogSeq>) -> Option<SegmentHeader> {
        let start = Position::new(segment.number, 0);
        match &segment.header {
            HeaderRead::Valid(header)
                if header.number == segment.number && Some(header.log_id) == self.report.log_id =>
            {
                self.report.durable = self.report.durable.max(header.durable);
                return Some(header.clone());
            }
            HeaderRead::Valid(_) => {
                // Never torn: a crash does not write a whole header of something else.
                self.report.damage.push(Damage { position: start, kind: DamageKind::ForeignSegment });
            }
            _ => {}
        }
        let (log_id, first_seq) = (self.report.log_id?, first_seq?);
        if !matches!(segment.header, HeaderRead::Valid(_)) {
            self.suspect(start, DamageKind::SegmentHeader);
        }
        Some(SegmentHeader {
            log_id,
            number: segment.number,
            first_seq,
            durable: Position::ZERO,
            holes: Vec::new(),
        })
    }

    /// Whether the segment begins where the one before ended.
    fn join(&mut self, header: &SegmentHeader) {
        let Some(before) = self.before else { return };
        let is_next = before.number + 1 == header.number;
        if is_next && before.is_sealed && before.next_seq != header.first_seq {
            self.suspect(Position::new(header.number, 0), DamageKind::SegmentSequence);
        }
        if is_next && !before.is_sealed && before.next_seq > LogSeq::ZERO {
            self.suspect(before.end, DamageKind::Gone);
        }
    }

    fn batches(
        &mut self,
        file: &dyn File,
        mut cursor: SegmentCursor,
        of: &mut SegmentReport,
    ) -> Result<(), VerifyError> {
        let number = of.segment;
        let name = name_of(number);
        let io = || VerifyError::io("read segment", &name);
        loop {
            let step = cursor.step().map_err(io())?;
            of.next_seq = cursor.next_seq();
            let position = cursor.position();
            let kind = match step {
                Step::Batch(batch) => {
                    of.batches += 1;
                    of.records += u64::from(batch.count);
                    self.report.durable = self.report.durable.max(batch.durable);
                    self.floor_segment = self.floor_segment.max(batch.floor_segment);
                    self.last_flags = batch.flags;
                    continue;
                }
                Step::Sealed => {
                    of.is_sealed = true;
                    None
                }
                Step::End => Some(DamageKind::Gone),
                Step::Invalid(kind) => Some(kind),
            };
            let at = u64::from(position.offset());
            let from = if kind.is_some() { at + 8 } else { at };
            let rest = marks::search(file, number, from, self.report.log_id).map_err(io())?;
            self.report.durable = self.report.durable.max(rest.durable.unwrap_or(Position::ZERO));
            if let (Some(kind), Some(next)) = (kind, rest.first) {
                self.suspect(position, kind);
                cursor.resume_at(&next);
                continue;
            }
            if let Some(kind) = kind.filter(|kind| *kind != DamageKind::Gone) {
                self.suspect(position, kind);
            }
            if let Some(last) = rest.last_used {
                self.trailing_bytes += last + 1 - at;
                self.suspect(position, kind.unwrap_or(DamageKind::Garbage));
                if of.is_sealed {
                    self.report.durable = self.report.durable.max(position.plus(1));
                }
            }
            let (end, next_seq, is_sealed) = (position, of.next_seq, of.is_sealed);
            self.before = Some(Before { number, end, next_seq, is_sealed });
            return Ok(());
        }
    }

    fn finish(mut self) -> Report {
        let mut report = self.report;
        self.suspects.dedup_by_key(|suspect| suspect.position);
        let durable = report.durable;
        let (damage, torn): (Vec<_>, Vec<_>) =
            self.suspects.into_iter().partition(|suspect| suspect.position < durable);
        report.damage.extend(damage);
        report.damage.sort_by_key(|damage| damage.position);
        if let Some(before) = self.before {
            report.end = before.end;
            report.next_seq = before.next_seq;
            if before.is_sealed {
                report.missing.push(before.number + 1);
            }
        }
        let oldest = report.segments.first().map_or(1, |segment| segment.segment);
        if self.floor_segment > 0 {
            report.missing.extend(self.floor_segment..oldest.max(self.floor_segment));
        }
        report.missing.sort_unstable();
        report.torn =
            torn.first().map(|torn| Torn { position: torn.position, bytes: self.trailing_bytes.max(1) });
        report.is_clean = self.last_flags.is_clean() && report.torn.is_none() && report.is_sound();
        report
    }
}
