//! The router: all routes, with authentication and bounds around them.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;

use crate::errors::ApiError;
use crate::state::{AdminState, Inner, Shared};
use crate::{auth, limits, routes};

/// Every route with its part of the document; the two cannot differ.
pub(crate) fn api() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(crate::openapi::frame())
        .merge(routes::health::routes())
        .merge(routes::stats::routes())
        .merge(routes::apps::routes())
        .merge(routes::aliases::routes())
        .merge(routes::tokens::routes())
        .merge(routes::groups::routes())
        .merge(routes::members::routes())
        .merge(routes::sessions::routes())
        .merge(routes::devices::routes())
        .merge(routes::relations::routes())
        .merge(routes::messages::routes())
        .merge(routes::system::routes())
        .merge(routes::timelines::routes())
        .merge(routes::backups::routes())
        .merge(routes::removal::routes())
        .merge(routes::export::routes())
}

/// The API as one axum router, for [`crate::serve`] and for tests without sockets.
pub fn router(state: AdminState) -> Router {
    let body_bytes_max = state.config.body_bytes_max;
    let shared = Inner::new(state);
    let (router, _document) = api().split_for_parts();
    router
        .fallback(async || ApiError::UnknownPath)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(from_fn_with_state(shared.clone(), limits::bound))
        .layer(from_fn_with_state(shared.clone(), auth::require_token))
        .with_state(shared)
}
