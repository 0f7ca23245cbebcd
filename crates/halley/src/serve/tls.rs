//! The certificate of the TLS listeners: read at start, and again when its files change.

use std::convert::Infallible;
use std::error::Error as _;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use halley_comet::Gateway;
use halley_comet::tls::{ServerTls, TlsError};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, ConfigError};

/// How often the files are looked at; SIGHUP has them read at once.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// A certificate that is in use, and the files it came from.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    /// The files as they were when they were read last, with or without success.
    seen: [Option<Seen>; 2],
    tls: ServerTls,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What of a file changes when it is replaced or written.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    modified: (i64, i64),
    bytes: u64,
    inode: u64,
}

impl Certificate {
    /// Reads what `tls.certificate` and `tls.key` name; `None` when they name nothing.
    ///
    /// # Errors
    /// With the key, the file and what is wrong with it.
    pub fn load(config: &Config) -> Result<Option<Self>, ConfigError> {
        let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) else {
            return Ok(None);
        };
        let files = Files { certificate: certificate.clone(), key: key.clone() };
        let seen = files.seen();
        Ok(Some(Self { tls: files.read()?, files, seen }))
    }

    /// For the gateway.
    pub(super) fn tls(&self) -> ServerTls {
        self.tls.clone()
    }

    /// Reads the files again if they have changed, or anyway. What cannot be used is said once and changes nothing.
    fn refresh(&mut self, anyway: bool) -> Option<ServerTls> {
        let seen = self.files.seen();
        if seen == self.seen && !anyway {
            return None;
        }
        self.seen = seen;
        match self.files.read() {
            Ok(tls) => {
                let path = self.files.certificate.display();
                tracing::info!(certificate = %path, "the certificate was read again, new connections get it");
                self.tls = tls;
                Some(self.tls())
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate cannot be used, the old one stays");
                None
            }
        }
    }
}

impl Files {
    fn seen(&self) -> [Option<Seen>; 2] {
        let seen = |metadata: Metadata| Seen {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            bytes: metadata.len(),
            inode: metadata.ino(),
        };
        [&self.certificate, &self.key].map(|path| fs::metadata(path).ok().map(seen))
    }

    fn read(&self) -> Result<ServerTls, ConfigError> {
        let read = |key, path: &Path| fs::read(path).map_err(|error| bad_file(key, path, error.to_string()));
        let certificate = read("tls.certificate", &self.certificate)?;
        let key = read("tls.key", &self.key)?;
        ServerTls::from_pem(&certificate, &key).map_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            match error {
                TlsError::KeyForm(_) => bad_file("tls.key", &self.key, format!("{error}{cause}")),
                TlsError::Pair(_) => {
                    let why = format!("{error}{cause}; the key is tls.key, {}", self.key.display());
                    bad_file("tls.certificate", &self.certificate, why)
                }
                _ => bad_file("tls.certificate", &self.certificate, format!("{error}{cause}")),
            }
        })
    }
}

fn bad_file(key: &str, path: &Path, why: String) -> ConfigError {
    ConfigError::BadFile { key: key.to_owned(), path: path.display().to_string(), why }
}

/// Gives the gateway every new certificate, for as long as it is polled.
///
/// # Errors
/// When SIGHUP cannot be listened for.
pub(super) async fn follow(certificate: Option<Certificate>, gateway: &Gateway) -> Result<Infallible> {
    let Some(mut certificate) = certificate else { return std::future::pending().await };
    let mut hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
    loop {
        let anyway = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        if let Some(tls) = certificate.refresh(anyway) {
            gateway.set_tls(tls);
        }
    }
}
