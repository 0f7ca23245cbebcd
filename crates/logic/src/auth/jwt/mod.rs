//! JSON web tokens (RFC 7519) in compact form: HS256, RS256, ES256 and EdDSA.
//!
//! A token is read and its claims are looked at first, which is cheap; its signature is checked last, on a thread for that.
//! The algorithm that a token names chooses among the keys of that kind: a key is never used for another (RFC 8725, 3.1).

mod key_ring;
mod key_set;
mod keys;
#[cfg(test)]
mod tests;
mod token;

pub(super) use key_ring::KeyRing;
pub(super) use token::{Unchecked, Wrong};

/// Whether these bytes are a key set with a key of use.
pub(super) fn is_key_set(json: &[u8]) -> bool {
    key_set::read(json).is_ok()
}
