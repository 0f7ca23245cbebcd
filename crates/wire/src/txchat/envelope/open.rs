//! The envelope itself, and what a client finds in one (spec 2.1).

use super::ack::Ack;
use super::common::Common;
use super::error::EnvelopeError;
use super::reader::Reader;
use super::signal::Signal;

pub(super) const EVENT_TYPE: u32 = 1;
pub(super) const BODY: u32 = 2;

/// What an envelope holds (spec 2.1).
pub mod event_type {
    /// A `Common`: ops 7 and 9.
    pub const COMMON: i32 = 0;
    /// A `CommonAck`: op 8.
    pub const COMMON_ACK: i32 = 1;
    /// A `Signal`: op 9, never from a client.
    pub const SIGNAL: i32 = 2;
}

/// An opened envelope; its body is not looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// What the body is; see [`event_type`].
    pub event_type: i32,
    /// The message inside.
    pub body: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Opens an envelope. Unknown fields of the envelope itself are dropped.
    ///
    /// # Errors
    /// When the bytes are no valid protobuf.
    pub fn parse(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        open(body)
    }
}

/// What a client finds in a pushed frame (ops 8 and 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed<'a> {
    /// A message.
    Common(Common<'a>),
    /// The answer to a send.
    Ack(Ack),
    /// A signal.
    Signal(Signal<'a>),
    /// Something that this version does not know.
    Other(Envelope<'a>),
}

impl<'a> Pushed<'a> {
    /// Reads the body of op 8 or 9.
    ///
    /// # Errors
    /// When the bytes are no valid protobuf.
    pub fn parse(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        let envelope = open(body)?;
        Ok(match envelope.event_type {
            event_type::COMMON => Self::Common(Common::parse_inner(envelope.body)?),
            event_type::COMMON_ACK => Self::Ack(Ack::parse_inner(envelope.body)?),
            event_type::SIGNAL => Self::Signal(Signal::parse_inner(envelope.body)?),
            _ => Self::Other(envelope),
        })
    }
}

/// Reads `Proto{ eventType=1; body=2 }`.
pub(super) fn open(body: &[u8]) -> Result<Envelope<'_>, EnvelopeError> {
    let mut envelope = Envelope::default();
    let mut fields = Reader::new(body);
    while let Some(field) = fields.next_field()? {
        match field.number {
            EVENT_TYPE => envelope.event_type = field.int32()?,
            BODY => envelope.body = field.bytes()?,
            _ => {}
        }
    }
    Ok(envelope)
}
