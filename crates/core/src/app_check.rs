//! What settings of an app can work, and which cannot.

use crate::app::{AppSettings, AuthMethod, HttpAuthSettings, JwtAlgorithm, JwtSettings};
use crate::public_key::PublicKey;

/// A setting that cannot work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadSetting {
    /// Which, as the admin API names it.
    pub field: String,
    /// What it must be.
    pub why: &'static str,
}

fn bad(field: impl Into<String>, why: &'static str) -> Result<(), BadSetting> {
    Err(BadSetting { field: field.into(), why })
}

/// Shortest secret of HS256, in bytes: as long as the hash (RFC 7518, 3.2).
pub const SECRET_BYTES_MIN: usize = 32;
/// Longest text of any setting, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;
/// Largest leeway, in seconds.
const LEEWAY_S_MAX: u32 = 300;

impl AppSettings {
    /// Whether these settings can work.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), BadSetting> {
        if self.auth.is_empty() {
            return bad("auth", "must name at least one way");
        }
        for (at, method) in self.auth.iter().enumerate() {
            if self.auth[..at].contains(method) {
                return bad(format!("auth[{at}]"), "is given twice");
            }
            match method {
                AuthMethod::Jwt if self.jwt.is_none() => {
                    return bad(format!("auth[{at}]"), "needs the settings `jwt`");
                }
                AuthMethod::Http if self.http_auth.is_none() => {
                    return bad(format!("auth[{at}]"), "needs the settings `http_auth`");
                }
                _ => {}
            }
        }
        self.jwt.as_ref().map_or(Ok(()), JwtSettings::check)?;
        self.http_auth.as_ref().map_or(Ok(()), HttpAuthSettings::check)?;
        if self.retention.age_s == Some(0) {
            return bad("retention.age_s", "must be at least 1, or null for ever");
        }
        if self.retention.entries == Some(0) {
            return bad("retention.entries", "must be at least 1, or null for all");
        }
        Ok(())
    }
}

impl JwtSettings {
    fn check(&self) -> Result<(), BadSetting> {
        let texts = [
            ("jwt.secret", &self.secret),
            ("jwt.key_set_file", &self.key_set_file),
            ("jwt.issuer", &self.issuer),
            ("jwt.audience", &self.audience),
            ("jwt.user_claim", &self.user_claim),
        ];
        for (field, text) in texts {
            if text.len() > TEXT_BYTES_MAX {
                return bad(field, "is too long");
            }
        }
        if !self.secret.is_empty() && self.secret.len() < SECRET_BYTES_MIN {
            return bad("jwt.secret", "must be at least 32 bytes");
        }
        let public_key = PublicKey::from_pem(&self.public_key);
        if !self.public_key.is_empty() && public_key.is_none() {
            return bad("jwt.public_key", "must be one PEM block `PUBLIC KEY` of RSA, P-256 or Ed25519");
        }
        if !self.key_set_file.is_empty() && !self.key_set_file.starts_with('/') {
            return bad("jwt.key_set_file", "must be an absolute path on the server");
        }
        if self.secret.is_empty() && self.public_key.is_empty() && self.key_set_file.is_empty() {
            return bad("jwt", "needs `secret`, `public_key` or `key_set_file`");
        }
        if self.leeway_s > LEEWAY_S_MAX {
            return bad("jwt.leeway_s", "must be at most 300");
        }
        for (at, algorithm) in self.algorithms.iter().enumerate() {
            if self.algorithms[..at].contains(algorithm) {
                return bad(format!("jwt.algorithms[{at}]"), "is given twice");
            }
            let has_key = match algorithm {
                JwtAlgorithm::Hs256 => !self.secret.is_empty(),
                JwtAlgorithm::Rs256 => matches!(public_key, Some(PublicKey::Rsa(_))),
                JwtAlgorithm::Es256 => matches!(public_key, Some(PublicKey::P256(_))),
                JwtAlgorithm::EdDsa => matches!(public_key, Some(PublicKey::Ed25519(_))),
            };
            // What a key set has is known when it is read.
            if !has_key && self.key_set_file.is_empty() {
                return bad(format!("jwt.algorithms[{at}]"), "has no key of its kind");
            }
        }
        Ok(())
    }
}

impl HttpAuthSettings {
    fn check(&self) -> Result<(), BadSetting> {
        let rest = self.url.strip_prefix("http://").or_else(|| self.url.strip_prefix("https://"));
        let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
        let is_plain = self.url.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !is_plain || self.url.len() > TEXT_BYTES_MAX {
            return bad("http_auth.url", "must be http://host... or https://host...");
        }
        if host.contains('@') || self.url.contains('#') {
            return bad("http_auth.url", "must have neither user information nor a fragment");
        }
        if !(100..=30_000).contains(&self.timeout_ms) {
            return bad("http_auth.timeout_ms", "must be from 100 to 30000");
        }
        if self.cache_s > 3_600 {
            return bad("http_auth.cache_s", "must be at most 3600");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(settings: &AppSettings) -> Option<String> {
        settings.check().err().map(|bad| bad.field)
    }

    fn jwt(change: impl FnOnce(&mut JwtSettings)) -> Option<String> {
        let mut jwt = JwtSettings { secret: "s".repeat(32), ..JwtSettings::default() };
        change(&mut jwt);
        field(&AppSettings { auth: vec![AuthMethod::Jwt], jwt: Some(jwt), ..AppSettings::default() })
    }

    fn http(url: &str) -> Option<String> {
        let http_auth = Some(HttpAuthSettings { url: url.into(), ..HttpAuthSettings::default() });
        field(&AppSettings { auth: vec![AuthMethod::Http], http_auth, ..AppSettings::default() })
    }

    #[test]
    fn what_cannot_work_is_named() {
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(field(&AppSettings::default()), None);
        let auth = |auth| field(&AppSettings { auth, ..AppSettings::default() });
        assert_eq!(auth(vec![]), named("auth"));
        assert_eq!(auth(vec![AuthMethod::Dev, AuthMethod::Dev]), named("auth[1]"));
        assert_eq!(auth(vec![AuthMethod::Token, AuthMethod::Jwt]), named("auth[1]"));
        assert_eq!(auth(vec![AuthMethod::Http]), named("auth[0]"));
        assert_eq!(jwt(|_| ()), None);
        assert_eq!(jwt(|jwt| jwt.secret = String::new()), named("jwt"));
        assert_eq!(jwt(|jwt| jwt.secret.truncate(31)), named("jwt.secret"));
        assert_eq!(jwt(|jwt| jwt.public_key = "key".into()), named("jwt.public_key"));
        assert_eq!(jwt(|jwt| jwt.key_set_file = "keys.json".into()), named("jwt.key_set_file"));
        assert_eq!(jwt(|jwt| jwt.leeway_s = 301), named("jwt.leeway_s"));
        assert_eq!(jwt(|jwt| jwt.algorithms = vec![JwtAlgorithm::Rs256]), named("jwt.algorithms[0]"));
        assert_eq!(http("http://127.0.0.1:80/user/login?x=1"), None);
        for url in ["", "ftp://h", "http://", "http:///x", "http://u:p@h/", "http://h/#f", "http://h/ x"] {
            assert_eq!(http(url), named("http_auth.url"), "{url}");
        }
    }
}
