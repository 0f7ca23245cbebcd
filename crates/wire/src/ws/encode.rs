//! Writing a server's frames: binary, whole, unmasked (spec 1.1).
//!
//! A message is written as its header, then the payload by the caller: a frame of the dialect goes behind it without
//! being copied twice.

use std::ops::Deref;

use super::error::ControlTooLong;
use super::header::{BINARY, CLOSE, PING, PONG};
use crate::limits::WS_CONTROL_BYTES_MAX;

/// Final frame, no reserved bits.
const FIN: u8 = 0x80;

/// Header of an unmasked frame, on the stack: 2, 4 or 10 bytes.
#[derive(Clone, Copy, Debug)]
pub struct HeaderBytes {
    bytes: [u8; 10],
    used: usize,
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }
}

/// Header of a binary message with `payload_bytes` bytes.
#[must_use]
pub fn message_header(payload_bytes: usize) -> HeaderBytes {
    header(BINARY, payload_bytes, 0)
}

/// Appends the header of a binary message; exactly `payload_bytes` bytes must follow.
pub fn put_message_header(out: &mut Vec<u8>, payload_bytes: usize) {
    out.extend_from_slice(&message_header(payload_bytes));
}

/// Appends a binary message.
pub fn put_message(out: &mut Vec<u8>, payload: &[u8]) {
    put_message_header(out, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a ping.
///
/// # Errors
/// [`ControlTooLong`] over 125 bytes.
pub fn put_ping(out: &mut Vec<u8>, payload: &[u8]) -> Result<(), ControlTooLong> {
    put_control(out, PING, payload)
}

/// Appends a pong. What [`super::Step::Ping`] carried always fits.
///
/// # Errors
/// [`ControlTooLong`] over 125 bytes.
pub fn put_pong(out: &mut Vec<u8>, payload: &[u8]) -> Result<(), ControlTooLong> {
    put_control(out, PONG, payload)
}

/// Appends a close frame, without a reason text.
pub fn put_close(out: &mut Vec<u8>, code: Option<u16>) {
    let payload = code.map(u16::to_be_bytes);
    let payload = payload.as_ref().map_or(&[][..], |bytes| &bytes[..]);
    out.extend_from_slice(&header(CLOSE, payload.len(), 0));
    out.extend_from_slice(payload);
}

fn put_control(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) -> Result<(), ControlTooLong> {
    check_control(payload)?;
    out.extend_from_slice(&header(opcode, payload.len(), 0));
    out.extend_from_slice(payload);
    Ok(())
}

pub(super) fn check_control(payload: &[u8]) -> Result<(), ControlTooLong> {
    if payload.len() > WS_CONTROL_BYTES_MAX { Err(ControlTooLong(payload.len())) } else { Ok(()) }
}

/// Header of a whole frame with the shortest length there is; `mask_bit` is 0 or 0x80.
pub(super) fn header(opcode: u8, payload_bytes: usize, mask_bit: u8) -> HeaderBytes {
    let mut bytes = [0; 10];
    bytes[0] = FIN | opcode;
    let used = if let Ok(length @ 0..=125) = u8::try_from(payload_bytes) {
        bytes[1] = mask_bit | length;
        2
    } else if let Ok(length) = u16::try_from(payload_bytes) {
        bytes[1] = mask_bit | 126;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        bytes[1] = mask_bit | 127;
        let length = u64::try_from(payload_bytes).unwrap_or(u64::MAX);
        bytes[2..10].copy_from_slice(&length.to_be_bytes());
        10
    };
    HeaderBytes { bytes, used }
}
