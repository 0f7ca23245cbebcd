//! Bearer authentication of everything under `/v1`.

use std::fmt;
use std::hint::black_box;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

use crate::errors::ApiError;
use crate::state::Shared;

/// The admin API's bearer token. Secret: its `Debug` prints stars.
#[derive(Clone)]
pub struct AdminToken(Box<str>);

impl AdminToken {
    /// This token; `None` for an empty one, which would let everybody in, and for one that no header can carry.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        (!token.is_empty() && printable).then(|| Self(token.into()))
    }

    /// Takes time that depends on the lengths only.
    fn matches(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        if own.len() != given.len() {
            return false;
        }
        let differences = own.iter().zip(given).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        black_box(differences) == 0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

/// Whether a path is under the authenticated part. Routes match the raw path, so no other spelling reaches them.
fn is_protected(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// Wants the token for every path under `/v1`, known or not.
pub(crate) async fn require_token(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if is_protected(request.uri().path()) {
        let given = bearer(request.headers()).ok_or(ApiError::Unauthorized)?;
        if !shared.state.token.matches(given) {
            return Err(ApiError::Unauthorized);
        }
    }
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_matches() {
        let token = AdminToken::new("s3cret").expect("a token");
        assert!(token.matches(b"s3cret"));
        for other in ["", "s3cre", "s3cret ", "s3crEt", "s3crets"] {
            assert!(!token.matches(other.as_bytes()), "{other:?}");
        }
        assert_eq!(format!("{token:?}"), "AdminToken(***)");
        assert!(AdminToken::new("").is_none() && AdminToken::new("a b").is_none());
    }
}
