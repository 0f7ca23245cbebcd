//! A token before its signature is checked.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use halley_core::app::{JwtAlgorithm, JwtSettings};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::Keys;

/// Why a token proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::auth) enum Wrong {
    /// It is none, or not for here.
    Shape,
    /// Not yet, or no longer.
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<Value>,
}

/// A token that would prove who `user` is if its signature is good.
#[derive(Debug)]
pub(in crate::auth) struct Unchecked {
    pub(super) algorithm: JwtAlgorithm,
    pub(super) key_id: Option<String>,
    /// What is signed.
    pub(super) signed: Box<[u8]>,
    pub(super) signature: Vec<u8>,
    user: String,
}

impl Unchecked {
    /// Reads a token and looks at its claims.
    pub(in crate::auth) fn read(token: &str, settings: &JwtSettings, now_ms: u64) -> Result<Self, Wrong> {
        let (unchecked, claims) = Self::parse(token, settings).ok_or(Wrong::Shape)?;
        check_claims(&claims, settings, now_ms)?;
        Ok(unchecked)
    }

    fn parse(token: &str, settings: &JwtSettings) -> Option<(Self, Map<String, Value>)> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text| BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let header: Header = serde_json::from_slice(&part(header)?).ok()?;
        let algorithm = match header.alg.as_str() {
            "HS256" => JwtAlgorithm::Hs256,
            "RS256" => JwtAlgorithm::Rs256,
            "ES256" => JwtAlgorithm::Es256,
            "EdDSA" => JwtAlgorithm::EdDsa,
            _ => return None,
        };
        let is_wanted = settings.algorithms.is_empty() || settings.algorithms.contains(&algorithm);
        if !is_wanted || header.crit.is_some() {
            return None;
        }
        let claims: Map<String, Value> = serde_json::from_slice(&part(claims)?).ok()?;
        let claim = if settings.user_claim.is_empty() { "sub" } else { &settings.user_claim };
        let user = match claims.get(claim)? {
            Value::String(user) => user.clone(),
            Value::Number(user) if user.is_u64() => user.to_string(),
            _ => return None,
        };
        let signature = part(signature)?;
        let signed = signed.as_bytes().into();
        Some((Self { algorithm, key_id: header.kid, signed, signature, user }, claims))
    }

    /// The user's id, when one of the keys made the signature.
    pub(in crate::auth) fn verify(self, keys: &Keys) -> Option<String> {
        keys.verify(&self).then_some(self.user)
    }
}

fn check_claims(claims: &Map<String, Value>, settings: &JwtSettings, now_ms: u64) -> Result<(), Wrong> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if !settings.issuer.is_empty() && text("iss") != Some(&settings.issuer) {
        return Err(Wrong::Shape);
    }
    let is_for_us = match claims.get("aud") {
        _ if settings.audience.is_empty() => true,
        Some(Value::String(audience)) => *audience == settings.audience,
        Some(Value::Array(all)) => all.iter().any(|one| one.as_str() == Some(&settings.audience)),
        _ => false,
    };
    if !is_for_us {
        return Err(Wrong::Shape);
    }
    // Seconds, perhaps with a fraction: a double holds them exactly enough.
    let now = std::time::Duration::from_millis(now_ms).as_secs_f64();
    let leeway = f64::from(settings.leeway_s);
    let seconds = |name: &str| claims.get(name).map(|value| value.as_f64().ok_or(Wrong::Shape)).transpose();
    let expires = seconds("exp")?.ok_or(Wrong::Shape)?;
    let begins = seconds("nbf")?.unwrap_or(f64::MIN);
    if now < expires + leeway && now + leeway >= begins { Ok(()) } else { Err(Wrong::Expired) }
}
