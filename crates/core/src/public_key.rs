//! Public keys in PEM form, as far as JSON web tokens use them: what kind a key is, and its bytes. Nothing is computed here.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Longest text that is looked at, in bytes.
pub const PEM_BYTES_MAX: usize = 16 << 10;

/// A public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PublicKey {
    /// RSA: the DER of PKCS #1's `RSAPublicKey`.
    Rsa(Vec<u8>),
    /// A point on P-256, uncompressed.
    P256([u8; 65]),
    /// Ed25519.
    Ed25519([u8; 32]),
}

const SEQUENCE: u8 = 0x30;
const OBJECT_ID: u8 = 0x06;
const BIT_STRING: u8 = 0x03;

/// rsaEncryption, id-ecPublicKey, prime256v1, id-Ed25519.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

impl PublicKey {
    /// Reads one `PUBLIC KEY` (or `RSA PUBLIC KEY`) block; `None` when the text is not exactly that, or of another kind
    /// of key.
    #[must_use]
    pub fn from_pem(text: &str) -> Option<Self> {
        if text.len() > PEM_BYTES_MAX {
            return None;
        }
        match text.trim().strip_prefix("-----BEGIN ")? {
            rest if rest.starts_with("PUBLIC KEY-----") => Self::from_spki(&block(rest, "PUBLIC KEY-----")?),
            rest => Some(Self::Rsa(block(rest, "RSA PUBLIC KEY-----")?)),
        }
    }

    /// `SubjectPublicKeyInfo`: what kind, and the key in a bit string.
    fn from_spki(der: &[u8]) -> Option<Self> {
        let info = only(der, SEQUENCE)?;
        let (algorithm, rest) = take(info, SEQUENCE)?;
        let (kind, parameters) = take(algorithm, OBJECT_ID)?;
        // The first byte says how many bits of the last are unused: none.
        let key = only(rest, BIT_STRING)?.strip_prefix(&[0])?;
        match kind {
            RSA => Some(Self::Rsa(key.to_vec())),
            EC if only(parameters, OBJECT_ID)? == P256 && key.first() == Some(&4) => {
                Some(Self::P256(key.try_into().ok()?))
            }
            ED25519 => Some(Self::Ed25519(key.try_into().ok()?)),
            _ => None,
        }
    }
}

/// The bytes between `label` and the end line of the same label.
fn block(rest: &str, label: &str) -> Option<Vec<u8>> {
    let body = rest.strip_prefix(label)?.strip_suffix(label)?.strip_suffix("-----END ")?;
    let digits: String = body.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(digits).ok()
}

/// The value of a DER element with this tag, and what follows it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), rest.get(2..)?),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// As [`take`], with nothing behind it.
fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    take(der, tag).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn a_key_is_read_and_nothing_else_is() {
        let Some(PublicKey::Ed25519(key)) = PublicKey::from_pem(ED) else { panic!("is a key") };
        assert_eq!((key[0], key[31]), (0xd7, 0x1a));
        for at in 0..ED.len() - 2 {
            assert_eq!(PublicKey::from_pem(&ED[..at]), None, "cut at {at}");
        }
        assert_eq!(PublicKey::from_pem(&format!("{ED}{ED}")), None, "two keys");
        assert_eq!(PublicKey::from_pem(&ED.replace("PUBLIC", "PRIVATE")), None);
        assert_eq!(PublicKey::from_pem(&ED.replace("MCow", "MCkw")), None, "a wrong length");
        assert_eq!(PublicKey::from_pem(&ED.replace("K2Vw", "K2Vx")), None, "another kind of key");
        assert_eq!(PublicKey::from_pem(""), None);
    }
}
