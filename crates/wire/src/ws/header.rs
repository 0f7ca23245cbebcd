//! The header of a frame and its mask (RFC 6455, 5.2 and 5.3).

use super::error::WsError;
use crate::limits::WS_CONTROL_BYTES_MAX;

pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A frame's header, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) fin: bool,
    pub(super) opcode: u8,
    /// Absent when the frame is not masked, or when it is not all there.
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes of the header itself, mask included.
    pub(super) header_bytes: usize,
    pub(super) payload_bytes: u64,
}

impl FrameHeader {
    pub(super) fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }
}

/// A header, or what it takes to read one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The length is known. The mask may still be missing: a lying length is refused without it.
    Header(FrameHeader),
    /// Bytes that it takes to know the length.
    Incomplete(usize),
}

/// Reads a header. Everything wrong is refused from the first byte that shows it.
pub(super) fn parse(buf: &[u8]) -> Result<Parsed, WsError> {
    let [first, rest @ ..] = buf else {
        return Ok(Parsed::Incomplete(2));
    };
    let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
    check_first(*first)?;
    let [second, rest @ ..] = rest else {
        return Ok(Parsed::Incomplete(2));
    };
    let is_masked = second & 0x80 != 0;
    let short = second & 0x7f;
    if opcode & 8 != 0 && usize::from(short) > WS_CONTROL_BYTES_MAX {
        return Err(WsError::ControlTooLong);
    }
    let length_bytes = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let header_bytes = 2 + length_bytes + if is_masked { 4 } else { 0 };
    let Some((length, rest)) = rest.split_at_checked(length_bytes) else {
        return Ok(Parsed::Incomplete(2 + length_bytes));
    };
    let payload_bytes = match length {
        [] => u64::from(short),
        _ => length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    let mask = if is_masked { rest.first_chunk().copied() } else { None };
    Ok(Parsed::Header(FrameHeader { fin, opcode, mask, header_bytes, payload_bytes }))
}

fn check_first(first: u8) -> Result<(), WsError> {
    if first & 0x70 != 0 {
        return Err(WsError::ReservedBits);
    }
    match first & 0x0f {
        CONTINUATION | TEXT | BINARY => Ok(()),
        CLOSE | PING | PONG if first & 0x80 != 0 => Ok(()),
        CLOSE | PING | PONG => Err(WsError::ControlFragmented),
        opcode => Err(WsError::Opcode(opcode)),
    }
}

/// Applies a mask, or takes it off again.
pub(super) fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    // Eight at a time, which the compiler turns into vectors.
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, tail) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
