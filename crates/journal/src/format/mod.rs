//! The bytes of the log, version 1. `FORMAT.md` has the tables; the golden tests in `tests/format.rs` hold them.

mod batch_header;
mod record;
mod segment_header;

pub(crate) use batch_header::{BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, Flags};
pub(crate) use record::{Framed, RECORD_HEADER_BYTES, frame_record, parse_record, record_crc};
pub use segment_header::{FORMAT_VERSION, Hole};
pub(crate) use segment_header::{HEADER_BYTES, HOLES_MAX, HeaderRead, SegmentHeader, peek};

/// Batches start at multiples of this, so that scanning on past an invalid place is cheap.
pub(crate) const ALIGN_BYTES: u32 = 8;

/// Little-endian numbers at fixed places of a slice whose length the caller has checked.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

/// See [`u32_at`].
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
