//! Apps and their settings.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::{Body, Segments};
use crate::lookup::check_app_name;
use crate::routes::app_settings::{AppBody, PutApp};
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put))
}

/// All apps.
#[derive(Serialize, ToSchema)]
struct AppList {
    apps: Vec<AppBody>,
}

/// All apps, in the order of their numbers.
#[utoipa::path(get, path = "/v1/apps", tag = "apps", operation_id = "apps_list", responses((status = 200, description = "The apps", body = AppList)))]
async fn list(State(shared): State<Shared>) -> Result<Json<AppList>, ApiError> {
    let apps = shared.state.apps.list().await?;
    Ok(Json(AppList { apps: apps.iter().map(|app| AppBody::from(&**app)).collect() }))
}

/// An app and its settings.
#[utoipa::path(get, path = "/v1/apps/{app}", tag = "apps", operation_id = "app_get", params(("app" = String, Path, description = "Name of the app")), responses((status = 200, description = "The app", body = AppBody)))]
async fn get(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
) -> Result<Json<AppBody>, ApiError> {
    Ok(Json(AppBody::from(&*shared.app(&app).await?)))
}

/// Creates the app or changes its settings; what is not given keeps its value, also within `jwt`, `http_auth` and
/// `retention`; `null` clears these and what is in them. Idempotent.
#[utoipa::path(put, path = "/v1/apps/{app}", tag = "apps", operation_id = "app_put", params(("app" = String, Path, description = "Name of the app: 1 to 64 of A-Z a-z 0-9 _ . -")), request_body = PutApp, responses((status = 200, description = "The app as it is now", body = AppBody)))]
async fn put(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
    Body(body): Body<PutApp>,
) -> Result<Json<AppBody>, ApiError> {
    check_app_name(&app)?;
    let _whole = shared.whole_writes.lock().await;
    let before = shared.state.apps.by_name(&app).await?;
    let mut settings = before.map(|app| app.settings.clone()).unwrap_or_default();
    body.change(&mut settings)?;
    let app = shared.state.apps.put(&app, settings).await?;
    Ok(Json(AppBody::from(&*app)))
}
