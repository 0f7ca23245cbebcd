//! Bounds on requests: how many at once, and how long each.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::errors::ApiError;
use crate::state::Shared;

/// Refuses what exceeds the number of requests, gives up on what exceeds the time. Health and metrics are not counted,
/// so that they answer when the rest is busy.
pub(crate) async fn bound(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let _permit = if request.uri().path().starts_with("/v1/") {
        Some(shared.requests.try_acquire().map_err(|_full| ApiError::Busy)?)
    } else {
        None
    };
    let timeout = shared.state.config.request_timeout;
    tokio::time::timeout(timeout, next.run(request)).await.map_err(|_elapsed| ApiError::Timeout)
}
