//! The end of a connection.

use std::sync::atomic::Ordering;

use halley_core::metrics::Metrics;

use super::conn::{CloseReason, Conn, Phase};
use super::core::Bucket;
use super::io::Io;

impl<S> Bucket<S> {
    /// Closes a connection at once. Its session ends, its cursor stays.
    pub(crate) fn close(&mut self, slot: u32, reason: CloseReason) {
        if let Some(conn) = self.take(slot) {
            self.forget(conn, reason);
        }
    }

    /// Closes a connection as soon as what waits for it is written; it is not read any more.
    pub(crate) fn finish(&mut self, slot: u32, reason: CloseReason) {
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.closing.get_or_insert(reason);
            self.mark_dirty(slot);
        }
    }

    /// Takes a connection out of the bucket's tables, its session's following included.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Conn<S>> {
        let conn = self.conns.remove(slot)?;
        self.wheel.disarm(slot);
        if let Phase::Open(session) = &conn.phase {
            self.end_following(slot, session.info.app, session.info.user);
        }
        Some(conn)
    }

    /// Ends a connection that is in no table any more.
    pub(crate) fn forget(&mut self, conn: Conn<S>, reason: CloseReason) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.metrics().connections.dec();
        count(self.metrics(), reason);
        tracing::debug!(remote = %conn.remote, ?reason, "connection closed");
        if let Phase::Open(session) = &conn.phase {
            self.metrics().sessions.dec();
            let cursor = self.cursor_to_save(session);
            let whole = session.cursor(self.now.wall_ms).filter(|whole| Some(whole) != cursor.as_ref());
            self.ports.logic.offline(&session.info, cursor);
            if let Some(whole) = whole.filter(|_| reason != CloseReason::Forgotten) {
                self.save_later(whole);
            }
        }
        self.leave_limits(&conn);
        let is_whole = conn.pending() == 0;
        if let Some(farewell) = conn.tls.filter(|_| is_whole).and_then(|tls| tls.farewell()) {
            self.work.farewells.push((conn.socket, farewell));
        }
        self.buffers.give(conn.output);
        self.buffers.give(conn.input);
    }
}

impl<S> Bucket<S> {
    /// Says goodbye on TLS connections that have ended. What a socket does not take at once is not said.
    pub(crate) fn say_farewells(&mut self, io: &mut dyn Io<S>) {
        for (socket, farewell) in self.work.farewells.drain(..) {
            let _ = io.write(&socket, &farewell);
        }
    }
}

fn count(metrics: &Metrics, reason: CloseReason) {
    let closes = &metrics.closes;
    let counter = match reason {
        CloseReason::HandshakeTimeout => &closes.handshake_timeout,
        CloseReason::IdleTimeout => &closes.idle_timeout,
        CloseReason::Malformed => &closes.malformed,
        CloseReason::AuthRefused => &closes.auth_refused,
        CloseReason::ResendExhausted => &closes.resend_exhausted,
        CloseReason::WriteTimeout => &closes.write_timeout,
        CloseReason::WriteOverflow => &closes.write_overflow,
        CloseReason::ConnectionLimit => &closes.connection_limit,
        CloseReason::AddressLimit => &closes.address_limit,
        CloseReason::AppLimit => &closes.app_limit,
        CloseReason::SessionLimit => &closes.session_limit,
        CloseReason::Tls => &closes.tls,
        CloseReason::ProxyHeader => &closes.proxy_header,
        CloseReason::Kicked | CloseReason::Forgotten => &closes.kicked,
        CloseReason::Shutdown => &closes.shutdown,
        CloseReason::SocketError => &closes.socket_error,
        // Counted among the drops, or not the server's doing.
        CloseReason::HandOver | CloseReason::Client => return,
    };
    counter.inc();
}
