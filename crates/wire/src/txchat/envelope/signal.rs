//! A signal in its envelope (spec 2.5).

use super::error::EnvelopeError;
use super::event_type;
use super::open::{BODY, EVENT_TYPE, open};
use super::reader::Reader;
use super::writer::{bytes_len, int32, number_len, put_bytes, put_length, put_number};

const TYPE: u32 = 1;
const SIGNAL_BODY: u32 = 2;
const SID: u32 = 3;
const RELIABLE: u32 = 4;

/// A `Signal`, to be written or as read (spec 2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signal<'a> {
    /// Signal type; a [`super::super::pb::SignalType`] or a number that this version does not know.
    pub kind: i32,
    /// The body of that type, opaque here.
    pub body: &'a [u8],
    /// Message id; 0 (absent) when the original's offline sync repeats a signal.
    pub sid: i64,
    /// Kept for offline delivery; absent when the original's offline sync repeats a signal.
    pub reliable: bool,
}

impl<'a> Signal<'a> {
    /// Reads an envelope that holds a `Signal` (op 9).
    ///
    /// # Errors
    /// [`EnvelopeError::EventType`] for an envelope of another kind; any other when the bytes are no valid protobuf.
    pub fn parse(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        let envelope = open(body)?;
        if envelope.event_type != event_type::SIGNAL {
            return Err(EnvelopeError::EventType(envelope.event_type));
        }
        Self::parse_inner(envelope.body)
    }

    pub(super) fn parse_inner(message: &'a [u8]) -> Result<Self, EnvelopeError> {
        let mut signal = Self::default();
        let mut fields = Reader::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                TYPE => signal.kind = field.int32()?,
                SIGNAL_BODY => signal.body = field.bytes()?,
                SID => signal.sid = field.int64()?,
                RELIABLE => signal.reliable = field.bool()?,
                _ => {}
            }
        }
        Ok(signal)
    }

    /// Bytes of the envelope that [`Signal::put`] writes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let inner = self.inner_len();
        let body = bytes_len(BODY, inner);
        number_len(EVENT_TYPE, int32(event_type::SIGNAL)) + body
    }

    /// Appends the envelope, as canonical proto3.
    pub fn put(&self, out: &mut Vec<u8>) {
        let inner = self.inner_len();
        out.reserve(inner + 8);
        put_number(out, EVENT_TYPE, int32(event_type::SIGNAL));
        if inner > 0 {
            put_length(out, BODY, inner);
        }
        put_number(out, TYPE, int32(self.kind));
        put_bytes(out, SIGNAL_BODY, self.body);
        put_number(out, SID, self.sid.cast_unsigned());
        put_number(out, RELIABLE, u64::from(self.reliable));
    }

    fn inner_len(&self) -> usize {
        number_len(TYPE, int32(self.kind))
            + bytes_len(SIGNAL_BODY, self.body.len())
            + number_len(SID, self.sid.cast_unsigned())
            + number_len(RELIABLE, u64::from(self.reliable))
    }
}
