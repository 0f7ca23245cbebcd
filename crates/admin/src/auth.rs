//! Bearer authentication of everything under `/v1`.

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;

use crate::errors::ApiError;
use crate::state::Shared;

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
        let shown = request.headers().get(AUTHORIZATION);
        if !shown.is_some_and(|shown| shared.state.token.is_shown_by(shown.as_bytes())) {
            return Err(ApiError::Unauthorized);
        }
    }
    Ok(next.run(request).await)
}
