//! What a client says and reads, between this crate's plain values and `halley-wire`'s bytes (spec 1.2, 2.1 to 2.6).
//!
//! Nothing else of this crate knows a body.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use halley_wire::limits::{TXCHAT_FRAME_BYTES_MAX, TXCHAT_HEADER_BYTES};
use halley_wire::txchat::{Common, Decoded, Header, Op, Pushed, decode, encode_header, pb};
use prost::Message as _;

use super::config::Login;
use super::event::{Message, Outgoing, Signal, Target};
use super::session::SessionError;

/// Bytes of a frame before its body.
pub const HEADER_BYTES: usize = TXCHAT_HEADER_BYTES;
/// The longest frame.
pub const FRAME_BYTES_MAX: usize = TXCHAT_FRAME_BYTES_MAX;
/// `MsgType` of a text.
pub const MSG_TEXT: i32 = 1;

/// Operations (spec 1.3) that a client meets.
pub mod op {
    /// Client logs in.
    pub const AUTH: i32 = 1;
    /// Empty body: accepted.
    pub const AUTH_REPLY: i32 = 2;
    /// Client lives.
    pub const HEARTBEAT: i32 = 3;
    /// Its answer.
    pub const HEARTBEAT_REPLY: i32 = 4;
    /// Client sends a message.
    pub const SEND_MSG: i32 = 7;
    /// Its answer: `ack` is the send's `seq`.
    pub const SEND_MSG_REPLY: i32 = 8;
    /// Server pushes.
    pub const RECEIVE_MSG: i32 = 9;
    /// Client has it: `ack` is the push's `seq`.
    pub const RECEIVE_MSG_REPLY: i32 = 10;
}

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Operation, see [`op`].
    pub op: i32,
    /// The originator's number.
    pub seq: i32,
    /// What it answers.
    pub ack: i32,
    /// The body.
    pub body: Bytes,
}

impl Frame {
    /// A frame without a body.
    #[must_use]
    pub fn new(op: i32, seq: i32, ack: i32) -> Self {
        Self { op, seq, ack, body: Bytes::new() }
    }

    /// Appends its bytes; a body that no frame can carry is left out whole (callers check [`FRAME_BYTES_MAX`] before).
    pub fn encode(&self, out: &mut impl BufMut) {
        let header = Header { ver: 1, op: Op(self.op), seq: self.seq, ack: self.ack };
        if let Ok(header) = encode_header(header, self.body.len()) {
            out.put_slice(&header);
            out.put_slice(&self.body);
        }
    }

    /// Takes the first frame off `input`, when it is complete.
    ///
    /// # Errors
    /// [`SessionError::Malformed`] when the header lies.
    pub fn decode(input: &mut BytesMut) -> Result<Option<Self>, SessionError> {
        let (header, consumed) =
            match decode(input).map_err(|_| SessionError::Malformed("a frame header that lies"))? {
                Decoded::Complete { frame, consumed } => (frame.header, consumed),
                Decoded::Incomplete { .. } => return Ok(None),
            };
        let mut body = input.split_to(consumed).freeze();
        body.advance(HEADER_BYTES);
        Ok(Some(Self { op: header.op.0, seq: header.seq, ack: header.ack, body }))
    }
}

/// What a server sends in the body of ops 8 and 9.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Envelope {
    /// A message.
    Message(Message),
    /// The answer to a send; `message_id` 0 is a refusal.
    Ack {
        /// The message's id.
        message_id: i64,
        /// Its time.
        time_ms: u64,
        /// Why it was refused (design ruling 4).
        code: i32,
    },
    /// A signal.
    Signal(Signal),
}

/// The login frame; `again` says that this client was logged in before.
#[must_use]
pub fn encode_auth(app: &str, token: &str, login: Option<&Login>, again: bool, seq: i32) -> Frame {
    let ext = login.map(|login| pb::Login {
        device: login.device.number(),
        username: login.username.clone(),
        device_token: login.device_token.clone(),
        conn_type: i32::from(again),
        uuid: login.uuid.clone(),
        device_name: login.device_name.clone(),
    });
    let message = pb::AuthMsg {
        app_id: app.to_owned(),
        token: token.to_owned(),
        ext: ext.map(|login| login.encode_to_vec().into()).unwrap_or_default(),
    };
    Frame { op: op::AUTH, seq, ack: 0, body: message.encode_to_vec().into() }
}

/// A message's frame.
#[must_use]
pub fn encode_send(outgoing: &Outgoing, seq: i32) -> Frame {
    let (channel_type, target) = match &outgoing.target {
        Target::User(user) => (0, user),
        Target::Group(group) => (1, group),
    };
    let common = Common {
        channel_type,
        seq: &outgoing.client_id,
        target,
        msg_type: outgoing.kind,
        msg: &outgoing.body,
        ..Common::default()
    };
    let mut body = Vec::with_capacity(common.encoded_len());
    common.put(&mut body);
    Frame { op: op::SEND_MSG, seq, ack: 0, body: body.into() }
}

/// The body of a text.
#[must_use]
pub fn encode_text(text: &str) -> Bytes {
    pb::TextMsg { content: text.to_owned(), mention: Vec::new() }.encode_to_vec().into()
}

/// The text of a text's body; `None` when it is none.
#[must_use]
pub fn text_of(body: &Bytes) -> Option<String> {
    pb::TextMsg::decode(body.clone()).ok().map(|text| text.content)
}

/// The device name in an `EndpointLogin`.
pub(super) fn decode_endpoint_login(body: &Bytes) -> Option<String> {
    pb::SignalEndpointLogin::decode(body.clone()).ok().map(|login| login.device_name)
}

/// Reads an envelope; `None` when it is of a kind that this version does not know.
///
/// # Errors
/// [`SessionError::Malformed`] when it is none.
pub fn decode_envelope(body: &Bytes) -> Result<Option<Envelope>, SessionError> {
    let pushed =
        Pushed::parse(body).map_err(|_| SessionError::Malformed("an envelope that does not decode"))?;
    Ok(Some(match pushed {
        Pushed::Common(common) => Envelope::Message(message(body, &common)),
        Pushed::Ack(ack) => Envelope::Ack { message_id: ack.mid, time_ms: ack.datetime, code: ack.code },
        Pushed::Signal(signal) => Envelope::Signal(Signal {
            kind: signal.kind,
            body: body.slice_ref(signal.body),
            signal_id: signal.sid,
        }),
        Pushed::Other(_) => return Ok(None),
    }))
}

fn message(body: &Bytes, common: &Common<'_>) -> Message {
    let target = common.target.to_owned();
    Message {
        message_id: common.mid,
        from: common.from.to_owned(),
        target: if common.channel_type == 1 { Target::Group(target) } else { Target::User(target) },
        kind: common.msg_type,
        body: body.slice_ref(common.msg),
        client_id: common.seq.to_owned(),
        time_ms: common.datetime,
    }
}
