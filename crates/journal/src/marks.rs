//! Scanning on: what a stretch of a segment still proves when it cannot be read in order.
//!
//! A batch header proves by itself that it belongs to this log and this place, so a flipped length, or a whole lost
//! stretch, hides nothing that comes after it.

use std::io;

use crate::files::{File, is_zero, read_full};
use crate::format::{ALIGN_BYTES, BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader};
use crate::ids::Position;

/// What was found in a stretch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// The highest durable position that a batch header states.
    pub(crate) durable: Option<Position>,
    /// The first whole batch header.
    pub(crate) first: Option<BatchHeader>,
    /// Offset of the last byte that is not zero.
    pub(crate) last_used: Option<u64>,
}

const CHUNK_BYTES: usize = 1 << 20;
/// About one batch of a rewritten segment.
const PROBE_BYTES: usize = 16 << 10;

/// Reads from `from` (a multiple of the alignment) to the end of the file. With no `log_id` any log is accepted.
pub(crate) fn search(file: &dyn File, number: u32, from: u64, log_id: Option<u64>) -> io::Result<Found> {
    let mut found = Found::default();
    let overlap = (BATCH_HEADER_BYTES - ALIGN_BYTES) as usize;
    let mut buffer = vec![0; CHUNK_BYTES + overlap];
    let mut at = from;
    loop {
        let count = read_full(file, &mut buffer, at)?;
        let bytes = &buffer[..count];
        if !is_zero(bytes) {
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                found.last_used = Some(at + last as u64);
            }
            for header in headers_in(bytes) {
                let place = at + header.offset as u64;
                let ours = log_id.is_none_or(|log_id| log_id == header.header.log_id);
                if ours && header.header.position == Position::new(number, place as u32) {
                    found.durable = found.durable.max(Some(header.header.durable));
                    found.first = found.first.or(Some(header.header));
                }
            }
        }
        if count < buffer.len() {
            return Ok(found);
        }
        at += CHUNK_BYTES as u64;
    }
}

/// The first batch header of this log at or after `from` (a multiple of the alignment) and before `to`.
pub(crate) fn next_header(
    file: &dyn File,
    number: u32,
    log_id: u64,
    from: u64,
    to: u64,
) -> io::Result<Option<BatchHeader>> {
    let overlap = (BATCH_HEADER_BYTES - ALIGN_BYTES) as usize;
    let mut buffer = vec![0; PROBE_BYTES + overlap];
    let mut at = from;
    while at < to {
        let count = read_full(file, &mut buffer, at)?;
        let ours = headers_in(&buffer[..count]).find(|found| {
            let place = at + found.offset as u64;
            let position = Position::new(number, place as u32);
            place < to && found.header.log_id == log_id && found.header.position == position
        });
        if ours.is_some() || count < buffer.len() {
            return Ok(ours.map(|found| found.header));
        }
        at += PROBE_BYTES as u64;
    }
    Ok(None)
}

struct HeaderAt {
    offset: usize,
    header: BatchHeader,
}

/// Every whole batch header at an aligned place.
fn headers_in(bytes: &[u8]) -> impl Iterator<Item = HeaderAt> {
    bytes.chunks_exact(ALIGN_BYTES as usize).enumerate().filter_map(|(index, word)| {
        if word != BATCH_MAGIC {
            return None;
        }
        let offset = index * ALIGN_BYTES as usize;
        let header = BatchHeader::decode(&bytes[offset..])?;
        Some(HeaderAt { offset, header })
    })
}
