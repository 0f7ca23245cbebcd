//! Pushes of what is in no timeline: what a business server says to one connection or to everybody online, and what the
//! server itself tells a session. They take a place in the window, are acknowledged and resent like every push, and are
//! gone with the connection.

use std::sync::Arc;

use halley_core::ids::{AppId, ConnId};
use halley_core::ports::gateways::{Pushed, Transient};
use halley_wire::limits::TXCHAT_BODY_BYTES_MAX;
use halley_wire::txchat::{Header, Op};

use super::core::Bucket;
use super::slots::Token;
use super::window::Track;

/// A transient push as a session of the txchat dialect gets it.
enum Bytes {
    /// Body of a ReceiveMsg frame.
    Push(Arc<[u8]>),
    /// Sequence and body of a SendMsgReply frame.
    Reply(i32, Arc<[u8]>),
}

impl<S> Bucket<S> {
    /// Pushes to one session.
    pub(crate) fn push_transient(&mut self, conn: ConnId, what: &Transient) -> Pushed {
        let Some(slot) = self.conns.find(Token::of_conn(conn)) else { return Pushed::Nobody };
        match self.transient_bytes(what) {
            Some(bytes) => self.give_transient(slot, &bytes),
            None => Pushed::Nobody,
        }
    }

    /// Pushes to every session of an app; answers how many were given it.
    pub(crate) fn broadcast(&mut self, app: AppId, what: &Transient) -> usize {
        let Some(bytes) = self.transient_bytes(what) else { return 0 };
        let mut given = 0;
        for slot in self.conns.taken() {
            let session = self.conns.get(slot).and_then(|conn| conn.session());
            if session.is_some_and(|session| session.info.app == app) {
                given += usize::from(matches!(self.give_transient(slot, &bytes), Pushed::Sent(_)));
            }
        }
        given
    }

    fn transient_bytes(&mut self, what: &Transient) -> Option<Bytes> {
        match what {
            Transient::Message(message) => {
                self.renderer.render_transient(message, &*self.ports.users).map(Bytes::Push)
            }
            Transient::TxchatPush(body) | Transient::TxchatReply(_, body)
                if body.len() > TXCHAT_BODY_BYTES_MAX =>
            {
                None
            }
            Transient::TxchatPush(body) => Some(Bytes::Push(Arc::from(&body[..]))),
            Transient::TxchatReply(seq, body) => Some(Bytes::Reply(*seq, Arc::from(&body[..]))),
        }
    }

    fn give_transient(&mut self, slot: u32, bytes: &Bytes) -> Pushed {
        let room = self.room(slot);
        let Some(conn) = self.conns.get(slot) else { return Pushed::Nobody };
        let Some(session) = conn.session() else { return Pushed::Nobody };
        if room == 0 {
            self.metrics().drops.transient_window_full.inc();
            return Pushed::Full;
        }
        match bytes {
            // It covers what is shown already: the cursor passes it with the push before.
            Bytes::Push(body) => {
                let seen = session.seen;
                Pushed::Sent(self.push(slot, Track::Main, seen, body, None))
            }
            Bytes::Reply(seq, body) => {
                let header = Header { ver: session.version, op: Op::SEND_MSG_REPLY, seq: *seq, ack: *seq };
                self.send_frame(slot, header, body);
                Pushed::Sent(*seq)
            }
        }
    }
}
