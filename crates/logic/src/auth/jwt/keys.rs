//! The keys of an app, and what each of them may check.

use halley_core::app::{JwtAlgorithm, JwtSettings};
use halley_core::public_key::PublicKey;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::token::Unchecked;

/// A key; what kind it is says the one algorithm it checks.
pub(super) enum Material {
    Secret(ring::hmac::Key),
    /// DER of PKCS #1.
    Rsa(Vec<u8>),
    /// Modulus and exponent, without leading zeros.
    RsaParts(Vec<u8>, Vec<u8>),
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

impl Material {
    pub(super) fn secret(bytes: &[u8]) -> Self {
        Self::Secret(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, bytes))
    }

    pub(super) fn algorithm(&self) -> JwtAlgorithm {
        match self {
            Self::Secret(_) => JwtAlgorithm::Hs256,
            Self::Rsa(_) | Self::RsaParts(..) => JwtAlgorithm::Rs256,
            Self::P256(_) => JwtAlgorithm::Es256,
            Self::Ed25519(_) => JwtAlgorithm::EdDsa,
        }
    }

    fn verify(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Secret(key) => ring::hmac::verify(key, signed, signature).is_ok(),
            Self::Rsa(der) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).verify(signed, signature).is_ok()
            }
            Self::RsaParts(n, e) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(signed, signature).is_ok(),
        }
    }
}

impl From<PublicKey> for Material {
    fn from(key: PublicKey) -> Self {
        match key {
            PublicKey::Rsa(der) => Self::Rsa(der),
            PublicKey::P256(point) => Self::P256(point),
            PublicKey::Ed25519(key) => Self::Ed25519(key),
        }
    }
}

/// A key of a set.
pub(super) struct SetKey {
    /// `kid`.
    pub(super) id: Option<String>,
    pub(super) material: Material,
}

/// All keys of an app.
pub(in crate::auth) struct Keys {
    /// Of the settings: secret and public key.
    own: Vec<Material>,
    /// Of the key set, if there is one.
    set: Option<Vec<SetKey>>,
}

impl Keys {
    pub(super) fn new(settings: &JwtSettings, set: Option<Vec<SetKey>>) -> Self {
        let secret = (!settings.secret.is_empty()).then(|| Material::secret(settings.secret.as_bytes()));
        let public = PublicKey::from_pem(&settings.public_key).map(Material::from);
        Self { own: secret.into_iter().chain(public).collect(), set }
    }

    /// Whether a key of the token's algorithm made its signature. A token that names a key is checked with that one of
    /// the set, and if the set has none of that name, with none.
    pub(super) fn verify(&self, token: &Unchecked) -> bool {
        let named = |key: &&SetKey| token.key_id.is_none() || key.id == token.key_id;
        let of_set = self.set.iter().flatten().filter(named).map(|key| &key.material);
        let is_named_key = self.set.is_some() && token.key_id.is_some();
        let own = self.own.iter().filter(|_| !is_named_key);
        own.chain(of_set)
            .filter(|key| key.algorithm() == token.algorithm)
            .any(|key| key.verify(&token.signed, &token.signature))
    }
}
