//! What other threads tell a bucket.

use std::time::Instant;

use halley_core::command::SendOutcome;
use halley_core::ids::{AppId, ClientSeq, ConnId};
use halley_core::ports::gateways::{Pushed, Transient};
use halley_core::session::{KickReason, SessionInfo};
use tokio::sync::oneshot;

use super::conn::Conn;
use crate::gateway::DrainReport;

/// See the module.
pub(crate) enum Command<S> {
    /// What became of a send.
    Reply {
        conn: ConnId,
        client_seq: ClientSeq,
        outcome: SendOutcome,
        /// When it was decided.
        at: Instant,
    },
    /// Tell whose session this is.
    Session { conn: ConnId, answer: oneshot::Sender<Option<SessionInfo>> },
    /// Push to a session.
    Push { conn: ConnId, what: Transient, answer: oneshot::Sender<Pushed> },
    /// Push to every session of an app.
    Broadcast { app: AppId, what: Transient, answer: oneshot::Sender<usize> },
    /// End a connection.
    Kick { conn: ConnId, reason: KickReason },
    /// A connection whose user belongs here, authenticated elsewhere.
    Adopt(Box<Conn<S>>),
    /// End service.
    Drain { deadline: Instant, done: oneshot::Sender<DrainReport> },
}
