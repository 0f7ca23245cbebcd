//! The header of a batch: 64 bytes that prove by themselves what they are and where they belong.

use super::{ALIGN_BYTES, u32_at, u64_at};
use crate::ids::{LogSeq, Position};

/// Bytes of a batch header.
pub(crate) const BATCH_HEADER_BYTES: u32 = 64;
/// The first bytes of every batch.
pub(crate) const BATCH_MAGIC: [u8; 8] = *b"HALLEYbt";

/// What a batch is, beside its records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    /// Records and nothing special.
    pub(crate) const NONE: Self = Self(0);
    /// An empty batch, written so that everything before it is known durable.
    pub(crate) const MARKER: Self = Self(1);
    /// A marker that ends a clean run.
    pub(crate) const CLEAN: Self = Self(1 | 2);
    /// A marker that ends the segment; the next one was durable before it was written.
    pub(crate) const SEAL: Self = Self(1 | 4);

    const KNOWN: u16 = 7;

    pub(crate) const fn is_clean(self) -> bool {
        self.0 & 2 != 0
    }

    pub(crate) const fn is_seal(self) -> bool {
        self.0 & 4 != 0
    }
}

/// A decoded batch header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BatchHeader {
    pub(crate) log_id: u64,
    /// Where it lies itself, so that a copy elsewhere is not taken for it.
    pub(crate) position: Position,
    pub(crate) first_seq: LogSeq,
    /// Everything below was durable when this header was written.
    pub(crate) durable: Position,
    /// Records and padding that follow.
    pub(crate) body_bytes: u32,
    pub(crate) count: u32,
    pub(crate) flags: Flags,
    /// The oldest segment that the log must still have.
    pub(crate) floor_segment: u32,
    /// Checksum over the checksums of the records.
    pub(crate) records_crc: u32,
}

impl BatchHeader {
    pub(crate) fn encode(&self, out: &mut [u8]) {
        out[0..8].copy_from_slice(&BATCH_MAGIC);
        out[8..16].copy_from_slice(&self.log_id.to_le_bytes());
        out[16..24].copy_from_slice(&self.position.to_bits().to_le_bytes());
        out[24..32].copy_from_slice(&self.first_seq.get().to_le_bytes());
        out[32..40].copy_from_slice(&self.durable.to_bits().to_le_bytes());
        out[40..44].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[44..48].copy_from_slice(&self.count.to_le_bytes());
        out[48..50].copy_from_slice(&self.flags.0.to_le_bytes());
        out[50..52].fill(0);
        out[52..56].copy_from_slice(&self.floor_segment.to_le_bytes());
        out[56..60].copy_from_slice(&self.records_crc.to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
    }

    /// The header in these bytes, if they are one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..BATCH_HEADER_BYTES as usize)?;
        if bytes[..8] != BATCH_MAGIC || crc32c::crc32c(&bytes[..60]) != u32_at(bytes, 60) {
            return None;
        }
        let header = Self {
            log_id: u64_at(bytes, 8),
            position: Position::from_bits(u64_at(bytes, 16)),
            first_seq: LogSeq::new(u64_at(bytes, 24)),
            durable: Position::from_bits(u64_at(bytes, 32)),
            body_bytes: u32_at(bytes, 40),
            count: u32_at(bytes, 44),
            flags: Flags(u16::from_le_bytes([bytes[48], bytes[49]])),
            floor_segment: u32_at(bytes, 52),
            records_crc: u32_at(bytes, 56),
        };
        let sane = header.body_bytes.is_multiple_of(ALIGN_BYTES)
            && (header.count == 0) == (header.body_bytes == 0)
            && header.flags.0 & !Flags::KNOWN == 0
            && bytes[50..52] == [0, 0];
        sane.then_some(header)
    }
}
