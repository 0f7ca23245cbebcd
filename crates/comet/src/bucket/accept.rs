//! New connections.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use halley_core::session::Transport;

use super::conn::{CloseReason, Conn, Flags, Phase};
use super::core::Bucket;
use super::io::Io;
use super::tick::Tick;
use crate::edge::txchat::Framing;

/// An address as it is shown and limited: an IPv4 client of an IPv6 listener is an IPv4 client.
pub(super) fn shown(remote: SocketAddr) -> SocketAddr {
    SocketAddr::new(remote.ip().to_canonical(), remote.port())
}

impl<S> Bucket<S> {
    /// Takes a connection that was accepted here. Over the limit it is closed at once and counted.
    pub fn accept(&mut self, socket: S, remote: SocketAddr, transport: Transport) {
        self.metrics().accepts.inc();
        let remote = shown(remote);
        let proxied = self.config().proxies.iter().any(|prefix| prefix.contains(remote.ip()));
        let before = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        self.metrics().connections.inc();
        let conn = Conn {
            socket,
            remote,
            transport,
            framing: Framing::new(transport),
            phase: Phase::Handshake,
            input: Vec::new(),
            output: Vec::new(),
            output_at: 0,
            deadline: self.tick.after(self.config().handshake_timeout),
            write_deadline: Tick::NEVER,
            tls: None,
            held: None,
            closing: None,
            flags: Flags { proxied, ..Flags::default() },
        };
        if before >= self.config().connections_max || self.drain.is_some() {
            let reason = match self.drain {
                Some(_) => CloseReason::Shutdown,
                None => CloseReason::ConnectionLimit,
            };
            self.forget(conn, reason);
            return;
        }
        if let Some(slot) = self.place(conn)
            && !proxied
        {
            self.admit_address(slot);
        }
    }

    /// Gives a connection a slot, to be registered in this turn.
    pub(crate) fn place(&mut self, conn: Conn<S>) -> Option<u32> {
        if self.conns.len() >= super::slots::SLOTS_MAX {
            self.forget(conn, CloseReason::ConnectionLimit);
            return None;
        }
        let token = self.conns.insert(conn)?;
        self.work.unregistered.push(token);
        self.arm(token.slot);
        Some(token.slot)
    }

    /// Has new and adopted sockets watched.
    pub(crate) fn register_new(&mut self, io: &mut dyn Io<S>) {
        for token in std::mem::take(&mut self.work.unregistered) {
            let Some(slot) = self.conns.find(token) else { continue };
            let Some(conn) = self.conns.get(slot) else { continue };
            if io.register(&conn.socket, token).is_err() {
                self.close(slot, CloseReason::SocketError);
                continue;
            }
            if matches!(conn.phase, Phase::Moving(..)) {
                self.arrive(slot);
            }
        }
    }
}
