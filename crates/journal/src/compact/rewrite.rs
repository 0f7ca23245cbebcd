//! One segment, read and written anew without some of its records. The caller renames it.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::RewriteError;
use super::plan::{Chosen, Fate, Plan};
use crate::cursor::{SegmentCursor, Step};
use crate::error::{Damage, DamageKind};
use crate::files::{File, Files};
use crate::format::{
    ALIGN_BYTES, BATCH_HEADER_BYTES, BatchHeader, Flags, HOLES_MAX, RECORD_HEADER_BYTES, SegmentHeader,
    parse_record, u32_at,
};
use crate::ids::{LogSeq, Position};
use crate::marks;
use crate::reader::LogReader;
use crate::scan::read_header;

/// Told the bytes done; waits or stops.
pub(super) type Pace<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

/// Takes a record as it is framed.
type Visit<'a> = dyn FnMut(LogSeq, &[u8]) -> Result<(), RewriteError> + 'a;

/// A sealed segment file.
pub(super) struct Source {
    file: Arc<dyn File>,
    header: SegmentHeader,
    bytes: u64,
    /// The sequence that the next segment begins with.
    end_seq: LogSeq,
}

/// What a whole walk has seen.
#[derive(Clone, Copy, Default)]
pub(super) struct Walked {
    pub(super) records: u64,
    /// The highest that its batches state.
    floor_segment: u32,
}

const PACE_BYTES: u64 = 1 << 20;

impl Source {
    /// The segment as it is now.
    pub(super) fn open(reader: &LogReader, segment: u32) -> Result<Self, RewriteError> {
        let end_seq = reader.shared.seq_after(segment).ok_or(RewriteError::NoSegment { segment })?;
        let (file, header) = read_header(reader, segment)?;
        let bytes = file.size().map_err(RewriteError::io("read the size of a segment"))?;
        Ok(Self { file, header, bytes, end_seq })
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Asks for the fate of every record and decides what goes.
    pub(super) fn choose(
        &self,
        fate: &mut dyn FnMut(LogSeq, &[u8]) -> Fate,
        pace: &mut Pace<'_>,
    ) -> Result<(Chosen, Walked), RewriteError> {
        let mut plan = Plan::default();
        let mut holes = self.header.holes.iter().copied().peekable();
        let walked = self.walk(pace, &mut |seq, framed| {
            while let Some(hole) = holes.next_if(|hole| hole.first < seq) {
                plan.hole(hole);
            }
            plan.record(seq, framed.len() as u64, fate(seq, &framed[RECORD_HEADER_BYTES as usize..]));
            Ok(())
        })?;
        holes.for_each(|hole| plan.hole(hole));
        Ok((plan.choose(HOLES_MAX)?, walked))
    }

    /// Shows every record; what is not a whole, sealed segment that ends where the next begins, is refused.
    fn walk(&self, pace: &mut Pace<'_>, visit: &mut Visit<'_>) -> Result<Walked, RewriteError> {
        let io = RewriteError::io("read a segment");
        let number = self.header.number;
        let mut cursor = SegmentCursor::new(Arc::clone(&self.file), &self.header, self.bytes);
        let mut walked = Walked::default();
        let mut paced_to = 0;
        loop {
            let step = cursor.step().map_err(&io)?;
            let position = cursor.position();
            let batch = match step {
                Step::Batch(batch) => batch,
                Step::Sealed => break,
                Step::End => return Err(damaged(position, DamageKind::Gone)),
                Step::Invalid(kind) => return Err(damaged(position, kind)),
            };
            let mut body = cursor.body();
            for index in 0..u64::from(batch.count) {
                let Some(record) = parse_record(body) else {
                    return Err(damaged(batch.position, DamageKind::Record));
                };
                let (framed, rest) = body.split_at(record.framed_bytes());
                visit(batch.first_seq.plus(index), framed)?;
                body = rest;
            }
            walked.records += u64::from(batch.count);
            walked.floor_segment = walked.floor_segment.max(batch.floor_segment);
            let at = u64::from(position.offset());
            if at - paced_to >= PACE_BYTES {
                keep_pace(pace, at - paced_to)?;
                paced_to = at;
            }
        }
        let end = cursor.position();
        let behind =
            marks::search(self.file.as_ref(), number, u64::from(end.offset()), Some(self.header.log_id));
        if behind.map_err(&io)?.last_used.is_some() {
            return Err(damaged(end, DamageKind::Garbage));
        }
        if cursor.next_seq() != self.end_seq {
            return Err(damaged(Position::new(number.saturating_add(1), 0), DamageKind::SegmentSequence));
        }
        Ok(walked)
    }

    /// Writes what stays into a new file, durable but for its name, and reads it back.
    pub(super) fn write(
        &self,
        files: &dyn Files,
        name: &str,
        chosen: &Chosen,
        before: Walked,
        pace: &mut Pace<'_>,
    ) -> Result<Self, RewriteError> {
        let header = SegmentHeader { holes: chosen.holes.clone(), ..self.header.clone() };
        let file = create(files, name).map_err(RewriteError::io("create a rewritten segment"))?;
        let mut writer = Writer::new(Arc::clone(&file), &header, before.floor_segment);
        let mut holes = chosen.holes.iter().peekable();
        self.walk(&mut |_| ControlFlow::Continue(()), &mut |seq, framed| {
            while holes.next_if(|hole| hole.end() <= seq).is_some() {}
            if holes.peek().is_some_and(|hole| hole.first <= seq) {
                Ok(())
            } else {
                writer.push(seq, framed, pace)
            }
        })?;
        let bytes = writer.finish(self.end_seq, pace)?;
        let written = Self { file, header, bytes, end_seq: self.end_seq };
        let again =
            written.walk(&mut |_| ControlFlow::Continue(()), &mut |_, _| Ok(())).map_err(not_as_written)?;
        if again.records + chosen.dropped != before.records {
            return Err(not_as_written(RewriteError::Stopped));
        }
        Ok(written)
    }
}

/// Removes what an earlier attempt has left.
fn create(files: &dyn Files, name: &str) -> io::Result<Arc<dyn File>> {
    match files.create(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files.remove(name)?;
            files.create(name)
        }
        other => other,
    }
}

const fn damaged(position: Position, kind: DamageKind) -> RewriteError {
    RewriteError::Damaged(Damage { position, kind })
}

/// Damage of the new file is none of the log.
fn not_as_written(error: RewriteError) -> RewriteError {
    let source = match error {
        RewriteError::Damaged(damage) => io::Error::new(io::ErrorKind::InvalidData, damage.to_string()),
        RewriteError::Io { source, .. } => source,
        _ => io::Error::new(io::ErrorKind::InvalidData, "other records than were written"),
    };
    RewriteError::Io { doing: "read back a rewritten segment", source }
}

fn keep_pace(pace: &mut Pace<'_>, bytes: u64) -> Result<(), RewriteError> {
    match pace(bytes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(RewriteError::Stopped),
    }
}

/// Writes batches one after the other.
struct Writer {
    file: Arc<dyn File>,
    log_id: u64,
    number: u32,
    floor_segment: u32,
    /// What is not written yet, and where it goes.
    out: Vec<u8>,
    out_at: u64,
    synced_to: u64,
    batch: Option<Open>,
}

/// The batch that is being filled, at the end of `out`.
struct Open {
    at: usize,
    first_seq: LogSeq,
    count: u32,
    records_crc: u32,
}

/// Whoever reads one record of a rewritten segment reads its batch.
const BATCH_BYTES: usize = 16 << 10;
/// So much is written at once.
const WRITE_BYTES: usize = 1 << 20;
/// So much is left to one sync at most: commits sync the same disk.
const SYNC_BYTES: u64 = 8 << 20;

impl Writer {
    fn new(file: Arc<dyn File>, header: &SegmentHeader, floor_segment: u32) -> Self {
        Self {
            file,
            log_id: header.log_id,
            number: header.number,
            floor_segment,
            out: header.encode(),
            out_at: 0,
            synced_to: 0,
            batch: None,
        }
    }

    /// Takes a record as it was framed, its checksum with it: one that fits it no more is not made right.
    fn push(&mut self, seq: LogSeq, framed: &[u8], pace: &mut Pace<'_>) -> Result<(), RewriteError> {
        let fits = self.batch.as_ref().is_none_or(|batch| {
            let follows = batch.first_seq.plus(u64::from(batch.count)) == seq;
            follows && self.out.len() - batch.at + framed.len() <= BATCH_BYTES
        });
        if !fits {
            self.end_batch(pace)?;
        }
        let at = self.out.len();
        let batch = self.batch.get_or_insert(Open { at, first_seq: seq, count: 0, records_crc: 0 });
        if batch.count == 0 {
            self.out.resize(at + BATCH_HEADER_BYTES as usize, 0);
        }
        self.out.extend_from_slice(framed);
        batch.count += 1;
        batch.records_crc = crc32c::crc32c_append(batch.records_crc, &u32_at(framed, 4).to_le_bytes());
        Ok(())
    }

    fn end_batch(&mut self, pace: &mut Pace<'_>) -> Result<(), RewriteError> {
        let Some(batch) = self.batch.take() else { return Ok(()) };
        self.out.resize(self.out.len().next_multiple_of(ALIGN_BYTES as usize), 0);
        self.encode(&batch, Flags::NONE);
        if self.out.len() >= WRITE_BYTES { self.write(pace) } else { Ok(()) }
    }

    /// Writes the header of the batch in its place.
    fn encode(&mut self, batch: &Open, flags: Flags) {
        let end = batch.at + BATCH_HEADER_BYTES as usize;
        let position = Position::new(self.number, (self.out_at + batch.at as u64) as u32);
        let header = BatchHeader {
            log_id: self.log_id,
            position,
            first_seq: batch.first_seq,
            // Nobody sees it before all of it is.
            durable: position,
            body_bytes: (self.out.len() - end) as u32,
            count: batch.count,
            flags,
            floor_segment: self.floor_segment,
            records_crc: batch.records_crc,
        };
        header.encode(&mut self.out[batch.at..end]);
    }

    fn write(&mut self, pace: &mut Pace<'_>) -> Result<(), RewriteError> {
        let written = self.file.write_all_at(&self.out, self.out_at);
        written.map_err(RewriteError::io("write a rewritten segment"))?;
        let bytes = self.out.len() as u64;
        self.out_at += bytes;
        self.out.clear();
        if self.out_at - self.synced_to >= SYNC_BYTES {
            self.sync()?;
        }
        keep_pace(pace, bytes)
    }

    fn sync(&mut self) -> Result<(), RewriteError> {
        self.file.sync_data().map_err(RewriteError::io("sync a rewritten segment"))?;
        self.synced_to = self.out_at;
        Ok(())
    }

    /// Seals and syncs; says how long the file is.
    fn finish(mut self, end_seq: LogSeq, pace: &mut Pace<'_>) -> Result<u64, RewriteError> {
        self.end_batch(pace)?;
        let seal = Open { at: self.out.len(), first_seq: end_seq, count: 0, records_crc: 0 };
        self.out.resize(seal.at + BATCH_HEADER_BYTES as usize, 0);
        self.encode(&seal, Flags::SEAL);
        self.write(pace)?;
        self.sync()?;
        Ok(self.out_at)
    }
}
