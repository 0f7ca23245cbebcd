//! JSON web key sets (RFC 7517).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use halley_core::app_check::SECRET_BYTES_MIN;
use serde::Deserialize;

use super::keys::{Material, SetKey};

/// Most keys a set may have: a token without a key's name is tried with all of its kind.
const KEYS_MAX: usize = 32;

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

/// Reads a set. Keys of kinds or for purposes that no token has here are passed over, as the RFC says; a set that is
/// malformed, or has no key left, is none.
pub(super) fn read(json: &[u8]) -> Result<Vec<SetKey>, &'static str> {
    let set: Set = serde_json::from_slice(json).map_err(|_| "it is no JSON web key set")?;
    if set.keys.len() > KEYS_MAX {
        return Err("it has more than 32 keys");
    }
    let mut keys = Vec::new();
    for key in set.keys {
        let key: Key = serde_json::from_value(key).map_err(|_| "a key in it is malformed")?;
        if key.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
            continue;
        }
        let Some((algorithm, material)) = material(&key)? else { continue };
        if key.alg.as_deref().is_none_or(|wanted| wanted == algorithm) {
            keys.push(SetKey { id: key.kid, material });
        }
    }
    if keys.is_empty() { Err("it has no key that can be used") } else { Ok(keys) }
}

fn material(key: &Key) -> Result<Option<(&'static str, Material)>, &'static str> {
    let bytes = |text: &Option<String>| {
        let text = text.as_deref().ok_or("a key in it lacks a part")?;
        BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "a part of a key in it is not base64url")
    };
    let fixed = |text: &Option<String>| -> Result<[u8; 32], &'static str> {
        bytes(text)?.try_into().map_err(|_| "a part of a key in it has a wrong length")
    };
    Ok(Some(match (key.kty.as_str(), key.crv.as_deref()) {
        ("oct", _) => {
            let secret = bytes(&key.k)?;
            if secret.len() < SECRET_BYTES_MIN {
                return Err("a secret in it is shorter than 32 bytes");
            }
            ("HS256", Material::secret(&secret))
        }
        ("RSA", _) => ("RS256", Material::RsaParts(trim(bytes(&key.n)?), trim(bytes(&key.e)?))),
        ("EC", Some("P-256")) => {
            let mut point = [4; 65];
            point[1..33].copy_from_slice(&fixed(&key.x)?);
            point[33..].copy_from_slice(&fixed(&key.y)?);
            ("ES256", Material::P256(point))
        }
        ("OKP", Some("Ed25519")) => ("EdDSA", Material::Ed25519(fixed(&key.x)?)),
        _ => return Ok(None),
    }))
}

/// A number without leading zeros.
fn trim(number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number[zeros..].to_vec()
}
