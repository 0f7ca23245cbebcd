//! What lies around a client's bytes: a load balancer's word about where it is, and encryption. Taken off here, before
//! the transport sees anything; within the handshake timer, which started at accept.

use halley_wire::proxy::{self, ProxyHeader};
use rustls::HandshakeKind;

use super::conn::CloseReason;
use super::core::Bucket;
use crate::tls::TlsStream;

impl<S> Bucket<S> {
    /// Takes bytes of a connection that is not plain: see [`super::conn::Conn::is_wrapped`].
    pub(crate) fn unwrap_received(&mut self, slot: u32, bytes: &mut [u8]) {
        let Some(conn) = self.conns.get(slot) else { return };
        if conn.flags.proxied {
            self.read_proxy_header(slot, bytes);
        } else {
            self.proxied(slot, bytes);
        }
    }

    /// Bytes of a connection whose peer's header is believed, and required.
    fn read_proxy_header(&mut self, slot: u32, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let mut kept = std::mem::take(&mut conn.input);
        kept.extend_from_slice(bytes);
        match proxy::parse(&kept) {
            Ok(ProxyHeader::Incomplete { .. }) => conn.input = kept,
            Ok(ProxyHeader::Complete { source, consumed }) => {
                conn.flags.proxied = false;
                if let Some(source) = source {
                    conn.remote = super::accept::shown(source);
                    if !self.admit_address(slot) {
                        return;
                    }
                }
                if kept.len() > consumed {
                    self.proxied(slot, &mut kept[consumed..]);
                }
                self.buffers.give(kept);
            }
            Err(error) => {
                tracing::debug!(remote = %conn.remote, %error, "no PROXY header from a peer that must send one");
                self.close(slot, CloseReason::ProxyHeader);
            }
        }
    }

    /// Bytes behind the header, if there was to be one.
    fn proxied(&mut self, slot: u32, bytes: &mut [u8]) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if !conn.transport.is_tls() {
            self.received(slot, bytes);
            return;
        }
        if conn.tls.is_none() {
            // With the first bytes: who only connects costs nothing yet. The certificate is that of this moment.
            let tls = self.shared.tls.read().as_ref().map(TlsStream::new);
            match tls {
                Some(Ok(tls)) => conn.tls = Some(Box::new(tls)),
                Some(Err(_)) | None => {
                    self.close(slot, CloseReason::Tls);
                    return;
                }
            }
        }
        let Some(tls) = &mut conn.tls else { return };
        let mut plain = std::mem::take(&mut self.plain_buffer);
        plain.clear();
        let is_new = tls.established().is_none();
        tls.open(bytes, &mut plain);
        let handshake = if is_new { tls.established() } else { None };
        let answers = !tls.unsent().is_empty();
        // What came before the end is handled first, then the end; the socket may have nothing more to report.
        conn.flags.readable |= tls.over().is_some();
        if let Some(kind) = handshake {
            self.metrics().tls_handshakes.inc();
            self.metrics().tls_resumptions.inc_by(u64::from(kind == HandshakeKind::Resumed));
        }
        if answers {
            self.mark_dirty(slot);
        }
        if !plain.is_empty() {
            self.received(slot, &mut plain);
        }
        self.plain_buffer = plain;
    }
}
