//! What goes into and comes out of a session.

use bytes::Bytes;

use halley_wire::txchat::refusal_code;

use super::codec;

/// A send's name between the caller and the session; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SendId(pub u64);

/// To whom something is said.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// A user, by id.
    User(String),
    /// A group, by its decimal id.
    Group(String),
}

/// Something to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// To whom.
    pub target: Target,
    /// `Common.msgType`.
    pub kind: i32,
    /// The body of that type.
    pub body: Bytes,
    /// The idempotency key (`Common.seq`). Whoever repeats a send after a restart gives the same one; it must not be empty.
    pub client_id: String,
}

impl Outgoing {
    /// A text.
    #[must_use]
    pub fn text(target: Target, text: &str, client_id: impl Into<String>) -> Self {
        Self { target, kind: codec::MSG_TEXT, body: codec::encode_text(text), client_id: client_id.into() }
    }
}

/// How a send ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is durable, under this id and time.
    Acknowledged {
        /// The server's message id.
        message_id: i64,
        /// The server's time, unix milliseconds.
        time_ms: u64,
    },
    /// It was refused and will not be tried again; nothing was stored.
    Refused {
        /// `CommonAck.code` (design ruling 4); 0 when the server gave none.
        code: i32,
    },
}

/// Why a message was refused, in words.
#[must_use]
pub fn refusal_text(code: i32) -> &'static str {
    match code {
        refusal_code::TYPE_NOT_ALLOWED => "this kind of message cannot be sent by clients",
        refusal_code::MALFORMED => "the message is malformed",
        refusal_code::TOO_LARGE => "the message is too long",
        refusal_code::UNKNOWN_USER => "there is no such user",
        refusal_code::UNKNOWN_GROUP => "there is no such group",
        refusal_code::NOT_MEMBER => "you are not a member of the group",
        refusal_code::MUTED => "you are muted in the group",
        refusal_code::GROUP_MUTED => "the group is muted",
        refusal_code::RATE_LIMITED => "too many messages in too short a time",
        refusal_code::STORAGE_FULL => "the server has no room to store messages at the moment",
        refusal_code::UNAVAILABLE => "the server is temporarily unavailable",
        _ => "the server gave no reason that this version knows",
    }
}

/// A message somebody (perhaps this user, on another device or this one) sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The server's message id.
    pub message_id: i64,
    /// Who sent it.
    pub from: String,
    /// To whom it was sent.
    pub target: Target,
    /// `Common.msgType`.
    pub kind: i32,
    /// The body of that type.
    pub body: Bytes,
    /// The sender's idempotency key.
    pub client_id: String,
    /// The server's time, unix milliseconds.
    pub time_ms: u64,
}

impl Message {
    /// The text, when it is one.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        if self.kind == codec::MSG_TEXT { codec::text_of(&self.body) } else { None }
    }
}

/// A signal (spec 2.5): what happened around messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signal {
    /// Its type.
    pub kind: i32,
    /// The body of that type.
    pub body: Bytes,
    /// Its id; 0 on signals of an offline sync of the original.
    pub signal_id: i64,
}

/// What a session tells its caller, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// The login was accepted.
    Online,
    /// The connection ended (or a login did not succeed); sends stay in the outbox.
    Offline,
    /// A message.
    Message(Message),
    /// A signal.
    Signal(Signal),
}
