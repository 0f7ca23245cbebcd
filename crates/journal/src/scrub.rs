//! A check of everything committed, in steps small enough to run beside the traffic.

use std::sync::Arc;

use crate::cursor::{SegmentCursor, Step};
use crate::error::{Damage, DamageKind, ReadError};
use crate::ids::Position;
use crate::marks;
use crate::reader::LogReader;
use crate::scan::open_cursor;

/// Goes from the oldest segment to what was the committed end when it was made. It goes on past damage.
pub struct Scrubber {
    reader: LogReader,
    until: Position,
    segment: u32,
    cursor: Option<SegmentCursor>,
}

/// What a step found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScrubStep {
    /// Bytes checked.
    pub checked_bytes: u64,
    /// Damage met, in order. It stays until the operator acts: the owner keeps it.
    pub damage: Vec<Damage>,
    /// Nothing is left to check.
    pub is_done: bool,
}

impl Scrubber {
    pub(crate) fn new(reader: LogReader) -> Self {
        let until = reader.committed_end();
        let segment = reader.shared.oldest();
        Self { reader, until, segment, cursor: None }
    }

    /// Checks whole batches until `budget_bytes` are reached.
    pub fn step(&mut self, budget_bytes: u64) -> Result<ScrubStep, ReadError> {
        let mut found = ScrubStep::default();
        while found.checked_bytes < budget_bytes {
            if self.segment > self.until.segment() {
                found.is_done = true;
                break;
            }
            self.check_next(&mut found)?;
        }
        Ok(found)
    }

    /// Checks one batch, or passes to the next segment.
    fn check_next(&mut self, found: &mut ScrubStep) -> Result<(), ReadError> {
        let segment = self.segment;
        let io = |source| ReadError::Io { segment, source };
        let mut cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => match open_cursor(&self.reader, segment, Position::ZERO) {
                Ok(cursor) => cursor,
                Err(ReadError::Damaged(damage)) => {
                    found.damage.push(damage);
                    self.segment += 1;
                    return Ok(());
                }
                // Retention has taken it in the meantime.
                Err(ReadError::NoSegment { .. }) => {
                    self.segment += 1;
                    return Ok(());
                }
                Err(other) => return Err(other),
            },
        };
        // Rewritten, it is sealed, and what was the end lies elsewhere in it.
        let holds_end = segment == self.until.segment() && !cursor.has_moved();
        if holds_end {
            cursor.set_limit(u64::from(self.until.offset()));
        }
        let before = cursor.position();
        if holds_end && before == self.until {
            self.segment += 1;
            return Ok(());
        }
        let kind = match cursor.step().map_err(io)? {
            Step::Batch(_) => {
                found.checked_bytes += u64::from(cursor.position().offset() - before.offset());
                self.cursor = Some(cursor);
                return Ok(());
            }
            Step::Sealed => {
                self.segment += 1;
                let log_id = Some(self.reader.shared.log_id);
                let behind =
                    marks::search(cursor.file().as_ref(), segment, u64::from(before.offset()), log_id);
                if behind.map_err(io)?.last_used.is_some() {
                    self.reader.damaged(before, DamageKind::Garbage);
                    found.damage.push(Damage { position: before, kind: DamageKind::Garbage });
                }
                return Ok(());
            }
            Step::End => DamageKind::Gone,
            Step::Invalid(kind) => kind,
        };
        let damage = Damage { position: before, kind };
        self.reader.damaged(before, kind);
        found.damage.push(damage);
        // The file that was read, whatever has its name now.
        let file = Arc::clone(cursor.file());
        let behind = u64::from(before.offset()) + 8;
        let rest =
            marks::search(file.as_ref(), segment, behind, Some(self.reader.shared.log_id)).map_err(io)?;
        match rest.first {
            Some(header) if !holds_end || header.position < self.until => {
                cursor.resume_at(&header);
                self.cursor = Some(cursor);
            }
            _ => self.segment += 1,
        }
        Ok(())
    }
}
