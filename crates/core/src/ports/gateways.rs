//! Gateways: how other roles reach connections and waiting calls.

use std::sync::Arc;

use bytes::Bytes;

use crate::command::{ReplyTo, SendOutcome};
use crate::ids::AppId;
use crate::message::Message;
use crate::reply::Reply;
use crate::session::{ConnAddr, KickReason, SessionInfo};

/// What is pushed without being in a timeline: it is gone with the connection. Bounded by the window of the session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transient {
    /// A message or event that nobody stored; each dialect shows it as it shows an entry of its kind.
    Message(Arc<Message>),
    /// The body of a txchat ReceiveMsg frame, as a business server made it (PushByKeys). Other dialects skip it.
    TxchatPush(Bytes),
    /// The body of a txchat SendMsgReply frame to the send with this sequence, as a business server made it.
    TxchatReply(i32, Bytes),
}

/// What became of a transient push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// It was sent with this push sequence (0 where the dialect has none).
    Sent(i32),
    /// There is no such session, or its dialect cannot show it.
    Nobody,
    /// Its window, or its bucket's queue, is full: it was dropped and counted.
    Full,
}

/// Reaches connections by address. Bounded: what a full bucket cannot take is refused and counted; the client's
/// repetition gets the answer then.
pub trait Gateways: Send + Sync {
    /// Tells the sender what became of a message. `false`: the connection is gone or its bucket's queue full.
    fn reply(&self, to: ReplyTo, outcome: SendOutcome) -> bool;

    /// Ends a connection. `false`: it could not be told.
    fn kick(&self, addr: ConnAddr, reason: KickReason) -> bool;

    /// The session at this address; `None` when there is none, or its gateway is too busy to say.
    fn session(&self, addr: ConnAddr) -> Reply<Option<SessionInfo>>;

    /// Pushes to one session. A session that reads its timeline still is given it too: it is not part of the order.
    fn push(&self, addr: ConnAddr, what: Transient) -> Reply<Pushed>;

    /// Pushes to every session of an app; answers how many were sent it. Those whose window is full are not, and
    /// are counted among the drops.
    fn broadcast(&self, app: AppId, what: Transient) -> Reply<usize>;
}
