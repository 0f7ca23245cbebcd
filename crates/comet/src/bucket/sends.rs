//! Messages up, and what became of them.

use std::time::Instant;

use bytes::Bytes;
use halley_core::command::{Refusal, ReplyTo, SendCommand, SendOutcome};
use halley_core::ids::{ClientSeq, ConnId};
use halley_core::ports::logic::SendRefused;
use halley_wire::txchat::{Header, Op};

use super::conn::CloseReason;
use super::core::Bucket;
use super::slots::Token;
use crate::edge::txchat;

impl<S> Bucket<S> {
    /// A SendMsg frame.
    pub(crate) fn handle_send(&mut self, slot: u32, header: Header, body: &[u8]) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let Some(session) = conn.session_mut() else { return };
        session.version = header.ver;
        let client_seq = ClientSeq(header.seq);
        let Some(new) = txchat::send(body) else {
            self.metrics().refusals.malformed.inc();
            self.send_outcome(slot, client_seq, SendOutcome::Refused(Refusal::Malformed));
            return;
        };
        session.unanswered += 1;
        let device = session.info.device.as_ref();
        let command = SendCommand {
            app: session.info.app,
            from: session.info.user,
            target: new.target,
            content: new.content,
            ext: new.ext,
            client_id: new.client_id,
            device: device.map_or_else(Bytes::new, |device| Bytes::copy_from_slice(device.key.0.as_bytes())),
            reply_to: ReplyTo::Connection(session.info.addr, client_seq),
        };
        self.offer(slot, command);
    }

    /// Puts a send on the bus; without room there the connection waits, and others go on.
    fn offer(&mut self, slot: u32, command: SendCommand) {
        match self.ports.logic.send(command, self.now) {
            Ok(()) => {}
            Err(SendRefused::Full(command)) => {
                let token = self.conns.token(slot);
                let Some(conn) = self.conns.get_mut(slot) else { return };
                conn.held = Some(command);
                self.work.held.push_back(token);
                self.retry_soon();
            }
            Err(SendRefused::Closed) => self.close(slot, CloseReason::Shutdown),
        }
    }

    /// Offers held sends again, oldest first, until the bus is full again.
    pub(crate) fn retry_held(&mut self) {
        if self.work.retry_at.is_some_and(|at| at <= self.tick) {
            self.work.retry_at = None;
            if !self.work.moving.is_empty() {
                self.retry_soon();
            }
        }
        for _ in 0..self.work.held.len() {
            let Some(token) = self.work.held.pop_front() else { return };
            let Some(slot) = self.conns.find(token) else { continue };
            let held = self.conns.get_mut(slot).and_then(|conn| conn.held.take());
            let Some(command) = held else { continue };
            self.offer(slot, *command);
            self.resume(slot);
        }
    }

    /// The outcome of a send, for a client that may be gone.
    pub(crate) fn reply(&mut self, conn: ConnId, client_seq: ClientSeq, outcome: SendOutcome, at: Instant) {
        let slot = self.conns.find(Token::of_conn(conn));
        let session = slot.and_then(|slot| self.conns.get_mut(slot)?.session_mut());
        let (Some(slot), Some(session)) = (slot, session) else {
            self.metrics().drops.reply_without_connection.inc();
            return;
        };
        session.unanswered = session.unanswered.saturating_sub(1);
        self.work.answered.push(at);
        self.send_outcome(slot, client_seq, outcome);
    }

    /// SendMsgReply: seq and ack are the client's seq (spec 1.3).
    fn send_outcome(&mut self, slot: u32, client_seq: ClientSeq, outcome: SendOutcome) {
        let Some(session) = self.conns.get(slot).and_then(|conn| conn.session()) else {
            return;
        };
        let header =
            Header { ver: session.version, op: Op::SEND_MSG_REPLY, seq: client_seq.0, ack: client_seq.0 };
        self.send_frame(slot, header, &txchat::outcome(outcome));
    }
}
