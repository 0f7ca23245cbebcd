//! Members of groups: page through, add, remove, role, mute.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use halley_core::group::{Group, GroupChange, Member, Role};
use halley_core::ids::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::{Body, Parameters, Segments};
use crate::forms::UserIdForm;
use crate::lookup::{Names, page_limit};
use crate::routes::groups::{GroupBody, still_there};
use crate::routes::operator::{By, ByQuery};
use crate::state::{Inner, Shared};
use crate::whole::Whole;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(change_role, remove)).routes(routes!(mute))
}

/// Which members.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MemberPage {
    /// The members behind this one: `next` of the page before.
    #[param(min_length = 1, max_length = 128)]
    after: Option<String>,
    /// 1 to 1,000; 100 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// A page of members, in the order of their numbers.
#[derive(Serialize, ToSchema)]
struct MemberList {
    members: Vec<MemberBody>,
    /// `after` of the next page; null when this is the last.
    next: Option<String>,
}

/// One member.
#[derive(Serialize, ToSchema)]
struct MemberBody {
    user_id: String,
    #[schema(value_type = String, example = "normal")]
    role: Role,
    muted: bool,
    /// Until when, unix milliseconds; null when not muted or for ever.
    until: Option<u64>,
}

/// Users to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddMembers {
    /// Ids that are new and no decimals get numbers. Members already stay as they are.
    #[schema(value_type = Vec<UserIdForm>, min_items = 1)]
    user_ids: Vec<String>,
    /// A member in whose name it is done: needs the rights for it, and is who the others are told. When null or absent it is
    /// the system's call, which may do everything.
    #[schema(value_type = Option<UserIdForm>)]
    operator: Option<String>,
    /// Nobody is told.
    #[serde(default)]
    silent: bool,
}

/// A standing that can be given; the owner changes with `PATCH` of the group.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GivenRole {
    Admin,
    Normal,
}

/// The new standing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetRole {
    role: GivenRole,
    /// A member in whose name it is done: needs the rights for it, and is who the others are told. When null or absent it is
    /// the system's call, which may do everything.
    #[schema(value_type = Option<UserIdForm>)]
    operator: Option<String>,
    /// Nobody is told.
    #[serde(default)]
    silent: bool,
}

/// Whether a member may speak.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetMute {
    muted: bool,
    /// Unix milliseconds, and not in the past; null or absent for ever.
    #[schema(value_type = Option<u64>)]
    until: Option<Whole<u64>>,
    /// A member in whose name it is done: needs the rights for it, and is who the others are told. When null or absent it is
    /// the system's call, which may do everything.
    #[schema(value_type = Option<UserIdForm>)]
    operator: Option<String>,
    /// Nobody is told.
    #[serde(default)]
    silent: bool,
}

impl SetMute {
    /// As core keeps it.
    fn until_ms(&self, now_ms: u64) -> Result<u64, ApiError> {
        match (self.muted, self.until) {
            (false, None) => Ok(0),
            (false, Some(_)) => Err(ApiError::field("until", "has no meaning when muted is false")),
            (true, None) => Ok(u64::MAX),
            (true, Some(Whole(until_ms))) if until_ms > now_ms => Ok(until_ms),
            (true, Some(_)) => Err(ApiError::field("until", "lies in the past")),
        }
    }
}

impl MemberBody {
    async fn of(member: &Member, names: &mut Names<'_>, now_ms: u64) -> Result<Self, ApiError> {
        let muted = member.muted_until_ms > now_ms;
        let ends = muted && member.muted_until_ms < u64::MAX;
        Ok(Self {
            user_id: names.of(member.user).await?,
            role: member.role,
            muted,
            until: ends.then_some(member.muted_until_ms),
        })
    }

    /// The member that this user is of a group that just changed.
    async fn after(inner: &Inner, group: &Group, user: UserId) -> Result<Json<Self>, ApiError> {
        let member = group.member(user).ok_or(ApiError::UnknownMember)?;
        let now_ms = inner.state.clock.now().wall_ms;
        let mut names = Names::new(inner, group.app);
        Ok(Json(Self::of(member, &mut names, now_ms).await?))
    }
}

/// A page of members, in the order of their numbers.
#[utoipa::path(get, path = "/v1/apps/{app}/groups/{gid}/members", tag = "members", operation_id = "members_list", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id"), MemberPage), responses((status = 200, description = "The page", body = MemberList)))]
async fn list(
    State(shared): State<Shared>,
    Segments((app, gid)): Segments<(String, String)>,
    Parameters(page): Parameters<MemberPage>,
) -> Result<Json<MemberList>, ApiError> {
    let app = shared.app(&app).await?.id;
    let limit = page_limit(page.limit.as_deref(), LIMIT_DEFAULT, LIMIT_MAX)?;
    let group = shared.group(app, &gid).await?;
    let start = match &page.after {
        Some(after) => {
            let user = shared.known_user(app, after).await?;
            group.members.partition_point(|member| member.user <= user)
        }
        None => 0,
    };
    let shown = group.members[start..].iter().take(limit);
    let now_ms = shared.state.clock.now().wall_ms;
    let mut names = Names::new(&shared, app);
    let mut members = Vec::with_capacity(shown.len());
    for member in shown {
        members.push(MemberBody::of(member, &mut names, now_ms).await?);
    }
    let more = start + members.len() < group.members.len();
    let last = members.last().map(|member| member.user_id.clone());
    Ok(Json(MemberList { next: last.filter(|_| more), members }))
}

/// Adds members.
#[utoipa::path(post, path = "/v1/apps/{app}/groups/{gid}/members", tag = "members", operation_id = "members_add", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id")), request_body = AddMembers, responses((status = 200, description = "The group as it is now", body = GroupBody)))]
async fn add(
    State(shared): State<Shared>,
    Segments((app, gid)): Segments<(String, String)>,
    Body(body): Body<AddMembers>,
) -> Result<Json<GroupBody>, ApiError> {
    let app = shared.app(&app).await?.id;
    if body.user_ids.is_empty() {
        return Err(ApiError::field("user_ids", "must name at least one user"));
    }
    // Before ids get numbers: a mistyped group or operator must not leave aliases behind.
    let id = shared.group(app, &gid).await?.id;
    let by = By::new(&shared, app, body.operator.as_deref(), body.silent).await?;
    let users = shared.new_users(app, &body.user_ids, "user_ids").await?;
    let members = users.into_iter().map(|user| user.0).collect();
    let change = GroupChange::MembersAdded { members };
    let group = shared.state.group_service.change(by.edit(app, id, change)).await?;
    GroupBody::of(&shared, &*still_there(group)?).await
}

/// Removes a member; the owner cannot leave. With the member as operator the member leaves.
#[utoipa::path(delete, path = "/v1/apps/{app}/groups/{gid}/members/{uid}", tag = "members", operation_id = "member_remove", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id"), ("uid" = String, Path, description = "The member's id"), ByQuery), responses((status = 204, description = "No longer a member")))]
async fn remove(
    State(shared): State<Shared>,
    Segments((app, gid, uid)): Segments<(String, String, String)>,
    Parameters(by): Parameters<ByQuery>,
) -> Result<StatusCode, ApiError> {
    let app = shared.app(&app).await?.id;
    let id = shared.group(app, &gid).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let members = vec![user.0];
    let change = GroupChange::MembersRemoved { members };
    let by = by.by(&shared, app).await?;
    still_there(shared.state.group_service.change(by.edit(app, id, change)).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a member an admin, or a normal member again.
#[utoipa::path(patch, path = "/v1/apps/{app}/groups/{gid}/members/{uid}", tag = "members", operation_id = "member_role", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id"), ("uid" = String, Path, description = "The member's id")), request_body = SetRole, responses((status = 200, description = "The member as it is now", body = MemberBody)))]
async fn change_role(
    State(shared): State<Shared>,
    Segments((app, gid, uid)): Segments<(String, String, String)>,
    Body(body): Body<SetRole>,
) -> Result<Json<MemberBody>, ApiError> {
    let app = shared.app(&app).await?.id;
    let id = shared.group(app, &gid).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let role = match body.role {
        GivenRole::Admin => Role::Admin,
        GivenRole::Normal => Role::Normal,
    };
    let member = user.0;
    let change = GroupChange::RoleSet { member, role };
    let by = By::new(&shared, app, body.operator.as_deref(), body.silent).await?;
    let group = shared.state.group_service.change(by.edit(app, id, change)).await?;
    MemberBody::after(&shared, &*still_there(group)?, user).await
}

/// Mutes a member, for ever or until a time, or ends that.
#[utoipa::path(put, path = "/v1/apps/{app}/groups/{gid}/members/{uid}/mute", tag = "members", operation_id = "member_mute", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id"), ("uid" = String, Path, description = "The member's id")), request_body = SetMute, responses((status = 200, description = "The member as it is now", body = MemberBody)))]
async fn mute(
    State(shared): State<Shared>,
    Segments((app, gid, uid)): Segments<(String, String, String)>,
    Body(body): Body<SetMute>,
) -> Result<Json<MemberBody>, ApiError> {
    let app = shared.app(&app).await?.id;
    let until_ms = body.until_ms(shared.state.clock.now().wall_ms)?;
    let id = shared.group(app, &gid).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let member = user.0;
    let change = GroupChange::MemberMuted { member, until_ms };
    let by = By::new(&shared, app, body.operator.as_deref(), body.silent).await?;
    let group = shared.state.group_service.change(by.edit(app, id, change)).await?;
    MemberBody::after(&shared, &*still_there(group)?, user).await
}
