//! The answer to a send: the body of op 8 (spec 2.3, ruling 4).

use std::ops::Deref;

use super::error::EnvelopeError;
use super::event_type;
use super::open::{BODY, EVENT_TYPE, open};
use super::reader::Reader;
use super::writer::{Out, int32, number_len, put_length, put_number};

const MID: u32 = 2;
const DATETIME: u32 = 8;
const CODE: u32 = 100;

/// Longest envelope: 4 for it, 11 and 11 for id and time, 12 for the code.
const ACK_BYTES_MAX: usize = 38;

/// A `CommonAck` (spec 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ack {
    /// Message id; 0 when the message was refused (ruling 4).
    pub mid: i64,
    /// Unix time in milliseconds at which the server took it.
    pub datetime: u64,
    /// Why it was refused; 0 when it was not. Halley's extension (ruling 4), absent for the original's clients.
    pub code: i32,
}

/// An encoded [`Ack`], on the stack.
#[derive(Clone, Copy, Debug)]
pub struct AckBytes {
    bytes: [u8; ACK_BYTES_MAX],
    used: usize,
}

impl Deref for AckBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }
}

impl Out for AckBytes {
    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.used..self.used + bytes.len()) {
            room.copy_from_slice(bytes);
            self.used += bytes.len();
        }
    }
}

impl Ack {
    /// The envelope, as canonical proto3.
    #[must_use]
    pub fn encode(&self) -> AckBytes {
        let (mid, code) = (self.mid.cast_unsigned(), int32(self.code));
        let inner = number_len(MID, mid) + number_len(DATETIME, self.datetime) + number_len(CODE, code);
        let mut out = AckBytes { bytes: [0; ACK_BYTES_MAX], used: 0 };
        put_number(&mut out, EVENT_TYPE, int32(event_type::COMMON_ACK));
        if inner > 0 {
            put_length(&mut out, BODY, inner);
        }
        put_number(&mut out, MID, mid);
        put_number(&mut out, DATETIME, self.datetime);
        put_number(&mut out, CODE, code);
        out
    }

    /// Reads the body of op 8.
    ///
    /// # Errors
    /// [`EnvelopeError::EventType`] for an envelope of another kind; any other when the bytes are no valid protobuf.
    pub fn parse(body: &[u8]) -> Result<Self, EnvelopeError> {
        let envelope = open(body)?;
        if envelope.event_type != event_type::COMMON_ACK {
            return Err(EnvelopeError::EventType(envelope.event_type));
        }
        Self::parse_inner(envelope.body)
    }

    pub(super) fn parse_inner(message: &[u8]) -> Result<Self, EnvelopeError> {
        let mut ack = Self::default();
        let mut fields = Reader::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                MID => ack.mid = field.int64()?,
                DATETIME => ack.datetime = field.uint64()?,
                CODE => ack.code = field.int32()?,
                _ => {}
            }
        }
        Ok(ack)
    }
}
