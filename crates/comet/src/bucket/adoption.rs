//! A connection starts where it was accepted and lives where its user's bucket is: socket, parser state and unread
//! bytes move in one command, and input waits until it has arrived (design section 6).

use std::sync::Arc;

use halley_core::command::Connected;
use halley_core::placement::bucket_of;
use halley_core::session::{ConnAddr, SessionInfo};
use halley_core::timeline::TimelineId;
use halley_wire::txchat::{Header, Op};
use tokio::sync::mpsc::error::TrySendError;

use super::command::Command;
use super::conn::{CloseReason, Conn, Login, Phase};
use super::core::Bucket;
use super::io::Io;
use super::session::Session;

impl<S> Bucket<S> {
    /// Sends connections that belong elsewhere on their way; what finds a queue full is tried again.
    pub(crate) fn hand_over(&mut self, io: &mut dyn Io<S>) {
        for token in std::mem::take(&mut self.work.moving) {
            let Some(slot) = self.conns.find(token) else { continue };
            let Some(conn) = self.conns.get(slot) else { continue };
            let Phase::Moving(_, connected, tries) = &conn.phase else { continue };
            let home = bucket_of(connected.app.id, connected.user, self.shared.buckets());
            // What is tried again is not watched any more.
            if *tries == 0 && io.deregister(&conn.socket).is_err() {
                self.close(slot, CloseReason::SocketError);
                continue;
            }
            let Some(mut conn) = self.take(slot) else { continue };
            conn.flags.blocked = false;
            let command = Command::Adopt(Box::new(conn));
            let sent = self.shared.commands[usize::from(home.0)].try_send(command);
            match sent {
                Ok(()) => {}
                Err(TrySendError::Full(Command::Adopt(conn))) => self.hand_over_later(*conn),
                Err(TrySendError::Closed(Command::Adopt(conn))) => self.forget(*conn, CloseReason::Shutdown),
                Err(_) => {}
            }
        }
    }

    fn hand_over_later(&mut self, mut conn: Conn<S>) {
        let tries_max = self.config().hand_over_tries_max;
        let Phase::Moving(_, _, tries) = &mut conn.phase else { return };
        *tries += 1;
        if *tries >= tries_max {
            self.metrics().drops.adoption_queue_full.inc();
            self.forget(conn, CloseReason::HandOver);
            return;
        }
        // Not registered while it waits: nothing is read from it anyway, its handshake timer watches over it.
        if let Some(token) = self.conns.insert(conn) {
            self.arm(token.slot);
            self.work.moving.push(token);
            self.retry_soon();
        }
    }

    /// A connection arrives from the bucket that accepted it.
    pub(crate) fn adopt(&mut self, mut conn: Conn<S>) {
        if self.drain.is_some() {
            self.forget(conn, CloseReason::Shutdown);
            return;
        }
        // Deadlines count from the other bucket's start; the handshake is over.
        conn.deadline = self.tick.after(self.config().idle_timeout);
        conn.write_deadline = super::tick::Tick::NEVER;
        let counted = conn.flags.counted;
        // An end that was read with what came before it is not reported again.
        let readable = conn.over().is_some();
        conn.flags = super::conn::Flags { counted, readable, ..super::conn::Flags::default() };
        self.place(conn);
    }

    /// The adopted connection is watched: its session begins, and what it had sent is looked at.
    pub(crate) fn arrive(&mut self, slot: u32) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let Phase::Moving(login, connected, _) = std::mem::replace(&mut conn.phase, Phase::Handshake) else {
            return;
        };
        self.begin_session(slot, &login, *connected);
        self.resume(slot);
    }

    /// The session begins, in its user's bucket: it follows its inbox and feeds, and the client is told that it may.
    pub(crate) fn begin_session(&mut self, slot: u32, login: &Login, connected: Connected) {
        let addr = ConnAddr {
            node: self.shared.node,
            bucket: self.id,
            conn: self.conns.token(slot).conn_id(self.id),
        };
        let (app, user) = (connected.app.id, connected.user);
        let inbox = TimelineId::Inbox(app, user);
        let is_first = self.followers.add(inbox, slot);
        self.followers.raise_mark(inbox, connected.received);
        let mut start = connected.start;
        let ended = login.device.as_ref().and_then(|device| self.receipts.ended(app, user, &device.key));
        if let Some(ended) = ended.filter(|ended| ended.position > start.position) {
            // Back before its receipts are written: what it confirmed does not come again (D23).
            start = ended.into();
            self.followers.raise_mark(inbox, start.position);
        }
        let need = if is_first { self.intake.attach(inbox) } else { self.intake.taken() };
        let idle = self.tick.after(self.config().idle_timeout);
        let delay = self.config().resend_delay_min;
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let info = SessionInfo {
            addr,
            app: connected.app.id,
            user: connected.user,
            user_name: Arc::clone(&connected.user_name),
            device: login.device.clone(),
            transport: conn.transport,
            remote: conn.remote,
            since_ms: connected.since_ms,
        };
        let mut session = Box::new(Session::new(info.clone(), start, need, delay));
        session.version = login.header.ver;
        conn.phase = Phase::Open(session);
        conn.deadline = idle;
        self.metrics().logins.inc();
        self.metrics().sessions.inc();
        self.ports.logic.online(info);
        let reply = Header { op: Op::AUTH_REPLY, ..login.header };
        self.send_frame(slot, reply, &[]);
        self.arm(slot);
        if is_first {
            self.ask_feeds(app, user, need);
        } else {
            self.begin_following(slot, app, user);
        }
        self.limit_sessions(inbox, slot);
    }
}
