//! The writing end: one batch, one write, one sync.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::error::CommitError;
use crate::files::{File, is_disk_full, write_zeros};
use crate::format::{BATCH_HEADER_BYTES, BatchHeader, Flags, SegmentHeader};
use crate::ids::{LogSeq, Position};
use crate::segments::{SpareError, make_spare, name_of};
use crate::shared::{End, Prep, Shared, count};

/// Commits batches. Owned by one thread; there is one per log.
pub struct LogWriter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) active: Active,
    pub(crate) next_seq: LogSeq,
    /// Everything below is durable.
    pub(crate) synced: Position,
    /// No marker is needed: nothing with records was written since the last one.
    pub(crate) is_marked: bool,
    /// The marker of this run is durable. Until then a clean end of the run before still stands last.
    pub(crate) is_begun: bool,
    /// The floor that the last batch states.
    pub(crate) stated_floor: u32,
}

/// The segment that is written.
pub(crate) struct Active {
    pub(crate) file: Arc<dyn File>,
    pub(crate) number: u32,
    /// Where the next batch goes.
    pub(crate) tail: u32,
    /// What a write that found no space may have left behind the tail reaches up to here.
    pub(crate) dirty_to: u32,
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// `fdatasync` before it returns: `fsync = always`.
    Synced,
    /// Only written; [`LogWriter::sync`], a marker or a rotation makes it durable later.
    Written,
}

/// A batch that was committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Where the batch begins.
    pub start: Position,
    /// Where it ends: the end of the log now.
    pub end: Position,
    /// Its first sequence.
    pub first_seq: LogSeq,
    /// The sequence that follows it.
    pub next_seq: LogSeq,
    /// How long the write took.
    pub write: Duration,
    /// How long the sync took; zero without one.
    pub sync: Duration,
}

impl Committed {
    /// The position of a record of the batch.
    #[must_use]
    pub const fn position(&self, offset_in_batch: u32) -> Position {
        self.start.plus(offset_in_batch)
    }
}

impl LogWriter {
    /// The sequence that the next batch must begin with.
    #[must_use]
    pub const fn next_seq(&self) -> LogSeq {
        self.next_seq
    }

    /// The end of the log.
    #[must_use]
    pub const fn end(&self) -> Position {
        Position::new(self.active.number, self.active.tail)
    }

    /// Everything below is durable.
    #[must_use]
    pub const fn synced(&self) -> Position {
        self.synced
    }

    /// An empty batch of this log's sizes that begins with the next sequence.
    #[must_use]
    pub fn new_batch(&self) -> Batch {
        Batch::new(self.next_seq, &self.shared.config)
    }

    /// Writes the batch and, if asked, syncs it. After `Ok` it may be acknowledged and read. An empty batch writes
    /// nothing.
    pub fn commit(&mut self, batch: &mut Batch, durability: Durability) -> Result<Committed, CommitError> {
        self.check_usable()?;
        if batch.first_seq() != self.next_seq {
            return Err(CommitError::OutOfOrder { expected: self.next_seq, found: batch.first_seq() });
        }
        self.begin()?;
        let mut write = Duration::ZERO;
        if !batch.is_empty() {
            self.make_room(batch.framed_bytes())?;
            let header = self.header(Flags::NONE);
            let started = Instant::now();
            self.append(batch.frame(header), header.floor_segment)?;
            write = started.elapsed();
            self.next_seq = batch.next_seq();
            self.is_marked = false;
        }
        let sync = match durability {
            Durability::Synced => self.sync_timed()?,
            Durability::Written => Duration::ZERO,
        };
        self.publish();
        let end = self.end();
        let bytes = if batch.is_empty() { 0 } else { batch.framed_bytes() };
        count(&self.shared.counts.batches, u64::from(!batch.is_empty()));
        count(&self.shared.counts.records, u64::from(batch.len()));
        count(&self.shared.counts.bytes, u64::from(bytes));
        Ok(Committed {
            start: Position::new(end.segment(), end.offset() - bytes),
            end,
            first_seq: batch.first_seq(),
            next_seq: self.next_seq,
            write,
            sync,
        })
    }

    /// Makes everything committed so far durable.
    pub fn sync(&mut self) -> Result<(), CommitError> {
        self.check_usable()?;
        self.sync_timed().map(drop)
    }

    /// Writes a synced marker, so that everything before it is known durable. Nothing is written when nothing was
    /// committed since the last one and the floor has not risen. The owner calls it after 100 ms of idleness, and when
    /// [`crate::Removal::WaitsForFloor`] says so; it says whether it wrote.
    pub fn mark_idle(&mut self) -> Result<bool, CommitError> {
        self.check_usable()?;
        self.begin()?;
        if self.is_marked && self.stated_floor >= self.shared.floor.wanted() {
            self.sync_timed()?;
            return Ok(false);
        }
        self.mark(Flags::MARKER)?;
        Ok(true)
    }

    /// Ends the segment that is written and begins the next, if it holds a record: what must go out of it can go then. It
    /// says whether it did.
    pub fn seal(&mut self) -> Result<bool, CommitError> {
        self.check_usable()?;
        self.begin()?;
        let first_seq = self.shared.first_seq(self.active.number);
        if first_seq.is_none_or(|first_seq| first_seq == self.next_seq) {
            return Ok(false);
        }
        self.rotate()?;
        Ok(true)
    }

    /// Ends the run with a marker that says that it ended cleanly.
    pub fn close(mut self) -> Result<(), CommitError> {
        self.check_usable()?;
        self.mark(Flags::CLEAN)
    }

    /// Makes the marker of this run durable before anything else of it is.
    pub(crate) fn begin(&mut self) -> Result<(), CommitError> {
        if !self.is_begun {
            self.mark(Flags::MARKER)?;
            self.is_begun = true;
        }
        Ok(())
    }

    fn mark(&mut self, flags: Flags) -> Result<(), CommitError> {
        // What it marks must be durable before the marker can be: a torn write may keep the marker alone.
        self.sync_timed()?;
        self.make_room(BATCH_HEADER_BYTES)?;
        self.append_marker(flags)?;
        self.sync_timed()?;
        self.is_marked = true;
        self.publish();
        Ok(())
    }

    fn check_usable(&self) -> Result<(), CommitError> {
        if self.shared.is_poisoned() { Err(CommitError::Poisoned) } else { Ok(()) }
    }

    fn publish(&self) {
        self.shared.set_end(End { position: self.end(), next_seq: self.next_seq });
    }

    fn header(&self, flags: Flags) -> BatchHeader {
        BatchHeader {
            log_id: self.shared.log_id,
            position: self.end(),
            first_seq: self.next_seq,
            durable: self.synced,
            body_bytes: 0,
            count: 0,
            flags,
            floor_segment: self.shared.floor.wanted(),
            records_crc: 0,
        }
    }

    fn append_marker(&mut self, flags: Flags) -> Result<(), CommitError> {
        let mut bytes = [0; BATCH_HEADER_BYTES as usize];
        let header = self.header(flags);
        header.encode(&mut bytes);
        self.append(&bytes, header.floor_segment)
    }

    /// Makes sure that `bytes` and a seal after them fit the segment.
    fn make_room(&mut self, bytes: u32) -> Result<(), CommitError> {
        let needed = u64::from(self.active.tail) + u64::from(bytes) + u64::from(BATCH_HEADER_BYTES);
        if needed > u64::from(self.shared.config.segment_bytes) { self.rotate() } else { Ok(()) }
    }

    /// Starts the next segment. Each step is durable before the next: all that was written, the header of the next
    /// segment, the seal of this one. Everything may be repeated after a lack of space.
    fn rotate(&mut self) -> Result<(), CommitError> {
        self.sync_timed()?;
        let next = self.active.number.checked_add(1).ok_or(CommitError::Exhausted)?;
        let (file, zeroed_to) = self.take_spare(next)?;
        let header = SegmentHeader {
            log_id: self.shared.log_id,
            number: next,
            first_seq: self.next_seq,
            durable: self.synced,
            holes: Vec::new(),
        };
        let bytes = header.encode();
        let written = file.write_all_at(&bytes, 0);
        self.check_write(written)?;
        let synced = file.sync_data();
        self.check_sync(synced)?;
        self.append_marker(Flags::SEAL)?;
        self.sync_timed()?;

        self.shared.add_segment(next, self.next_seq);
        let tail = header.header_bytes();
        let zeroed_to = zeroed_to.max(tail);
        *self.shared.idle_prep() = Prep { segment: next, zeroed_to, spare_bytes: None, is_busy: false };
        self.active = Active { file, number: next, tail, dirty_to: tail };
        self.synced = self.end();
        self.is_marked = true;
        count(&self.shared.counts.rotations, 1);
        self.publish();
        Ok(())
    }

    /// The file of the next segment and the length of its zeros.
    fn take_spare(&mut self, number: u32) -> Result<(Arc<dyn File>, u32), CommitError> {
        let shared = Arc::clone(&self.shared);
        let mut prep = shared.idle_prep();
        if let Some(zeroed_to) = prep.spare_bytes {
            let opened = shared.files.open(&name_of(number));
            return Ok((self.check_write(opened)?, zeroed_to));
        }
        count(&shared.counts.late_segments, 1);
        let zero_bytes = shared.config.spare_zero_bytes();
        match make_spare(shared.files.as_ref(), number, zero_bytes) {
            Ok(file) => {
                prep.spare_bytes = Some(zero_bytes);
                Ok((file, zero_bytes))
            }
            Err(SpareError::Write(error)) => Err(self.write_failed(error)),
            Err(SpareError::Sync(error)) => Err(self.sync_failed(error)),
        }
    }

    /// Writes at the tail, where it states this floor, and moves it. On a lack of space the tail stays.
    fn append(&mut self, bytes: &[u8], floor_segment: u32) -> Result<(), CommitError> {
        let start = self.active.tail;
        let end = start + bytes.len() as u32;
        self.ensure_zeroed(end)?;
        // Each piece that may be left behind by a failed write is known before it is tried.
        let left_over = self.active.dirty_to;
        self.active.dirty_to = left_over.max(end);
        if left_over > end {
            let cleared = write_zeros(self.active.file.as_ref(), u64::from(end), u64::from(left_over));
            self.check_write(cleared)?;
        }
        let written = self.active.file.write_all_at(bytes, u64::from(start));
        self.check_write(written)?;
        self.active.dirty_to = end;
        self.active.tail = end;
        self.stated_floor = floor_segment;
        Ok(())
    }

    /// Makes sure that the write changes no metadata: normally the preparer has been here.
    fn ensure_zeroed(&mut self, to: u32) -> Result<(), CommitError> {
        if self.shared.prep().zeroed_to >= to {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let mut prep = shared.idle_prep();
        if prep.zeroed_to >= to {
            return Ok(());
        }
        count(&shared.counts.late_zeroings, 1);
        let step = shared.config.zero_step_bytes();
        let until = to.next_multiple_of(4096).saturating_add(step).min(shared.config.segment_bytes).max(to);
        let written = write_zeros(self.active.file.as_ref(), u64::from(prep.zeroed_to), u64::from(until));
        self.check_write(written)?;
        prep.zeroed_to = until;
        Ok(())
    }

    fn sync_timed(&mut self) -> Result<Duration, CommitError> {
        if self.synced == self.end() {
            return Ok(Duration::ZERO);
        }
        let started = Instant::now();
        let synced = self.active.file.sync_data();
        self.check_sync(synced)?;
        count(&self.shared.counts.syncs, 1);
        // The preparer syncs the same file; if that failed, this one proves nothing.
        self.check_usable()?;
        self.synced = self.end();
        self.shared.floor.set_durable(self.stated_floor);
        Ok(started.elapsed())
    }

    fn check_write<T>(&self, written: io::Result<T>) -> Result<T, CommitError> {
        written.map_err(|error| self.write_failed(error))
    }

    fn check_sync(&self, synced: io::Result<()>) -> Result<(), CommitError> {
        synced.map_err(|error| self.sync_failed(error))
    }

    fn write_failed(&self, error: io::Error) -> CommitError {
        if is_disk_full(&error) {
            count(&self.shared.counts.disk_full, 1);
            return CommitError::DiskFull(error);
        }
        self.shared.poison();
        CommitError::Write(error)
    }

    fn sync_failed(&self, error: io::Error) -> CommitError {
        self.shared.poison();
        CommitError::Sync(error)
    }
}
