//! Apps and their settings.

use axum::Json;
use axum::extract::State;
use halley_core::app::{App, AppSettings, AuthMethod};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::{Body, Segments};
use crate::lookup::check_app_name;
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put))
}

/// A way of proving who one is.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum AuthName {
    /// Access tokens (`/v1/apps/{app}/tokens`).
    Token,
    /// JSON web tokens.
    Jwt,
    /// Signed tokens of the txchat dialect.
    Signature,
    /// The app's own server is asked.
    Http,
    /// The token is the user id. For development only.
    Dev,
}

impl From<AuthName> for AuthMethod {
    fn from(name: AuthName) -> Self {
        match name {
            AuthName::Token => Self::Token,
            AuthName::Jwt => Self::Jwt,
            AuthName::Signature => Self::Signature,
            AuthName::Http => Self::Http,
            AuthName::Dev => Self::Dev,
        }
    }
}

/// Settings; what is not given keeps its value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutApp {
    /// Accepted ways of authentication, tried in order.
    #[schema(min_items = 1)]
    auth: Option<Vec<AuthName>>,
    /// Private messages between friends only: who sends must have the receiver as a friend, and be one of the
    /// receiver's. Off in the beginning.
    friends_only: Option<bool>,
    /// Private messages of users whom the receiver has blacklisted are refused. On in the beginning.
    blacklist: Option<bool>,
    /// How long after sending an author may revoke a message, in seconds; 86,400 in the beginning.
    revoke_within_s: Option<u64>,
}

/// An app and its settings.
#[derive(Serialize, ToSchema)]
struct AppBody {
    #[schema(example = "demo")]
    app: String,
    /// Its number within the installation.
    #[schema(example = "1")]
    app_id: String,
    /// Accepted ways of authentication, tried in order.
    #[schema(value_type = Vec<AuthName>)]
    auth: Vec<AuthMethod>,
    /// Private messages between friends only.
    friends_only: bool,
    /// Private messages of users whom the receiver has blacklisted are refused.
    blacklist: bool,
    /// How long after sending an author may revoke a message, in seconds.
    revoke_within_s: u64,
}

impl From<&App> for AppBody {
    fn from(app: &App) -> Self {
        let settings = &app.settings;
        Self {
            app: app.name.to_string(),
            app_id: app.id.to_string(),
            auth: settings.auth.clone(),
            friends_only: settings.friends_only,
            blacklist: settings.blacklist,
            revoke_within_s: settings.revoke_within_s,
        }
    }
}

/// All apps.
#[derive(Serialize, ToSchema)]
struct AppList {
    apps: Vec<AppBody>,
}

impl PutApp {
    fn change(self, settings: &mut AppSettings) -> Result<(), ApiError> {
        if let Some(auth) = self.auth {
            if auth.is_empty() {
                return Err(ApiError::field("auth", "must name at least one way"));
            }
            if let Some(at) = (1..auth.len()).find(|at| auth[..*at].contains(&auth[*at])) {
                return Err(ApiError::field(format!("auth[{at}]"), "is given twice"));
            }
            settings.auth = auth.into_iter().map(Into::into).collect();
        }
        settings.friends_only = self.friends_only.unwrap_or(settings.friends_only);
        settings.blacklist = self.blacklist.unwrap_or(settings.blacklist);
        settings.revoke_within_s = self.revoke_within_s.unwrap_or(settings.revoke_within_s);
        Ok(())
    }
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

/// Creates the app or changes its settings; what is not given keeps its value. Idempotent.
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
