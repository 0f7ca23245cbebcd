//! From accept to authenticated (spec 1.4). The handshake timer started at accept and is not extended.

use halley_core::command::{ConnectRefused, ConnectRequest, Connected};
use halley_core::placement::bucket_of;
use halley_core::reply::Reply;
use halley_wire::txchat::{Header, Op};

use super::conn::{CloseReason, Login, Phase};
use super::core::Bucket;
use super::io::{Answer, Completed};
use crate::edge::txchat::{self, Framing};

impl<S> Bucket<S> {
    /// An Auth frame before authentication.
    pub(crate) fn handle_auth(&mut self, slot: u32, header: Header, body: &[u8]) {
        let Ok(login) = txchat::login(body) else {
            self.close(slot, CloseReason::AuthRefused);
            return;
        };
        let token = self.conns.token(slot);
        let Some(conn) = self.conns.get_mut(slot) else { return };
        conn.phase = Phase::Authenticating(Box::new(Login { header, device: login.device.clone() }));
        let request = ConnectRequest {
            app: login.app,
            token: login.token,
            device: login.device,
            details: login.details,
            transport: conn.transport,
            remote: conn.remote,
        };
        match self.ports.logic.connect(request, self.now) {
            Reply::Ready(result) => self.connected(slot, result),
            later => self
                .work
                .deferred
                .push(Box::pin(async move { Completed { token, answer: Answer::Connect(later.await) } })),
        }
    }

    /// Logic has decided. A refused login is closed without a reply (spec 1.4); but who is told that another phone has
    /// logged in since may try again, within the handshake's time.
    pub(crate) fn connected(&mut self, slot: u32, result: Result<Connected, ConnectRefused>) {
        let buckets = self.shared.buckets();
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let phase = std::mem::replace(&mut conn.phase, Phase::Handshake);
        let Phase::Authenticating(login) = phase else {
            conn.phase = phase;
            return;
        };
        let connected = match result {
            Ok(connected) => connected,
            Err(ConnectRefused::NewerDevice(newer)) => {
                let reply = Header { op: Op::AUTH_REPLY, ..login.header };
                self.send_frame(slot, reply, &txchat::endpoint_login(&newer));
                return;
            }
            Err(refused) => {
                tracing::debug!(remote = %conn.remote, %refused, "login refused");
                if let Some(farewell) = conn.framing.refusal(refused.is_temporary()) {
                    Framing::answer(&farewell, self.output(slot));
                }
                self.finish(slot, CloseReason::AuthRefused);
                return;
            }
        };
        if !self.admit_app(connected.app.id) {
            self.close(slot, CloseReason::AppLimit);
            return;
        }
        let home = bucket_of(connected.app.id, connected.user, buckets);
        if home == self.id {
            self.begin_session(slot, &login, connected);
            return;
        }
        let Some(conn) = self.conns.get_mut(slot) else { return };
        conn.phase = Phase::Moving(login, Box::new(connected), 0);
        let token = self.conns.token(slot);
        self.work.moving.push(token);
    }

    /// The answer of a port call that came later; nothing happens when the connection is gone.
    pub fn complete(&mut self, completed: Completed) {
        if let Answer::Name(app, user, result) = &completed.answer {
            self.renderer.learn(*app, *user, result);
        }
        let answer = match completed.answer {
            Answer::Feeds(app, user, at_least, result) => {
                self.feeds_came(app, user, at_least, result);
                return;
            }
            Answer::Receipt(number, result) => {
                self.receipt_came(number, result);
                return;
            }
            answer => answer,
        };
        let Some(slot) = self.conns.find(completed.token) else {
            return;
        };
        match answer {
            Answer::Connect(result) => {
                self.connected(slot, result);
                self.resume(slot);
            }
            Answer::Page(track, result) => self.page_came(slot, track, result),
            Answer::Name(_, _, result) => self.name_came(slot, result.is_ok()),
            // Their own way above: they are a user's, not a connection's.
            Answer::Feeds(..) | Answer::Receipt(..) => {}
        }
    }
}
