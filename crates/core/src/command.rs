//! What roles say to each other about one message or one login.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use thiserror::Error;

use crate::app::App;
use crate::device::{Device, Start};
use crate::event::Login;
use crate::ids::{AppId, ClientSeq, GroupId, MsgId, NodeId, UserId};
use crate::key::SyncKey;
use crate::message::Content;
use crate::session::{ConnAddr, Transport};

/// A login, as an edge translated it. Secret: [`ConnectRequest::token`] is never logged.
#[derive(Clone)]
pub struct ConnectRequest {
    /// The app's name as the client sent it, unchecked.
    pub app: Box<str>,
    /// The proof of identity, unchecked.
    pub token: Box<str>,
    /// The device, when the client named one.
    pub device: Option<Arc<Device>>,
    /// What it said besides.
    pub details: LoginDetails,
    /// How the client is connected.
    pub transport: Transport,
    /// From where.
    pub remote: SocketAddr,
}

/// What only a login needs; the session does not keep it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct LoginDetails {
    /// The name the user goes by on this device, for people.
    pub user_name: Box<str>,
    /// Where a third party pushes to this device; empty when nowhere. Secret: never logged.
    pub push_token: Box<str>,
    /// The device comes back by itself; nobody asked it to log in (txchat `ConnType`, ruling 8).
    pub is_reconnect: bool,
}

/// A login that succeeded.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The app.
    pub app: Arc<App>,
    /// The user.
    pub user: UserId,
    /// The user's id as clients know it.
    pub user_name: Arc<str>,
    /// Where the device's cursor stands: entries above it are for this session.
    pub start: Start,
    /// The largest cursor of the user's devices: up to there, senders have their receipts.
    pub received: SyncKey,
    /// When it logged in, unix milliseconds.
    pub since_ms: u64,
}

/// Private messages of one sender have reached their reader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The app.
    pub app: AppId,
    /// Whom they have reached.
    pub reader: UserId,
    /// Who sent them.
    pub sender: UserId,
    /// The messages, at most 1,000.
    pub messages: Vec<MsgId>,
}

/// Why a login is refused. Only [`ConnectRefused::NewerDevice`] is told the client in the dialect's own words (spec 1.4);
/// the others close the connection.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectRefused {
    /// No such app, or an empty name.
    #[error("unknown app")]
    UnknownApp,
    /// The token proves nothing.
    #[error("invalid token")]
    InvalidToken,
    /// The token is too old, or dated too far ahead (ruling 7).
    #[error("expired token")]
    Expired,
    /// The token has opened a connection already, and the app wants it used once (ruling 7).
    #[error("token used before")]
    Replayed,
    /// The login itself is malformed (an id or device key out of bounds).
    #[error("malformed login")]
    Malformed,
    /// A backend did not answer; the client retries.
    #[error("authentication is unavailable")]
    Unavailable,
    /// Too many logins wait already; the client retries.
    #[error("too many logins wait")]
    Busy,
    /// A phone came back by itself, but this other one of the user's has logged in since (ruling 8). The client may try
    /// again on the same connection, with a login that somebody asked for.
    #[error("another phone has logged in since")]
    NewerDevice(Box<Login>),
}

impl ConnectRefused {
    /// Whether the same login may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Busy)
    }
}

/// Whom a message is for, as far as the edge could tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A user whose id is canonical decimal.
    User(UserId),
    /// A user by another id; answer looks its number up, in order.
    UserNamed(Box<str>),
    /// A group.
    Group(GroupId),
    /// A group by an id that no group can have (spec D34).
    NoGroup,
}

/// Whom the outcome of a send is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyTo {
    /// The client that sent it: where, and the sequence of its frame.
    Connection(ConnAddr, ClientSeq),
    /// A call of this process (admin API, gRPC): its number there.
    Call(NodeId, u64),
}

/// A message that a client or a call wants sent.
#[derive(Clone, Debug)]
pub struct SendCommand {
    /// The app.
    pub app: AppId,
    /// The authenticated sender.
    pub from: UserId,
    /// To whom.
    pub target: Target,
    /// What.
    pub content: Content,
    /// The dialect's own part.
    pub ext: Bytes,
    /// The client's idempotency key; empty is never deduplicated.
    pub client_id: Bytes,
    /// The sending device's key; empty when unknown.
    pub device: Bytes,
    /// Whom to tell.
    pub reply_to: ReplyTo,
}

/// A [`SendCommand`] on the inbound bus: its id and time are fixed, and travel with it (promise 3).
#[derive(Clone, Debug)]
pub struct InboundSend {
    /// The id it gets if it is not a repetition.
    pub id: MsgId,
    /// Its time, unix milliseconds.
    pub time_ms: u64,
    /// When logic took it, for the stage metrics.
    pub taken_at: Instant,
    /// The command.
    pub command: SendCommand,
}

/// What became of a send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendOutcome {
    /// Durable. A repetition answers as the first did.
    Accepted {
        /// The message's id.
        id: MsgId,
        /// Its time, unix milliseconds.
        time_ms: u64,
    },
    /// Not sent, and nothing is remembered of it: a repetition is decided afresh (ruling 2).
    Refused(Refusal),
}

/// Why a message is refused. Each edge maps these to its own codes in one file, without a wildcard arm.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The type is not one that clients may send (spec 2.4).
    #[error("this message type cannot be sent by clients")]
    TypeNotAllowed,
    /// The envelope or an id in it is malformed.
    #[error("the message is malformed")]
    Malformed,
    /// With id, sender and time stamped it would outgrow what every path can carry (ruling 5).
    #[error("the message is too large")]
    TooLarge,
    /// No such user.
    #[error("no such user")]
    UnknownUser,
    /// No such group.
    #[error("no such group")]
    UnknownGroup,
    /// The sender is not a member of the group.
    #[error("the sender is not a member of the group")]
    NotMember,
    /// The sender is muted in the group.
    #[error("the sender is muted in this group")]
    Muted,
    /// Only owner and admins may speak in the group.
    #[error("the group is muted")]
    GroupMuted,
    /// Too many messages in too short a time.
    #[error("too many messages")]
    RateLimited,
    /// The disk is nearly full; reads and acknowledgements go on.
    #[error("the server cannot store messages at the moment")]
    StorageFull,
    /// A part that decides did not answer; a repetition may succeed.
    #[error("the server is temporarily unavailable")]
    Unavailable,
    /// The receiver has blacklisted the sender.
    #[error("the receiver does not want messages of the sender")]
    Blacklisted,
    /// The app allows private messages between friends only, and one of the two does not have the other as a friend.
    #[error("sender and receiver are not friends")]
    NotFriend,
}
