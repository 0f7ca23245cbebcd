//! Apps (tenants) and their settings.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::AppId;

/// How a client of an app may prove who it is; an app lists the ways it accepts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AuthMethod {
    /// Access tokens of the local table (or the Redis hash).
    Token,
    /// JSON web tokens ([`JwtSettings`]).
    Jwt,
    /// Signed tokens of the txchat dialect (spec 2.7): secp256k1, the user id is the address of the key.
    Signature,
    /// The app's own server is asked ([`HttpAuthSettings`]).
    Http,
    /// The token *is* the user id. For development; said loudly at start and refused unless enabled.
    Dev,
}

/// Which generation of the gobelieve dialect an app's clients speak (ruling 14).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum GobelieveCompat {
    /// Revision S of the spec.
    #[serde(rename = "2017")]
    V2017,
    /// Revisions O and H.
    #[default]
    #[serde(rename = "2023")]
    V2023,
}

/// How JSON web tokens are checked. A token needs a signature by one of the keys, and `exp` in the future.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JwtSettings {
    /// Accepted signature algorithms; empty accepts what the keys can check.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The shared secret of HS256, at least 32 bytes. Secret: never shown again, never logged.
    pub secret: String,
    /// A public key in PEM form, for RS256, ES256 or EdDSA.
    pub public_key: String,
    /// A file on the server with a JSON web key set; read again when it changes.
    pub key_set_file: String,
    /// What `iss` must be, if anything is required.
    pub issuer: String,
    /// What `aud` must contain, if anything is required.
    pub audience: String,
    /// The claim that holds the user id; empty is `sub`.
    pub user_claim: String,
    /// How much clocks may differ, in seconds, at most 300.
    pub leeway_s: u32,
}

impl fmt::Debug for JwtSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtSettings").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

/// A signature algorithm of JSON web tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// The two forms of asking the app's own server (spec 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HttpAuthForm {
    /// POST with `FZM-SIGNATURE` and the device in headers; the answer is `{"result":0,"data":{"address":...}}`.
    #[default]
    Dtalk,
    /// GET with `Authorization: token`; the answer is `{"data":{"user_id":...}}`.
    Zhaobi,
}

/// How the app's own server is asked who a token belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpAuthSettings {
    /// Its address, `http://` or `https://`.
    pub url: String,
    /// What is sent and expected.
    pub form: HttpAuthForm,
    /// Until an answer must be here, in milliseconds: 100 to 30,000.
    pub timeout_ms: u32,
    /// How long a yes is remembered, in seconds: 0 (never) to 3,600. A no is never remembered.
    pub cache_s: u32,
}

impl Default for HttpAuthSettings {
    fn default() -> Self {
        Self { url: String::new(), form: HttpAuthForm::Dtalk, timeout_ms: 5_000, cache_s: 0 }
    }
}

/// How long messages are kept; `None` is for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Retention {
    /// At most so old, in seconds.
    pub age_s: Option<u64>,
    /// At most so many entries of each timeline.
    pub entries: Option<u64>,
}

/// An app's settings: what `PUT /v1/apps/{app}` keeps. Fields that an older build wrote without take the default.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct AppSettings {
    /// Accepted ways of authentication, tried in order.
    pub auth: Vec<AuthMethod>,
    /// Which generation its gobelieve clients are of.
    pub gobelieve_compat: GobelieveCompat,
    /// For [`AuthMethod::Jwt`].
    pub jwt: Option<JwtSettings>,
    /// For [`AuthMethod::Http`].
    pub http_auth: Option<HttpAuthSettings>,
    /// A signed token opens one connection only (ruling 7).
    pub replay_guard: bool,
    /// Only who has the receiver as a friend, and is one of the receiver's, may send private messages (ruling 17).
    pub friends_only: bool,
    /// Whom the receiver has blacklisted cannot send private messages (ruling 17).
    pub blacklist: bool,
    /// How long messages are kept.
    pub retention: Retention,
    /// How long after sending an author may revoke a message, in seconds (spec 7.6).
    pub revoke_within_s: u64,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            auth: vec![AuthMethod::Token],
            gobelieve_compat: GobelieveCompat::default(),
            jwt: None,
            http_auth: None,
            replay_guard: false,
            friends_only: false,
            blacklist: true,
            retention: Retention::default(),
            revoke_within_s: 24 * 3_600,
        }
    }
}

/// An app as the roles use it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct App {
    /// Its number in records and keys.
    pub id: AppId,
    /// What clients call it: 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub name: Arc<str>,
    /// How it behaves.
    pub settings: AppSettings,
}

/// Longest app name, in bytes.
pub const APP_NAME_BYTES_MAX: usize = 64;

/// Whether an app may have this name: 1 to 64 of `A-Z a-z 0-9 _ . -` (it becomes part of topic names).
#[must_use]
pub fn is_app_name(name: &str) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    (1..=APP_NAME_BYTES_MAX).contains(&name.len()) && name.as_bytes().iter().all(allowed)
}
