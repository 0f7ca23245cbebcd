//! The encryption of one connection: TLS 1.2 or 1.3 with a server whose certificate is trusted. Buffers; no socket.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;

use bytes::BytesMut;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, RootCertStore};

use crate::error::{ConnectionError, TrustError};

/// Whose certificates are trusted. Cheap to clone; what is cloned resumes each other's sessions.
#[derive(Clone, Debug)]
pub struct Trust(Arc<rustls::ClientConfig>);

impl Trust {
    /// The authorities, or the very certificates, in a PEM text.
    ///
    /// # Errors
    /// When there is none that can be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| TrustError::NotPem)?;
            roots.add(certificate).map_err(|_| TrustError::NotACertificate)?;
        }
        if roots.is_empty() {
            return Err(TrustError::Empty);
        }
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| TrustError::Empty)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// One connection's state.
pub(crate) struct Encryption(Box<ClientConnection>);

impl Encryption {
    /// Begins with the server at `host:port`.
    pub(crate) fn new(trust: &Trust, authority: &str) -> Result<Self, ConnectionError> {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name =
            ServerName::try_from(host).map_err(|_| ConnectionError::Tls("the host is no name".to_owned()))?;
        let connection = ClientConnection::new(Arc::clone(&trust.0), name).map_err(failed)?;
        Ok(Self(Box::new(connection)))
    }

    /// Whether there is still something to agree on.
    pub(crate) fn is_agreeing(&self) -> bool {
        self.0.is_handshaking()
    }

    /// Takes what came from the socket and appends what the server said to `plain`.
    pub(crate) fn open(&mut self, mut came: &[u8], plain: &mut BytesMut) -> Result<(), ConnectionError> {
        while !came.is_empty() {
            if self.0.read_tls(&mut came)? == 0 {
                return Err(ConnectionError::Closed);
            }
            let state = self.0.process_new_packets().map_err(failed)?;
            let before = plain.len();
            plain.resize(before + state.plaintext_bytes_to_read(), 0);
            self.0.reader().read_exact(&mut plain[before..])?;
            if state.peer_has_closed() {
                return Err(ConnectionError::Closed);
            }
        }
        Ok(())
    }

    /// Appends to `sealed` what TLS has to say, and `plain`, which is empty then.
    pub(crate) fn seal(&mut self, plain: &mut Vec<u8>, sealed: &mut Vec<u8>) -> io::Result<()> {
        loop {
            while self.0.wants_write() {
                self.0.write_tls(sealed)?;
            }
            if plain.is_empty() || self.0.is_handshaking() {
                return Ok(());
            }
            let taken = self.0.writer().write(plain)?;
            plain.drain(..taken);
        }
    }
}

fn failed(error: rustls::Error) -> ConnectionError {
    ConnectionError::Tls(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_certificate_trusts_nobody() {
        for (pem, expected) in [
            ("", TrustError::Empty),
            ("no PEM at all", TrustError::Empty),
            ("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", TrustError::NotPem),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", TrustError::NotACertificate),
        ] {
            assert_eq!(Trust::from_pem(pem.as_bytes()).err(), Some(expected), "{pem}");
        }
    }
}
