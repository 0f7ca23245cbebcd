//! Certificates for tests, and clients that trust them.

use std::sync::Arc;

use halley_comet::tls::ServerTls;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

/// A certificate for `localhost` that signs itself.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
    config: Arc<ClientConfig>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("is made");
        let der = made.cert.der().clone();
        let config = Arc::new(client_config(&der, rustls::ALL_VERSIONS));
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem(), der, config }
    }

    /// What a client in another process needs to know of it.
    pub(crate) fn client_of_der(der: &[u8]) -> Arc<ClientConfig> {
        Arc::new(client_config(&CertificateDer::from(der.to_vec()), rustls::ALL_VERSIONS))
    }

    pub(crate) fn server(&self) -> ServerTls {
        ServerTls::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).expect("belong together")
    }

    /// Of one client program: it resumes sessions.
    pub(crate) fn client(&self) -> ClientConnection {
        connection(Arc::clone(&self.config))
    }

    /// A client that speaks one version only.
    pub(crate) fn client_of(&self, version: &'static SupportedProtocolVersion) -> ClientConnection {
        connection(Arc::new(client_config(&self.der, &[version])))
    }
}

fn client_config(
    der: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(der.clone()).expect("is a certificate");
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("are known")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(crate) fn connection(config: Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("is a name");
    ClientConnection::new(config, name).expect("begins")
}
