//! A chat message in its envelope (spec 2.1, 2.2).

use std::borrow::Cow;

use super::error::EnvelopeError;
use super::open::{BODY, open};
use super::reader::Reader;
use super::size::Sizes;
use super::writer::{int32, put_bytes, put_length, put_number, put_present};

pub(super) const CHANNEL_TYPE: u32 = 1;
pub(super) const MID: u32 = 2;
pub(super) const SEQ: u32 = 3;
pub(super) const FROM: u32 = 4;
pub(super) const TARGET: u32 = 5;
pub(super) const MSG_TYPE: u32 = 6;
pub(super) const MSG: u32 = 7;
pub(super) const DATETIME: u32 = 8;
pub(super) const SOURCE: u32 = 9;
pub(super) const REFERENCE: u32 = 10;

/// A `Common`, to be written or as read (spec 2.2).
///
/// What a client sends leaves `mid`, `from` and `datetime` at their defaults; what the server pushes has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common<'a> {
    /// 0 = to a user, 1 = to a group; any other number was sent like that.
    pub channel_type: i32,
    /// Message id; 0 before the server has given one.
    pub mid: i64,
    /// The client's idempotency key; not the sequence of a frame.
    pub seq: &'a str,
    /// Sender.
    pub from: &'a str,
    /// A user id, or a decimal group id.
    pub target: &'a str,
    /// Kind of `msg` (spec 2.4).
    pub msg_type: i32,
    /// The body of that kind, opaque.
    pub msg: &'a [u8],
    /// Unix time in milliseconds; 0 before the server has given one.
    pub datetime: u64,
    /// A [`super::super::pb::Source`], valid, its bytes as they came; owned only when they came in pieces.
    pub source: Option<Cow<'a, [u8]>>,
    /// A [`super::super::pb::Reference`], likewise.
    pub reference: Option<Cow<'a, [u8]>>,
    /// Fields that this version does not know, whole and in their order. Written last. What
    /// [`Common::put_ext`] made may stand here instead of `source` and `reference`: the bytes written are the same.
    pub unknown: Cow<'a, [u8]>,
}

impl<'a> Common<'a> {
    /// Reads an envelope that holds a `Common` (ops 7 and 9).
    ///
    /// # Errors
    /// [`EnvelopeError::EventType`] for an envelope of another kind; any other when the bytes are no valid protobuf.
    pub fn parse(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        let envelope = open(body)?;
        if envelope.event_type != super::event_type::COMMON {
            return Err(EnvelopeError::EventType(envelope.event_type));
        }
        Self::parse_inner(envelope.body)
    }

    /// Reads the `Common` itself.
    pub(super) fn parse_inner(message: &'a [u8]) -> Result<Self, EnvelopeError> {
        let mut common = Self::default();
        let mut fields = Reader::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                CHANNEL_TYPE => common.channel_type = field.int32()?,
                MID => common.mid = field.int64()?,
                SEQ => common.seq = field.string()?,
                FROM => common.from = field.string()?,
                TARGET => common.target = field.string()?,
                MSG_TYPE => common.msg_type = field.int32()?,
                MSG => common.msg = field.bytes()?,
                DATETIME => common.datetime = field.uint64()?,
                SOURCE => merge(&mut common.source, check_source(field.bytes()?)?),
                REFERENCE => merge(&mut common.reference, check_reference(field.bytes()?)?),
                _ => append(&mut common.unknown, field.raw),
            }
        }
        Ok(common)
    }

    /// Bytes of the envelope that [`Common::put`] writes. To be compared with
    /// [`crate::limits::TXCHAT_BODY_BYTES_MAX`] before a message is taken (ruling 5).
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.sizes().envelope_len()
    }

    /// Appends the envelope, as canonical proto3.
    pub fn put(&self, out: &mut Vec<u8>) {
        let inner = self.sizes().common_len();
        out.reserve(inner + 4);
        // An envelope of event type 0 has no field 1; an empty body no field 2.
        if inner == 0 {
            return;
        }
        put_length(out, BODY, inner);
        put_number(out, CHANNEL_TYPE, int32(self.channel_type));
        put_number(out, MID, self.mid.cast_unsigned());
        put_bytes(out, SEQ, self.seq.as_bytes());
        put_bytes(out, FROM, self.from.as_bytes());
        put_bytes(out, TARGET, self.target.as_bytes());
        put_number(out, MSG_TYPE, int32(self.msg_type));
        put_bytes(out, MSG, self.msg);
        put_number(out, DATETIME, self.datetime);
        self.put_ext(out);
    }

    /// Appends what only this dialect knows: source, reference and unknown fields, as fields of a `Common`. Kept with a
    /// message and given back as [`Common::unknown`], it makes the same bytes again.
    pub fn put_ext(&self, out: &mut Vec<u8>) {
        if let Some(source) = &self.source {
            put_present(out, SOURCE, source);
        }
        if let Some(reference) = &self.reference {
            put_present(out, REFERENCE, reference);
        }
        out.extend_from_slice(&self.unknown);
    }

    fn sizes(&self) -> Sizes {
        Sizes {
            channel_type: self.channel_type,
            mid: self.mid,
            seq: self.seq.len(),
            from: self.from.len(),
            target: self.target.len(),
            msg_type: self.msg_type,
            msg: self.msg.len(),
            datetime: self.datetime,
            source: self.source.as_ref().map(|bytes| bytes.len()),
            reference: self.reference.as_ref().map(|bytes| bytes.len()),
            unknown: self.unknown.len(),
        }
    }
}

/// Merges an embedded message into what was seen of it: two encodings behind each other encode the merged message.
fn merge<'a>(seen: &mut Option<Cow<'a, [u8]>>, more: &'a [u8]) {
    append(seen.get_or_insert_default(), more);
}

/// Appends; copies only when there is something on both sides.
fn append<'a>(seen: &mut Cow<'a, [u8]>, more: &'a [u8]) {
    if seen.is_empty() {
        *seen = Cow::Borrowed(more);
    } else if !more.is_empty() {
        seen.to_mut().extend_from_slice(more);
    }
}

/// `Source{channelType=1; from=2; target=3}` (spec 2.2).
fn check_source(message: &[u8]) -> Result<&[u8], EnvelopeError> {
    let mut fields = Reader::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => drop(field.int32()?),
            2 | 3 => check_source_user(field.bytes()?)?,
            _ => {}
        }
    }
    Ok(message)
}

/// `SourceUser{id=1; name=2}` (spec 2.2).
fn check_source_user(message: &[u8]) -> Result<(), EnvelopeError> {
    let mut fields = Reader::new(message);
    while let Some(field) = fields.next_field()? {
        if matches!(field.number, 1 | 2) {
            field.string()?;
        }
    }
    Ok(())
}

/// `Reference{topic=1; ref=2}` (spec 2.2).
fn check_reference(message: &[u8]) -> Result<&[u8], EnvelopeError> {
    let mut fields = Reader::new(message);
    while let Some(field) = fields.next_field()? {
        if matches!(field.number, 1 | 2) {
            field.int64()?;
        }
    }
    Ok(message)
}
