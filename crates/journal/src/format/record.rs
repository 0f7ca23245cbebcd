//! One record: length, checksum over sequence, length and payload, payload. Its sequence is not stored: the checksum
//! proves it.

use super::u32_at;
use crate::ids::LogSeq;

/// Bytes before the payload.
pub(crate) const RECORD_HEADER_BYTES: u32 = 8;

/// The checksum of a record.
pub(crate) fn record_crc(seq: LogSeq, payload: &[u8]) -> u32 {
    let mut head = [0; 12];
    head[..8].copy_from_slice(&seq.get().to_le_bytes());
    head[8..].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&head), payload)
}

/// Appends the framed record and gives its checksum. The caller has bounded the length.
pub(crate) fn frame_record(out: &mut Vec<u8>, seq: LogSeq, payload: &[u8]) -> u32 {
    let crc = record_crc(seq, payload);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(payload);
    crc
}

/// A record as it lies in a buffer, not yet checked.
#[derive(Clone, Copy)]
pub(crate) struct Framed<'a> {
    pub(crate) crc: u32,
    pub(crate) payload: &'a [u8],
}

impl Framed<'_> {
    /// Bytes it takes with its header.
    pub(crate) fn framed_bytes(&self) -> usize {
        RECORD_HEADER_BYTES as usize + self.payload.len()
    }
}

/// The record at the start of `bytes`, if they hold it wholly.
pub(crate) fn parse_record(bytes: &[u8]) -> Option<Framed<'_>> {
    if bytes.len() < RECORD_HEADER_BYTES as usize {
        return None;
    }
    let length = u32_at(bytes, 0) as usize;
    let payload = bytes[RECORD_HEADER_BYTES as usize..].get(..length)?;
    Some(Framed { crc: u32_at(bytes, 4), payload })
}
