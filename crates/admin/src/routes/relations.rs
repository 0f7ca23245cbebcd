//! Relations between users: friends, blacklists, and who may not speak in rooms.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use halley_core::ids::AppId;
use halley_core::ports::relations::{Directions, Pair, RelationKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::{Body, Parameters, Segments};
use crate::lookup::{Names, page_limit};
use crate::state::{Inner, Shared};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(friends))
        .routes(routes!(befriend, unfriend))
        .routes(routes!(blacklist))
        .routes(routes!(blacklist_add, blacklist_remove))
        .routes(routes!(forbidden, forbid))
}

/// Which users.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RelatedPage {
    /// The users behind this one: `next` of the page before.
    #[param(min_length = 1, max_length = 128)]
    after: Option<String>,
    /// 1 to 1,000; 100 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// A page of users, in the order of their numbers.
#[derive(Serialize, ToSchema)]
struct RelatedList {
    user_ids: Vec<String>,
    /// `after` of the next page; null when this is the last.
    next: Option<String>,
}

/// In which directions.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Mutual {
    /// `true`, or absent: each is the other's friend; `false`: `other` is a friend of `uid` only.
    #[param(value_type = Option<bool>)]
    mutual: Option<String>,
}

impl Mutual {
    fn directions(&self) -> Result<Directions, ApiError> {
        match self.mutual.as_deref() {
            None | Some("true") => Ok(Directions::Both),
            Some("false") => Ok(Directions::One),
            Some(_) => Err(ApiError::field("mutual", "must be true or false")),
        }
    }
}

/// Whether a user may not speak in rooms.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Forbidden {
    forbidden: bool,
}

/// The two users of a path; ids that are new get numbers when the call makes something of them.
async fn pair(inner: &Inner, app: AppId, uid: &str, other: &str, introduces: bool) -> Result<Pair, ApiError> {
    let (user, other) = if introduces {
        (inner.new_user(app, uid, "uid").await?, inner.new_user(app, other, "other").await?)
    } else {
        (inner.known_user(app, uid).await?, inner.known_user(app, other).await?)
    };
    if user == other {
        return Err(ApiError::RelationToSelf);
    }
    Ok(Pair { app, user, other })
}

async fn page(
    inner: &Inner,
    (app, uid): (String, String),
    kind: RelationKind,
    page: RelatedPage,
) -> Result<Json<RelatedList>, ApiError> {
    let app = inner.app(&app).await?.id;
    let limit = page_limit(page.limit.as_deref(), LIMIT_DEFAULT, LIMIT_MAX)?;
    let user = inner.known_user(app, &uid).await?;
    let after = match &page.after {
        Some(after) => Some(inner.known_user(app, after).await?),
        None => None,
    };
    let found = inner.state.relations.related(app, user, kind, after, limit + 1).await?;
    let mut names = Names::new(inner, app);
    let mut user_ids = Vec::with_capacity(found.len().min(limit));
    for other in found.iter().take(limit) {
        user_ids.push(names.of(*other).await?);
    }
    let next = user_ids.last().filter(|_| found.len() > limit).cloned();
    Ok(Json(RelatedList { user_ids, next }))
}

/// A user's friends, in the order of their numbers.
#[utoipa::path(get, path = "/v1/apps/{app}/users/{uid}/friends", tag = "relations", operation_id = "friends_list", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), RelatedPage), responses((status = 200, description = "The page", body = RelatedList)))]
async fn friends(
    State(shared): State<Shared>,
    Segments(whose): Segments<(String, String)>,
    Parameters(which): Parameters<RelatedPage>,
) -> Result<Json<RelatedList>, ApiError> {
    page(&shared, whose, RelationKind::Friend, which).await
}

/// Whom a user has blacklisted, in the order of their numbers.
#[utoipa::path(get, path = "/v1/apps/{app}/users/{uid}/blacklist", tag = "relations", operation_id = "blacklist_list", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), RelatedPage), responses((status = 200, description = "The page", body = RelatedList)))]
async fn blacklist(
    State(shared): State<Shared>,
    Segments(whose): Segments<(String, String)>,
    Parameters(which): Parameters<RelatedPage>,
) -> Result<Json<RelatedList>, ApiError> {
    page(&shared, whose, RelationKind::Blacklisted, which).await
}

/// Makes two users friends. With the app's `friends_only`, both must have the other as a friend to write to each other.
/// Idempotent.
#[utoipa::path(put, path = "/v1/apps/{app}/users/{uid}/friends/{other}", tag = "relations", operation_id = "friend_put", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), ("other" = String, Path, description = "The friend's id"), Mutual), responses((status = 204, description = "A friend")))]
async fn befriend(
    State(shared): State<Shared>,
    Segments((app, uid, other)): Segments<(String, String, String)>,
    Parameters(mutual): Parameters<Mutual>,
) -> Result<StatusCode, ApiError> {
    let directions = mutual.directions()?;
    let app = shared.app(&app).await?.id;
    let pair = pair(&shared, app, &uid, &other, true).await?;
    shared.state.relations.set_relation(pair, RelationKind::Friend, directions, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a friendship. Idempotent.
#[utoipa::path(delete, path = "/v1/apps/{app}/users/{uid}/friends/{other}", tag = "relations", operation_id = "friend_delete", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), ("other" = String, Path, description = "The friend's id"), Mutual), responses((status = 204, description = "No friend")))]
async fn unfriend(
    State(shared): State<Shared>,
    Segments((app, uid, other)): Segments<(String, String, String)>,
    Parameters(mutual): Parameters<Mutual>,
) -> Result<StatusCode, ApiError> {
    let directions = mutual.directions()?;
    let app = shared.app(&app).await?.id;
    let pair = pair(&shared, app, &uid, &other, false).await?;
    shared.state.relations.set_relation(pair, RelationKind::Friend, directions, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Blacklists `other`: their private messages to `uid` are refused, unless the app's `blacklist` is off. Idempotent.
#[utoipa::path(put, path = "/v1/apps/{app}/users/{uid}/blacklist/{other}", tag = "relations", operation_id = "blacklist_put", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), ("other" = String, Path, description = "Whom the user does not want to hear")), responses((status = 204, description = "Blacklisted")))]
async fn blacklist_add(
    State(shared): State<Shared>,
    Segments((app, uid, other)): Segments<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let app = shared.app(&app).await?.id;
    let pair = pair(&shared, app, &uid, &other, true).await?;
    shared.state.relations.set_relation(pair, RelationKind::Blacklisted, Directions::One, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes `other` off the blacklist of `uid`. Idempotent.
#[utoipa::path(delete, path = "/v1/apps/{app}/users/{uid}/blacklist/{other}", tag = "relations", operation_id = "blacklist_delete", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), ("other" = String, Path, description = "Whom the user does want to hear")), responses((status = 204, description = "Not blacklisted")))]
async fn blacklist_remove(
    State(shared): State<Shared>,
    Segments((app, uid, other)): Segments<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    let app = shared.app(&app).await?.id;
    let pair = pair(&shared, app, &uid, &other, false).await?;
    shared.state.relations.set_relation(pair, RelationKind::Blacklisted, Directions::One, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a user may not speak in rooms.
#[utoipa::path(get, path = "/v1/apps/{app}/users/{uid}/forbidden", tag = "relations", operation_id = "forbidden_get", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id")), responses((status = 200, description = "Whether", body = Forbidden)))]
async fn forbidden(
    State(shared): State<Shared>,
    Segments((app, uid)): Segments<(String, String)>,
) -> Result<Json<Forbidden>, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    Ok(Json(Forbidden { forbidden: shared.state.relations.is_forbidden(app, user).await? }))
}

/// Says whether a user may not speak in rooms. Private and group messages are not concerned.
#[utoipa::path(put, path = "/v1/apps/{app}/users/{uid}/forbidden", tag = "relations", operation_id = "forbidden_put", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id")), request_body = Forbidden, responses((status = 200, description = "Whether", body = Forbidden)))]
async fn forbid(
    State(shared): State<Shared>,
    Segments((app, uid)): Segments<(String, String)>,
    Body(body): Body<Forbidden>,
) -> Result<Json<Forbidden>, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.new_user(app, &uid, "uid").await?;
    shared.state.relations.set_forbidden(app, user, body.forbidden).await?;
    Ok(Json(body))
}
