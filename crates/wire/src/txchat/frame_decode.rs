//! Reading frames from a byte stream and from WebSocket messages (spec 1.1, 1.2).
//!
//! Stateless: the caller keeps the bytes and asks again when there are more. A frame that can never be right is refused
//! from the first 4 bytes (packLen) or 6 (headerLen). This is where D1 does not happen: a length is compared with what
//! is there, and the body is a checked slice of the input.

use super::frame::{FrameRef, HEADER_LEN, Header};
use super::op::Op;
use crate::limits::{TXCHAT_FRAME_BYTES_MAX, TXCHAT_HEADER_BYTES};

/// Outcome of [`decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// One frame, and how many bytes of the input it took.
    Complete {
        /// The frame; its body lies in the input.
        frame: FrameRef<'a>,
        /// From 20 to 16404.
        consumed: usize,
    },
    /// Not all there yet, nothing wrong so far.
    Incomplete {
        /// Bytes that must be in the buffer in all before another attempt can succeed: 20 while the length is unknown,
        /// then the frame's length. Always more than there are, at most 16404.
        needed: usize,
    },
}

/// Why bytes are no frame. The stream cannot be resynchronised: close the connection, no reply (spec 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// `packLen` outside 20 to 16404.
    #[error("frame length {0} is out of bounds")]
    PackLen(i32),
    /// `headerLen` is not 20.
    #[error("header length {0} is not 20")]
    HeaderLen(i16),
    /// A WebSocket message shorter than a header.
    #[error("message of {0} bytes is shorter than a frame header")]
    MessageTooShort(usize),
    /// A frame that claims more than the WebSocket message that holds it (D1).
    #[error("frame of {pack_len} bytes does not fit its message of {message_bytes}")]
    BeyondMessage {
        /// Bytes claimed.
        pack_len: usize,
        /// Bytes there.
        message_bytes: usize,
    },
}

/// Reads the first frame of a byte stream (TCP, spec 1.1).
///
/// # Errors
/// [`FrameError::PackLen`] as soon as 4 bytes are there, [`FrameError::HeaderLen`] as soon as 6 are.
pub fn decode(buf: &[u8]) -> Result<Decoded<'_>, FrameError> {
    let Some((pack_len, rest)) = buf.split_first_chunk() else {
        return Ok(Decoded::Incomplete { needed: TXCHAT_HEADER_BYTES });
    };
    let pack_len = check_pack_len(i32::from_be_bytes(*pack_len))?;
    if let Some(header_len) = rest.first_chunk() {
        check_header_len(i16::from_be_bytes(*header_len))?;
    }
    let Some(frame) = buf.get(..pack_len) else {
        return Ok(Decoded::Incomplete { needed: pack_len });
    };
    let Some((head, body)) = frame.split_first_chunk() else {
        return Ok(Decoded::Incomplete { needed: TXCHAT_HEADER_BYTES });
    };
    Ok(Decoded::Complete { frame: FrameRef { header: read_header(head), body }, consumed: pack_len })
}

/// Reads the frame of one WebSocket message; bytes behind `packLen` are ignored (spec 1.1).
///
/// # Errors
/// Every [`FrameError`]; a message that does not hold its whole frame is one.
pub fn decode_message(message: &[u8]) -> Result<FrameRef<'_>, FrameError> {
    if message.len() < TXCHAT_HEADER_BYTES {
        return Err(FrameError::MessageTooShort(message.len()));
    }
    match decode(message)? {
        Decoded::Complete { frame, .. } => Ok(frame),
        Decoded::Incomplete { needed } => {
            Err(FrameError::BeyondMessage { pack_len: needed, message_bytes: message.len() })
        }
    }
}

fn check_pack_len(pack_len: i32) -> Result<usize, FrameError> {
    match usize::try_from(pack_len) {
        Ok(length) if (TXCHAT_HEADER_BYTES..=TXCHAT_FRAME_BYTES_MAX).contains(&length) => Ok(length),
        _ => Err(FrameError::PackLen(pack_len)),
    }
}

fn check_header_len(header_len: i16) -> Result<(), FrameError> {
    if header_len == HEADER_LEN { Ok(()) } else { Err(FrameError::HeaderLen(header_len)) }
}

/// Reads what follows the lengths.
fn read_header(bytes: &[u8; TXCHAT_HEADER_BYTES]) -> Header {
    let [_, _, _, _, _, _, v0, v1, o0, o1, o2, o3, s0, s1, s2, s3, a0, a1, a2, a3] = *bytes;
    Header {
        ver: i16::from_be_bytes([v0, v1]),
        op: Op(i32::from_be_bytes([o0, o1, o2, o3])),
        seq: i32::from_be_bytes([s0, s1, s2, s3]),
        ack: i32::from_be_bytes([a0, a1, a2, a3]),
    }
}
