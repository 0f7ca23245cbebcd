//! Tokens as an app's clients bring them.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Unix milliseconds.
///
/// # Panics
/// When the machine's clock is before 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_millis()).expect("fits for a while")
}

/// The key of the vector in the txchat spec, 2.7; its user is [`SIGNED_USER`].
const KEY: [u8; 32] = [
    0xfa, 0x88, 0x4f, 0xd1, 0xb4, 0x7d, 0x9e, 0x9e, 0x8d, 0xc1, 0x9e, 0x47, 0xdc, 0x1a, 0x79, 0x4a, 0x52,
    0x4c, 0xe5, 0xd4, 0xee, 0x1b, 0x82, 0xec, 0x92, 0xb1, 0xff, 0xc1, 0xf1, 0x09, 0xc2, 0xb6,
];

/// The user that [`signed`] makes tokens of.
pub const SIGNED_USER: &str = "1AqutxNoVTtcWiVYpBtvficAgea1dYTddR";

/// A signed token of the txchat dialect: of this app, dated so.
///
/// # Panics
/// Never: the key is one.
#[must_use]
pub fn signed(app: &str, time_ms: u64) -> String {
    let key = SigningKey::from_slice(&KEY).expect("is a key");
    let metadata = format!("{time_ms}*{app}");
    let digest = Sha256::digest(metadata.as_bytes());
    let (signature, recovery) = key.sign_prehash_recoverable(&digest);
    let mut bytes = signature.to_bytes().to_vec();
    bytes.push(recovery.to_byte());
    let public = key.verifying_key().to_sec1_point(true);
    let public: String = public.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}#{metadata}#{public}", BASE64_STANDARD.encode(bytes))
}

/// A JSON web token by a shared secret.
#[must_use]
pub fn jwt(secret: &str, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}
