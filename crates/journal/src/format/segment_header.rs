//! The header of a segment: one page, or more when it lists holes.

use std::io;

use super::{u32_at, u64_at};
use crate::files::{File, is_zero, read_full};
use crate::ids::{LogSeq, Position};

/// The version this build writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Bytes of the header of a segment without holes, and the unit of longer ones.
pub(crate) const HEADER_BYTES: u32 = 4096;

const MAGIC: [u8; 8] = *b"HALLEYsg";
const FIXED_BYTES: usize = 64;
const HOLE_BYTES: usize = 16;
const CRC_AT: usize = 60;
/// Nobody writes a longer one; bounds what a damaged length can make us read.
const HEADER_BYTES_MAX: u32 = 64 << 20;

/// The most holes a header can list: all that a segment of 64 MiB can need.
pub(crate) const HOLES_MAX: usize = (HEADER_BYTES_MAX as usize - FIXED_BYTES) / HOLE_BYTES;

/// A run of sequences that was taken out of a segment on purpose when it was rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hole {
    /// The first missing sequence.
    pub first: LogSeq,
    /// How many are missing.
    pub count: u64,
}

impl Hole {
    /// The sequence after it.
    #[must_use]
    pub const fn end(&self) -> LogSeq {
        self.first.plus(self.count)
    }
}

/// A decoded segment header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SegmentHeader {
    pub(crate) log_id: u64,
    pub(crate) number: u32,
    /// Sequence of the first record the segment may hold.
    pub(crate) first_seq: LogSeq,
    /// Everything below was durable when this header was written: the place of the seal of the segment before.
    pub(crate) durable: Position,
    /// Ascending, disjoint.
    pub(crate) holes: Vec<Hole>,
}

/// What lies at the start of a segment file.
#[derive(Debug)]
pub(crate) enum HeaderRead {
    /// A header of a version we know.
    Valid(SegmentHeader),
    /// Only zeros: prepared, never started.
    Blank,
    /// Written by a newer build.
    Newer(u32),
    /// Anything else.
    Invalid,
}

impl SegmentHeader {
    /// Bytes of this header on disk.
    pub(crate) fn header_bytes(&self) -> u32 {
        let needed = FIXED_BYTES + self.holes.len() * HOLE_BYTES;
        (needed as u32).next_multiple_of(HEADER_BYTES)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; self.header_bytes() as usize];
        out[0..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.header_bytes().to_le_bytes());
        out[16..24].copy_from_slice(&self.log_id.to_le_bytes());
        out[24..28].copy_from_slice(&self.number.to_le_bytes());
        out[28..32].copy_from_slice(&(self.holes.len() as u32).to_le_bytes());
        out[32..40].copy_from_slice(&self.first_seq.get().to_le_bytes());
        out[40..48].copy_from_slice(&self.durable.to_bits().to_le_bytes());
        for (hole, place) in self.holes.iter().zip(out[FIXED_BYTES..].chunks_exact_mut(HOLE_BYTES)) {
            place[..8].copy_from_slice(&hole.first.get().to_le_bytes());
            place[8..].copy_from_slice(&hole.count.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header of a segment file.
    pub(crate) fn read(file: &dyn File) -> io::Result<HeaderRead> {
        let mut bytes = vec![0; HEADER_BYTES as usize];
        let count = read_full(file, &mut bytes, 0)?;
        if is_zero(&bytes[..count]) {
            return Ok(HeaderRead::Blank);
        }
        if count < bytes.len() || bytes[..8] != MAGIC {
            return Ok(HeaderRead::Invalid);
        }
        let header_bytes = u32_at(&bytes, 12);
        let whole = header_bytes > HEADER_BYTES
            && header_bytes <= HEADER_BYTES_MAX
            && header_bytes.is_multiple_of(HEADER_BYTES)
            && u64::from(header_bytes) <= file.size()?;
        if whole {
            bytes.resize(header_bytes as usize, 0);
            read_full(file, &mut bytes[HEADER_BYTES as usize..], u64::from(HEADER_BYTES))?;
        }
        Ok(Self::decode(&mut bytes))
    }

    fn decode(bytes: &mut [u8]) -> HeaderRead {
        let crc = u32_at(bytes, CRC_AT);
        let version = u32_at(bytes, 8);
        bytes[CRC_AT..CRC_AT + 4].fill(0);
        if crc32c::crc32c(bytes) != crc {
            // A newer layout may keep its checksum elsewhere. A header that is right but for the version is ours,
            // with a flipped bit in it.
            bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
            let flipped = crc32c::crc32c(bytes) == crc;
            return if version > FORMAT_VERSION && !flipped {
                HeaderRead::Newer(version)
            } else {
                HeaderRead::Invalid
            };
        }
        if version > FORMAT_VERSION {
            return HeaderRead::Newer(version);
        }
        let hole_count = u32_at(bytes, 28) as usize;
        let fits = bytes.len() as u64 == u64::from(u32_at(bytes, 12))
            && hole_count <= (bytes.len() - FIXED_BYTES) / HOLE_BYTES;
        if version != FORMAT_VERSION || !fits {
            return HeaderRead::Invalid;
        }
        let holes: Vec<_> = bytes[FIXED_BYTES..]
            .chunks_exact(HOLE_BYTES)
            .take(hole_count)
            .map(|place| Hole { first: LogSeq::new(u64_at(place, 0)), count: u64_at(place, 8) })
            .collect();
        let first_seq = LogSeq::new(u64_at(bytes, 32));
        if !is_ordered(first_seq, &holes) {
            return HeaderRead::Invalid;
        }
        HeaderRead::Valid(Self {
            log_id: u64_at(bytes, 16),
            number: u32_at(bytes, 24),
            first_seq,
            durable: Position::from_bits(u64_at(bytes, 40)),
            holes,
        })
    }
}

/// How many holes a header says it lists and how long it says it is: a hint for readers, not checked. What follows from
/// it is.
pub(crate) fn peek(file: &dyn File) -> io::Result<Option<(u32, u32)>> {
    let mut bytes = [0; FIXED_BYTES];
    let count = read_full(file, &mut bytes, 0)?;
    Ok((count == bytes.len() && bytes[..8] == MAGIC).then(|| (u32_at(&bytes, 28), u32_at(&bytes, 12))))
}

/// Whether no hole is empty, and they ascend and are disjoint.
fn is_ordered(first_seq: LogSeq, holes: &[Hole]) -> bool {
    let starts_inside = holes.first().is_none_or(|hole| hole.first >= first_seq);
    let is_counted =
        holes.iter().all(|hole| hole.count > 0 && hole.first.get().checked_add(hole.count).is_some());
    starts_inside && is_counted && holes.windows(2).all(|pair| pair[0].end() <= pair[1].first)
}
