//! Reading frames and messages, in the caller's buffer (RFC 6455, 5; spec 1.1).

use std::borrow::Cow;

use super::error::WsError;
use super::header::{CLOSE, CONTINUATION, FrameHeader, PING, PONG, Parsed, apply_mask, parse};
use crate::limits::WS_FRAGMENTS_MAX;

/// What the bytes at the head of the buffer are. `consumed` of them must be dropped before the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing yet, and nothing was changed.
    Incomplete {
        /// Bytes that must be in the buffer in all before another call can do more. Always more than there are.
        needed: usize,
    },
    /// A piece of a message was taken in; go on.
    Fragment {
        /// Bytes to drop.
        consumed: usize,
    },
    /// A whole message, text or binary.
    Message {
        /// Borrowed from the buffer when it came in one frame, owned when it came in pieces.
        payload: Cow<'a, [u8]>,
        /// Bytes to drop.
        consumed: usize,
    },
    /// Must be answered with a pong that carries the same payload.
    Ping {
        /// At most 125 bytes.
        payload: &'a [u8],
        /// Bytes to drop.
        consumed: usize,
    },
    /// Of no interest.
    Pong {
        /// At most 125 bytes.
        payload: &'a [u8],
        /// Bytes to drop.
        consumed: usize,
    },
    /// To be answered with a close frame of the same code; then the connection ends, whatever follows.
    Close {
        /// The peer's status code, one that may be sent back; `None` when it gave none.
        code: Option<u16>,
        /// Bytes to drop.
        consumed: usize,
    },
}

/// Decoder of one connection, for either side: masked or not is accepted (ruling 11).
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Largest payload of a message, in bytes.
    message_bytes_max: u32,
    /// Boxed, because hardly any connection ever has one.
    pieces: Option<Box<Pieces>>,
}

/// The beginning of a message that is not all there.
#[derive(Clone, Debug, Default)]
struct Pieces {
    bytes: Vec<u8>,
    frames: u8,
}

impl Decoder {
    /// A decoder that refuses messages of more than `message_bytes_max` bytes.
    #[must_use]
    pub const fn new(message_bytes_max: u32) -> Self {
        Self { message_bytes_max, pieces: None }
    }

    /// Whether a message has begun that is not all there: the connection then holds a buffer.
    #[must_use]
    pub const fn is_mid_message(&self) -> bool {
        self.pieces.is_some()
    }

    /// Reads one frame at the head of `buf` and takes its mask off in place.
    ///
    /// # Errors
    /// Any [`WsError`], from the first byte that shows it. The stream is over then.
    pub fn decode<'a>(&mut self, buf: &'a mut [u8]) -> Result<Step<'a>, WsError> {
        let header = match parse(buf)? {
            Parsed::Header(header) => header,
            Parsed::Incomplete(needed) => return Ok(Step::Incomplete { needed }),
        };
        let payload_bytes = self.check(&header)?;
        let consumed = header.header_bytes + payload_bytes;
        let Some(payload) = buf.get_mut(header.header_bytes..consumed) else {
            return Ok(Step::Incomplete { needed: consumed });
        };
        if let Some(mask) = header.mask {
            apply_mask(payload, mask);
        }
        match header.opcode {
            PING => Ok(Step::Ping { payload, consumed }),
            PONG => Ok(Step::Pong { payload, consumed }),
            CLOSE => Ok(Step::Close { code: close_code(payload)?, consumed }),
            _ => Ok(self.take_data(header.fin, payload, consumed)),
        }
    }

    /// Whether the frame may stand here and fits; its payload's length.
    fn check(&self, header: &FrameHeader) -> Result<usize, WsError> {
        let mut before = 0;
        if !header.is_control() {
            match &self.pieces {
                Some(_) if header.opcode != CONTINUATION => return Err(WsError::ExpectedContinuation),
                None if header.opcode == CONTINUATION => return Err(WsError::UnexpectedContinuation),
                Some(pieces) if pieces.frames >= WS_FRAGMENTS_MAX => return Err(WsError::TooManyFragments),
                Some(pieces) => before = pieces.bytes.len(),
                None => {}
            }
        }
        let too_large = WsError::MessageTooLarge(header.payload_bytes);
        let length = u32::try_from(header.payload_bytes).map_err(|_| too_large)?;
        let length = usize::try_from(length).map_err(|_| too_large)?;
        let limit = usize::try_from(self.message_bytes_max).unwrap_or(usize::MAX);
        // Control frames have their own limit, checked with the header.
        if !header.is_control() && length > limit.saturating_sub(before) {
            return Err(too_large);
        }
        Ok(length)
    }

    fn take_data<'a>(&mut self, fin: bool, payload: &'a [u8], consumed: usize) -> Step<'a> {
        if fin {
            let payload = match self.pieces.take() {
                None => Cow::Borrowed(payload),
                Some(mut pieces) => {
                    pieces.bytes.extend_from_slice(payload);
                    Cow::Owned(pieces.bytes)
                }
            };
            return Step::Message { payload, consumed };
        }
        let pieces = self.pieces.get_or_insert_default();
        pieces.bytes.extend_from_slice(payload);
        pieces.frames = pieces.frames.saturating_add(1);
        Step::Fragment { consumed }
    }
}

/// The status code of a close frame (RFC 6455, 5.5.1 and 7.4).
fn close_code(payload: &[u8]) -> Result<Option<u16>, WsError> {
    match payload {
        [] => Ok(None),
        [high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
            _ => Err(WsError::MalformedClose),
        },
        [_] => Err(WsError::MalformedClose),
    }
}
