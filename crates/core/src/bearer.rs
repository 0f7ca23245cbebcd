//! Bearer tokens of the server's own interfaces: admin API and gRPC.

use std::fmt;
use std::hint::black_box;

/// A token that callers must show; never shown itself.
#[derive(Clone)]
pub struct BearerToken(Box<str>);

impl BearerToken {
    /// A token; `None` when it is empty or has characters that no header carries.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        (!token.is_empty() && printable).then(|| Self(token.into()))
    }

    /// Whether the value of an `Authorization` header shows this token. Takes time that depends on the lengths only.
    #[must_use]
    pub fn is_shown_by(&self, header: &[u8]) -> bool {
        let Some((scheme, given)) = header.split_at_checked(7) else { return false };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return false;
        }
        let (own, given) = (self.0.as_bytes(), given.trim_ascii());
        if own.len() != given.len() {
            return false;
        }
        let differences = own.iter().zip(given).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        black_box(differences) == 0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_is_taken() {
        let token = BearerToken::new("s3cret").expect("a token");
        for right in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert!(token.is_shown_by(right.as_bytes()), "{right:?}");
        }
        for wrong in [
            "",
            "s3cret",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3crEt",
            "Bearer s3crets",
            "Basic s3cret",
        ] {
            assert!(!token.is_shown_by(wrong.as_bytes()), "{wrong:?}");
        }
        assert_eq!(format!("{token:?}"), "BearerToken(***)");
        assert!(BearerToken::new("").is_none() && BearerToken::new("a b").is_none());
    }
}
