//! The frame: a 20-byte big-endian header and a body (spec 1.2).
//!
//! Owns the header's layout and its encoding; reading is in `frame_decode`. Does not look into bodies.
//!
//! | offset | field |
//! |---|---|
//! | 0 | packLen, i32: header and body |
//! | 4 | headerLen, i16: 20 |
//! | 6 | ver, i16 |
//! | 8 | op, i32 |
//! | 12 | seq, i32 |
//! | 16 | ack, i32 |

use bytes::Bytes;

use super::Op;
use crate::limits::{TXCHAT_BODY_BYTES_MAX, TXCHAT_HEADER_BYTES};

/// `headerLen` of every frame (spec 1.2).
pub(super) const HEADER_LEN: i16 = 20;

/// What a header says apart from lengths (spec 1.2).
///
/// An answer is usually the request's header with another `op`: `Header { op: Op::AUTH_REPLY, ..request }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Header {
    /// Protocol version; never checked, echoed in answers (spec 1.2).
    pub ver: i16,
    /// What the frame is (spec 1.3).
    pub op: Op,
    /// The sender's sequence (spec 1.8).
    pub seq: i32,
    /// The sequence that is acknowledged (spec 1.8).
    pub ack: i32,
}

/// A frame whose body is borrowed from the input buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRef<'a> {
    /// The header without its lengths.
    pub header: Header,
    /// At most [`TXCHAT_BODY_BYTES_MAX`] bytes.
    pub body: &'a [u8],
}

/// A frame that owns its body; clones share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The header without its lengths.
    pub header: Header,
    /// At most [`TXCHAT_BODY_BYTES_MAX`] bytes, or it cannot be encoded.
    pub body: Bytes,
}

/// A body over [`TXCHAT_BODY_BYTES_MAX`] has no frame. Nothing was written; the message must be refused (ruling 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("body of {0} bytes is larger than a frame can carry")]
pub struct BodyTooLarge(pub usize);

impl FrameRef<'_> {
    /// Copies the body out of the buffer.
    #[must_use]
    pub fn to_frame(&self) -> Frame {
        Frame { header: self.header, body: Bytes::copy_from_slice(self.body) }
    }
}

impl Frame {
    /// Appends the frame's bytes.
    ///
    /// # Errors
    /// [`BodyTooLarge`], with `out` as it was.
    pub fn put(&self, out: &mut Vec<u8>) -> Result<(), BodyTooLarge> {
        put_frame(out, self.header, &self.body)
    }
}

/// Header of a frame whose body has `body_bytes` bytes, for a caller that writes the body elsewhere.
///
/// # Errors
/// [`BodyTooLarge`] when the body has more than [`TXCHAT_BODY_BYTES_MAX`] bytes.
pub fn encode_header(header: Header, body_bytes: usize) -> Result<[u8; TXCHAT_HEADER_BYTES], BodyTooLarge> {
    if body_bytes > TXCHAT_BODY_BYTES_MAX {
        return Err(BodyTooLarge(body_bytes));
    }
    let pack_len = i32::try_from(TXCHAT_HEADER_BYTES + body_bytes).map_err(|_| BodyTooLarge(body_bytes))?;
    let mut bytes = [0; TXCHAT_HEADER_BYTES];
    bytes[0..4].copy_from_slice(&pack_len.to_be_bytes());
    bytes[4..6].copy_from_slice(&HEADER_LEN.to_be_bytes());
    bytes[6..8].copy_from_slice(&header.ver.to_be_bytes());
    bytes[8..12].copy_from_slice(&header.op.0.to_be_bytes());
    bytes[12..16].copy_from_slice(&header.seq.to_be_bytes());
    bytes[16..20].copy_from_slice(&header.ack.to_be_bytes());
    Ok(bytes)
}

/// Appends a frame.
///
/// # Errors
/// [`BodyTooLarge`] when the body has more than [`TXCHAT_BODY_BYTES_MAX`] bytes; `out` is then as it was.
pub fn put_frame(out: &mut Vec<u8>, header: Header, body: &[u8]) -> Result<(), BodyTooLarge> {
    let head = encode_header(header, body.len())?;
    out.reserve(head.len() + body.len());
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
    Ok(())
}

/// A frame without a body: AuthReply of an accepted login, Heartbeat, ReceiveMsgReply (spec 1.3).
#[must_use]
pub fn encode_empty(header: Header) -> [u8; TXCHAT_HEADER_BYTES] {
    encode_header(header, 0).expect("an empty body fits")
}

/// The HeartbeatReply to a heartbeat: its `ver`, `seq` and `ack`, and four zero bytes (spec 1.3).
#[must_use]
pub fn encode_heartbeat_reply(request: Header) -> [u8; TXCHAT_HEADER_BYTES + 4] {
    let header = Header { op: Op::HEARTBEAT_REPLY, ..request };
    let mut bytes = [0; TXCHAT_HEADER_BYTES + 4];
    bytes[..TXCHAT_HEADER_BYTES].copy_from_slice(&encode_header(header, 4).expect("four bytes fit"));
    bytes
}
