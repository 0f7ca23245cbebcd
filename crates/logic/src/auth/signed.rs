//! Signed tokens of the txchat dialect (spec 2.7): a secp256k1 signature over time and app, made with the key whose address
//! is the user's id.
//!
//! `base64(r || s || recovery) # milliseconds*app # hex(public key)`. Stricter than the original: the app and a time ahead
//! are checked (ruling 7), there is one way to write a token, and no word logs in without a signature (D15).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use ripemd::Ripemd160;
use sha2::{Digest, Sha256};

/// How far a token's time may be from ours, in milliseconds.
pub(super) const WINDOW_MS: u64 = 120_000;

/// Why a token proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// It is not of this form, or for another app.
    Shape,
    /// Too old, or dated too far ahead.
    Expired,
}

/// A token of the right form, app and time, whose signature is not checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Signed {
    digest: [u8; 32],
    signature: [u8; 64],
    recovery: u8,
    key: [u8; 33],
    time_ms: u64,
}

impl Signed {
    /// Reads a token. Costs no arithmetic on the curve.
    pub(super) fn read(token: &str, app: &str, now_ms: u64) -> Result<Self, Wrong> {
        let signed = Self::parse(token, app).ok_or(Wrong::Shape)?;
        if signed.time_ms.abs_diff(now_ms) > WINDOW_MS {
            return Err(Wrong::Expired);
        }
        Ok(signed)
    }

    fn parse(token: &str, app: &str) -> Option<Self> {
        let mut parts = token.split('#');
        let (signature, metadata, key) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let mut fields = metadata.split('*');
        let (time, named) = (fields.next()?, fields.next()?);
        let is_time = (1..=19).contains(&time.len()) && time.bytes().all(|digit| digit.is_ascii_digit());
        if !is_time || named != app {
            return None;
        }
        // The decoder refuses a second way to write the same bytes.
        let signature: [u8; 65] = BASE64_STANDARD.decode(signature).ok()?.try_into().ok()?;
        let (signature, [recovery]) = signature.split_first_chunk::<64>()? else { return None };
        Some(Self {
            digest: Sha256::digest(metadata.as_bytes()).into(),
            signature: *signature,
            recovery: *recovery,
            key: hex(key)?,
            time_ms: time.parse().ok()?,
        })
    }

    /// Until when it is accepted, unix milliseconds.
    pub(super) fn until_ms(&self) -> u64 {
        self.time_ms.saturating_add(WINDOW_MS)
    }

    /// Its name in the memory of used tokens: nobody but the holder of the key can make another one of it.
    pub(super) fn name(&self) -> [u8; 32] {
        Sha256::new().chain_update(self.digest).chain_update(self.key).finalize().into()
    }

    /// The user's id, when the signature is one of this key. Takes a fraction of a millisecond of computing.
    pub(super) fn verify(&self) -> Option<String> {
        // s in the lower half (spec 2.7): of the two signatures that are each other's mirror one is accepted.
        if self.signature[32] & 0x80 != 0 {
            return None;
        }
        let recovery = RecoveryId::from_byte(self.recovery)?;
        let signature = Signature::from_slice(&self.signature).ok()?;
        let recovered = VerifyingKey::recover_from_prehash(&self.digest, &signature, recovery).ok()?;
        let compressed = recovered.to_sec1_point(true);
        (compressed.as_bytes() == self.key).then(|| address(&self.key))
    }
}

/// Lowercase digits only.
fn hex(text: &str) -> Option<[u8; 33]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let mut bytes = [0; 33];
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// Base58Check of the key's hash, as of a bitcoin address.
fn address(key: &[u8; 33]) -> String {
    let mut bytes = vec![0];
    bytes.extend_from_slice(&Ripemd160::digest(Sha256::digest(key)));
    let checksum = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend_from_slice(&checksum[..4]);
    bs58::encode(bytes).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector of spec 2.7.
    const SIGNATURE: &str =
        "zrrLQ9FLnpON9s3erkMJ+sug5oviPYcOR04/w4ucC5dVbkjqvuZIFUuGgaKi+5XmDzj2FvxrDIom9dt2Ons6fAE=";
    const KEY: &str = "022db0e08669b30c5dab8c564b428db4944912144088943ec9b690a9046bc8f78b";
    const TIME: u64 = 1_655_716_335_340;

    fn token() -> String {
        format!("{SIGNATURE}#{TIME}*dtalk#{KEY}")
    }

    fn verify(token: &str) -> Option<String> {
        Signed::read(token, "dtalk", TIME).ok()?.verify()
    }

    #[test]
    fn the_vector_of_the_original_is_accepted_within_two_minutes() {
        let user = || Some("1AqutxNoVTtcWiVYpBtvficAgea1dYTddR".to_owned());
        assert_eq!(verify(&token()), user());
        let at = |now| Signed::read(&token(), "dtalk", now);
        assert_eq!(at(TIME + 120_000).expect("is in time").verify(), user());
        assert_eq!(at(TIME - 120_000).expect("is in time").verify(), user());
        assert_eq!(at(TIME + 120_001), Err(Wrong::Expired));
        assert_eq!(at(TIME - 120_001), Err(Wrong::Expired), "the original accepts what is dated ahead");
    }

    #[test]
    fn another_app_and_the_back_door_are_refused() {
        assert_eq!(Signed::read(&token(), "other", TIME), Err(Wrong::Shape));
        for token in ["MOCK", "MOCK2", "", "##", "a#b#c", "#*#"] {
            assert_eq!(Signed::read(token, "dtalk", TIME), Err(Wrong::Shape), "{token}");
        }
    }

    #[test]
    fn a_change_anywhere_is_refused() {
        let token = token();
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).expect("is text");
            assert_eq!(verify(&changed), None, "byte {at}");
        }
        for changed in [
            format!("{token}#"),
            format!("{token}#x"),
            token.replace("022d", "022D"),
            token.replace("fAE=", "fAE"),
            token.replace("fAE=", "fAF="),
            token.replace("*dtalk", "*dtalk*more"),
            token.replace("#1655", "#+1655"),
        ] {
            assert_eq!(verify(&changed), None, "{changed}");
        }
    }

    #[test]
    fn the_mirror_of_a_signature_and_a_recovery_beyond_three_are_refused() {
        let signed = Signed::read(&token(), "dtalk", TIME).expect("is one");
        let s =
            k256::Scalar::from_repr(signed.signature[32..].try_into().expect("32 bytes")).expect("is one");
        let mut mirrored = signed.clone();
        mirrored.signature[32..].copy_from_slice(&(-s).to_bytes());
        for recovery in 0..=255 {
            mirrored.recovery = recovery;
            assert_eq!(mirrored.verify(), None, "the mirror, {recovery}");
            let other = Signed { recovery, ..signed.clone() };
            assert_eq!(other.verify().is_some(), recovery == 1, "{recovery}");
        }
    }

    use k256::elliptic_curve::PrimeField as _;
}
