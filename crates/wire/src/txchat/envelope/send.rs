//! What a client sends: the body of op 7 (spec 1.6, 2.2).

use std::borrow::Cow;

use super::common::Common;
use super::error::EnvelopeError;

/// A message as its sender gave it. `mid`, `from` and `datetime` of the input are dropped: the server stamps its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendRef<'a> {
    /// 0 = to a user, 1 = to a group; any other number was sent like that and must be refused.
    pub channel_type: i32,
    /// Idempotency key; not the sequence of the frame.
    pub seq: &'a str,
    /// A user id, or a decimal group id, unchecked (D34).
    pub target: &'a str,
    /// Kind of `msg`, unchecked (spec 2.4).
    pub msg_type: i32,
    /// The body of that kind, opaque (D30).
    pub msg: &'a [u8],
    /// A valid [`super::super::pb::Source`], byte for byte.
    pub source: Option<Cow<'a, [u8]>>,
    /// A valid [`super::super::pb::Reference`], byte for byte.
    pub reference: Option<Cow<'a, [u8]>>,
    /// Fields that this version does not know, byte for byte.
    pub unknown: Cow<'a, [u8]>,
}

/// What the server puts on a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Message id.
    pub mid: i64,
    /// The authenticated sender.
    pub from: &'a str,
    /// Unix time in milliseconds.
    pub datetime: u64,
}

impl<'a> SendRef<'a> {
    /// Reads the body of op 7.
    ///
    /// # Errors
    /// [`EnvelopeError::EventType`] for what clients may not send (spec 2.1), another when the bytes are no valid
    /// protobuf: the message is refused (spec 1.6), the connection stays.
    pub fn parse(body: &'a [u8]) -> Result<Self, EnvelopeError> {
        let common = Common::parse(body)?;
        Ok(Self {
            channel_type: common.channel_type,
            seq: common.seq,
            target: common.target,
            msg_type: common.msg_type,
            msg: common.msg,
            source: common.source,
            reference: common.reference,
            unknown: common.unknown,
        })
    }

    /// The message as receivers get it, nothing copied.
    #[must_use]
    pub fn stamped<'b>(&'b self, stamp: Stamp<'b>) -> Common<'b> {
        Common {
            channel_type: self.channel_type,
            mid: stamp.mid,
            seq: self.seq,
            from: stamp.from,
            target: self.target,
            msg_type: self.msg_type,
            msg: self.msg,
            datetime: stamp.datetime,
            source: self.source.as_deref().map(Cow::Borrowed),
            reference: self.reference.as_deref().map(Cow::Borrowed),
            unknown: Cow::Borrowed(&self.unknown),
        }
    }

    /// Appends what only this dialect knows; see [`Common::put_ext`].
    pub fn put_ext(&self, out: &mut Vec<u8>) {
        self.stamped(Stamp::default()).put_ext(out);
    }
}
