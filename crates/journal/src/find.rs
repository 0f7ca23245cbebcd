//! One record of a rewritten segment, by its sequence.
//!
//! Whoever keeps positions keeps old ones there. The bytes at an old position may be anything now, even a record that
//! somebody has put into a payload of his own with a right checksum, so they are not looked at: batch headers prove
//! themselves, they ascend, and bisection needs no table of them.

use std::io;

use crate::files::{File, read_full};
use crate::format::{BATCH_HEADER_BYTES, BatchHeader, parse_record, record_crc};
use crate::ids::{LogSeq, Position};
use crate::marks;

/// What a search came to.
pub(crate) enum Find {
    /// The payload, checked.
    Record(Vec<u8>),
    /// The batches around this place go past the sequence: a hole, or damage.
    Missing(Position),
    /// The batch at this place, or the record in it, is not whole.
    Damaged(Position),
}

/// A rewritten segment.
pub(crate) struct Place<'a> {
    pub(crate) file: &'a dyn File,
    pub(crate) number: u32,
    pub(crate) log_id: u64,
    /// Where its first batch begins.
    pub(crate) header_bytes: u32,
}

/// Below this the batches are walked.
const WALK_BYTES: u64 = 16 << 10;

impl Place<'_> {
    pub(crate) fn find(&self, seq: LogSeq) -> io::Result<Find> {
        let size = self.file.size()?;
        // The batch sought begins at or after `low` and before `high`.
        let (mut low, mut high) = (u64::from(self.header_bytes), size);
        while high.saturating_sub(low) > WALK_BYTES {
            let middle = (low + (high - low) / 2) & !7;
            match marks::next_header(self.file, self.number, self.log_id, middle, high)? {
                Some(header) if header.first_seq <= seq => low = u64::from(header.position.offset()),
                _ => high = middle,
            }
        }
        self.walk(low, size, seq)
    }

    /// Goes from batch to batch.
    fn walk(&self, mut at: u64, size: u64, seq: LogSeq) -> io::Result<Find> {
        while at < size {
            let position = Position::new(self.number, at as u32);
            let mut head = [0; BATCH_HEADER_BYTES as usize];
            let count = read_full(self.file, &mut head, at)?;
            let Some(header) = BatchHeader::decode(&head[..count])
                .filter(|header| header.log_id == self.log_id && header.position == position)
            else {
                return Ok(Find::Damaged(position));
            };
            if header.first_seq > seq {
                return Ok(Find::Missing(position));
            }
            let body_at = at + u64::from(BATCH_HEADER_BYTES);
            at = body_at + u64::from(header.body_bytes);
            if seq < header.first_seq.plus(u64::from(header.count)) {
                if at > size {
                    return Ok(Find::Damaged(position));
                }
                let mut body = vec![0; header.body_bytes as usize];
                let count = read_full(self.file, &mut body, body_at)?;
                let record = record_in(&body[..count], &header, seq);
                return Ok(record.map_or(Find::Damaged(position), Find::Record));
            }
        }
        Ok(Find::Missing(Position::new(self.number, size as u32)))
    }
}

fn record_in(mut body: &[u8], header: &BatchHeader, seq: LogSeq) -> Option<Vec<u8>> {
    for _ in header.first_seq.get()..seq.get() {
        body = body.get(parse_record(body)?.framed_bytes()..)?;
    }
    let record = parse_record(body)?;
    (record.crc == record_crc(seq, record.payload)).then(|| record.payload.to_vec())
}
