//! The HTTP client itself.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use halley_core::app::HttpAuthForm;
use ureq::http::HeaderValue;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Error};

use super::answer::Answer;
use super::question::Question;

/// Most of an answer that is read, and most of its head.
const BODY_BYTES_MAX: u64 = 64 << 10;
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Where systems keep the certificates they trust, in one file.
const SYSTEM_CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// See the module. Certificates are read when the first question is asked.
#[derive(Default)]
pub(super) struct HttpAgent(OnceLock<Agent>);

impl HttpAgent {
    /// Asks, and waits for the answer at most this long.
    pub(super) fn ask(&self, question: &Question, within: Duration) -> Answer {
        match self.exchange(question, within) {
            Ok(Some(body)) => Answer::read(question.form, &body),
            Ok(None) => Answer::Unknown,
            Err(error) => {
                // Neither the token nor what was answered is in these.
                tracing::debug!(%error, "an app's authentication server did not answer");
                Answer::Unknown
            }
        }
    }

    /// The body of a 200 answer.
    fn exchange(&self, question: &Question, within: Duration) -> Result<Option<Vec<u8>>, Error> {
        let agent = self.0.get_or_init(agent);
        let mut response = if question.form == HttpAuthForm::Zhaobi {
            let mut request = agent.get(&question.url).config().timeout_global(Some(within)).build();
            for (name, value) in &question.headers {
                request = request.header(*name, header(value)?);
            }
            request.call()?
        } else {
            let mut request = agent.post(&question.url).config().timeout_global(Some(within)).build();
            for (name, value) in &question.headers {
                request = request.header(*name, header(value)?);
            }
            request.send(question.body.unwrap_or_default())?
        };
        if response.status() != 200 {
            return Ok(None);
        }
        response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec().map(Some)
    }
}

fn header(value: &[u8]) -> Result<HeaderValue, Error> {
    HeaderValue::from_bytes(value).map_err(|error| Error::Http(error.into()))
}

fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(system_certificates())))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(HEAD_BYTES_MAX)
        // A connection that is kept may be closed at any time by the other end: that would cost somebody a login.
        .max_idle_connections(0)
        .proxy(None)
        .user_agent("halley")
        .tls_config(tls)
        .build();
    config.into()
}

/// What `SSL_CERT_FILE` names, or else the system's own file. Without any, no https server is believed.
fn system_certificates() -> Vec<Certificate<'static>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    let mut files = named.into_iter().chain(SYSTEM_CERTIFICATES.map(Into::into));
    let Some(pem) = files.find_map(|file| std::fs::read(file).ok()) else {
        tracing::warn!(
            "the system has no file of trusted certificates: https authentication servers are not believed"
        );
        return Vec::new();
    };
    let items = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    items.collect()
}
