//! A certificate and its key, ready to serve.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use thiserror::Error;

/// What TLS connections are served with. Cheap to clone; connections keep what they began with.
#[derive(Clone)]
pub struct ServerTls(Arc<ServerConfig>);

/// A certificate and key that cannot be served. The operator must mend the files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificates are no PEM.
    #[error("it is not a PEM file of certificates")]
    CertificateForm(#[source] rustls::pki_types::pem::Error),
    /// There is no certificate.
    #[error("it holds no certificate (no BEGIN CERTIFICATE)")]
    NoCertificate,
    /// There is no private key in PEM.
    #[error("it holds no private key in PEM")]
    KeyForm(#[source] rustls::pki_types::pem::Error),
    /// The key is of a kind that is not known, or not that of the certificate; or the certificate is malformed.
    #[error("certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
}

impl ServerTls {
    /// From PEM texts: the certificate with its chain, the server's own first; and its private key.
    ///
    /// # Errors
    /// When they cannot be used, see [`TlsError`].
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(TlsError::CertificateForm)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::KeyForm)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Pair)?;
        // Tickets only: a cache would be memory that clients fill. New keys with every certificate.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(TlsError::Pair)?;
        Ok(Self(Arc::new(config)))
    }

    /// For a new connection.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}
