//! A connection: its socket, its bytes, and how far its login is.

use std::net::SocketAddr;
use std::sync::Arc;

use halley_core::command::{Connected, SendCommand};
use halley_core::device::Device;
use halley_core::session::Transport;

use super::session::Session;
use super::tick::Tick;
use crate::edge::txchat::Framing;
use crate::tls::{Over, TlsStream};
use halley_wire::txchat::Header;

/// How far a connection is.
pub(crate) enum Phase {
    /// Waiting for Auth.
    Handshake,
    /// Logic decides; input waits.
    Authenticating(Box<Login>),
    /// Authenticated, on the way to its user's bucket; input waits. With the attempts made so far.
    Moving(Box<Login>, Box<Connected>, u16),
    /// A session.
    Open(Box<Session>),
}

/// What the connection said of itself in its Auth frame.
pub(crate) struct Login {
    /// The Auth frame's header, echoed in the reply.
    pub(crate) header: Header,
    pub(crate) device: Option<Arc<Device>>,
}

/// Why a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CloseReason {
    HandshakeTimeout,
    IdleTimeout,
    Malformed,
    AuthRefused,
    ResendExhausted,
    WriteTimeout,
    WriteOverflow,
    ConnectionLimit,
    AddressLimit,
    AppLimit,
    SessionLimit,
    /// No TLS, or broken TLS, where TLS must be.
    Tls,
    /// No PROXY header where one must be.
    ProxyHeader,
    Kicked,
    /// Kicked, and its device is to be as new when it comes again.
    Forgotten,
    Shutdown,
    SocketError,
    /// Could not reach its user's bucket.
    HandOver,
    /// The client ended it.
    Client,
}

/// See the module. Small on purpose: everything that is rare is boxed or freed.
pub(crate) struct Conn<S> {
    pub(crate) socket: S,
    pub(crate) remote: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) framing: Framing,
    pub(crate) phase: Phase,
    /// Bytes that are not a whole frame yet, or that wait for the connection to be free again.
    pub(crate) input: Vec<u8>,
    /// Bytes that are not sent yet, from `output_at` on; with TLS those that are not encrypted yet.
    pub(crate) output: Vec<u8>,
    pub(crate) output_at: usize,
    /// Handshake or idle deadline.
    pub(crate) deadline: Tick,
    /// When the socket must have taken something; [`Tick::NEVER`] while nothing waits.
    pub(crate) write_deadline: Tick,
    /// Of a TLS connection, from its first bytes on.
    pub(crate) tls: Option<Box<TlsStream>>,
    /// A send that the bus had no room for; input waits.
    pub(crate) held: Option<Box<SendCommand>>,
    /// Closed as soon as the output is written.
    pub(crate) closing: Option<CloseReason>,
    pub(crate) flags: Flags,
}

/// What a connection must remember, a bit each.
#[derive(Default)]
pub(crate) struct Flags {
    /// The socket may have bytes.
    pub(crate) readable: bool,
    /// The peer's end has been seen coming: read until it is there.
    pub(crate) ended: bool,
    /// It stands in the list of connections to read.
    pub(crate) in_readable: bool,
    /// It stands in the list of connections to flush.
    pub(crate) dirty: bool,
    /// It stands in the list of those that are flushed first.
    pub(crate) urgent: bool,
    /// The socket takes nothing until it is reported writable.
    pub(crate) blocked: bool,
    /// The peer is a proxy, and its header has not come.
    pub(crate) proxied: bool,
    /// It is counted under its address.
    pub(crate) counted: bool,
}

impl<S> Conn<S> {
    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Open(session) => Some(session),
            _ => None,
        }
    }

    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.phase {
            Phase::Open(session) => Some(session),
            _ => None,
        }
    }

    /// Whether its input may be decoded now.
    pub(crate) fn takes_input(&self) -> bool {
        let phase = matches!(self.phase, Phase::Handshake | Phase::Open(_));
        phase && self.held.is_none() && self.closing.is_none()
    }

    /// Whether something lies around the client's bytes.
    pub(crate) fn is_wrapped(&self) -> bool {
        self.flags.proxied || self.transport.is_tls()
    }

    /// Why nothing more can come, although the socket has not ended.
    pub(crate) fn over(&self) -> Option<CloseReason> {
        let over = self.tls.as_ref()?.over()?;
        Some(match over {
            Over::Ended => CloseReason::Client,
            Over::Broken => CloseReason::Tls,
        })
    }

    /// Bytes that wait for the socket, encrypted or to be encrypted.
    pub(crate) fn pending(&self) -> usize {
        let encrypted = self.tls.as_ref().map_or(0, |tls| tls.unsent().len());
        self.output.len() - self.output_at + encrypted
    }

    /// Encrypts what is to be sent, once, where that must be; the buffer that is free then is answered. `Err`: it
    /// cannot be encrypted.
    pub(crate) fn seal(&mut self) -> Result<Vec<u8>, CloseReason> {
        let Some(tls) = &mut self.tls else { return Ok(Vec::new()) };
        if self.output.is_empty() {
            return Ok(Vec::new());
        }
        if tls.seal(&self.output) { Ok(std::mem::take(&mut self.output)) } else { Err(CloseReason::Tls) }
    }

    /// The bytes for the socket.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.tls.as_ref().map_or_else(|| &self.output[self.output_at..], |tls| tls.unsent())
    }

    /// The socket took so many of them.
    pub(crate) fn sent(&mut self, bytes: usize) {
        match &mut self.tls {
            Some(tls) => tls.sent(bytes),
            None => self.output_at += bytes,
        }
    }

    /// The bytes for the socket and how many of them are sent.
    pub(crate) fn unsent_mut(&mut self) -> (&mut Vec<u8>, &mut usize) {
        match &mut self.tls {
            Some(tls) => tls.output_mut(),
            None => (&mut self.output, &mut self.output_at),
        }
    }

    /// When something must be looked at, at the latest.
    pub(crate) fn next_due(&self) -> Tick {
        let session = self.session().map_or(Tick::NEVER, Session::next_due);
        self.deadline.min(self.write_deadline).min(session)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn a_connection_and_its_session_stay_small() {
        // What an idle connection costs in the gateway is this, a timer node (24), a follower (40) and the device.
        assert!(size_of::<Conn<OwnedFd>>() <= 208, "{}", size_of::<Conn<OwnedFd>>());
        assert!(size_of::<Session>() <= 264, "{}", size_of::<Session>());
    }
}
