//! Groups: make, read, change, disband.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use halley_core::group::{Group, GroupChange, GroupProfile, ProfileChange};
use halley_core::ids::AppId;
use halley_core::ports::business::{GroupError, NewGroup};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::{Body, Parameters, Segments};
use crate::forms::{GroupIdForm, UserIdForm, only_true};
use crate::lookup::{Names, group_id};
use crate::routes::operator::{By, ByQuery};
use crate::state::{Inner, Shared};
use crate::whole::Whole;

/// Longest name of a group, in bytes (core's `GroupProfile::name`).
const NAME_BYTES_MAX: usize = 255;
/// Longest URL of its picture, in bytes.
const AVATAR_BYTES_MAX: usize = 1_024;
const JOIN_TYPE_MAX: i32 = 2;
const FRIEND_TYPE_MAX: i32 = 1;
const MUTE_TYPE_MAX: i32 = 1;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(get, change, disband))
}

/// A group to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateGroup {
    /// One is given when null or absent.
    #[schema(value_type = Option<GroupIdForm>)]
    group_id: Option<String>,
    /// At most 255 bytes.
    #[schema(max_length = 255)]
    #[serde(default)]
    name: String,
    /// At most 1,024 bytes.
    #[schema(max_length = 1024)]
    #[serde(default)]
    avatar: String,
    /// A member as well.
    #[schema(value_type = UserIdForm)]
    owner: String,
    /// The other members; ids that are new and no decimals get numbers.
    #[serde(default)]
    #[schema(value_type = Vec<UserIdForm>)]
    members: Vec<String>,
    /// Feed only, no inbox entries: for large groups. Cannot be undone.
    #[serde(default, rename = "super")]
    is_super: bool,
    /// Who makes it, as the members are told; the owner when null or absent.
    #[schema(value_type = Option<UserIdForm>)]
    operator: Option<String>,
    /// Nobody is told.
    #[serde(default)]
    silent: bool,
}

/// What is to change; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeGroup {
    /// At most 255 bytes.
    #[schema(max_length = 255)]
    name: Option<String>,
    /// At most 1,024 bytes.
    #[schema(max_length = 1024)]
    avatar: Option<String>,
    /// A member, who becomes the owner.
    #[schema(value_type = Option<UserIdForm>)]
    owner: Option<String>,
    /// Only `true`: a super group stays one.
    #[serde(rename = "super")]
    #[schema(schema_with = only_true)]
    is_super: Option<bool>,
    /// Only owner and admins may speak. The same as `mute_type` 1.
    muted: Option<bool>,
    /// Who may join: 0 anybody a member invites; 1 nobody, 2 after approval, which both leave inviting to owner and admins.
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 2)]
    join_type: Option<Whole<i32>>,
    /// Whether members may befriend each other: 0 yes, 1 no.
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 1)]
    friend_type: Option<Whole<i32>>,
    /// Who may speak: 0 all, 1 owner and admins. The same as `muted`.
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 1)]
    mute_type: Option<Whole<i32>>,
    /// A member in whose name it is done: needs the rights for it, and is who the others are told. When null or absent it is
    /// the system's call, which may do everything.
    #[schema(value_type = Option<UserIdForm>)]
    operator: Option<String>,
    /// Nobody is told.
    #[serde(default)]
    silent: bool,
}

/// A group.
#[derive(Serialize, ToSchema)]
pub(crate) struct GroupBody {
    #[schema(example = "3110")]
    group_id: String,
    name: String,
    avatar: String,
    /// Null while it has none.
    owner: Option<String>,
    #[serde(rename = "super")]
    is_super: bool,
    muted: bool,
    join_type: i32,
    friend_type: i32,
    mute_type: i32,
    member_count: usize,
    /// Unix milliseconds.
    created_ms: u64,
}

impl GroupBody {
    pub(crate) async fn of(inner: &Inner, group: &Group) -> Result<Json<Self>, ApiError> {
        let mut names = Names::new(inner, group.app);
        let owner = match group.owner() {
            Some(owner) => Some(names.of(owner).await?),
            None => None,
        };
        let profile = &group.profile;
        Ok(Json(Self {
            group_id: group.id.to_string(),
            name: profile.name.clone(),
            avatar: profile.avatar.clone(),
            owner,
            is_super: profile.is_super,
            muted: profile.muted,
            join_type: profile.join_type,
            friend_type: profile.friend_type,
            mute_type: i32::from(profile.muted),
            member_count: group.members.len(),
            created_ms: group.created_ms,
        }))
    }
}

impl ChangeGroup {
    /// What was given.
    async fn set(&self, inner: &Inner, app: AppId) -> Result<ProfileChange, ApiError> {
        let given = |text: &Option<String>, field, bytes_max| {
            text.as_ref().map(|text| bounded(text, field, bytes_max)).transpose()
        };
        let kind = |kind: Option<Whole<i32>>, field, max| {
            kind.map(|Whole(kind)| one_of(kind, field, max)).transpose()
        };
        if self.is_super == Some(false) {
            return Err(ApiError::field("super", "can only be set to true"));
        }
        let muted = match kind(self.mute_type, "mute_type", MUTE_TYPE_MAX)?.map(|kind| kind == 1) {
            Some(by_type) if self.muted.is_some_and(|muted| muted != by_type) => {
                return Err(ApiError::field("mute_type", "says something else than muted"));
            }
            by_type => by_type.or(self.muted),
        };
        let set = ProfileChange {
            name: given(&self.name, "name", NAME_BYTES_MAX)?,
            avatar: given(&self.avatar, "avatar", AVATAR_BYTES_MAX)?,
            owner: None,
            is_super: self.is_super == Some(true),
            muted,
            join_type: kind(self.join_type, "join_type", JOIN_TYPE_MAX)?,
            friend_type: kind(self.friend_type, "friend_type", FRIEND_TYPE_MAX)?,
        };
        let owner = match &self.owner {
            Some(owner) => Some(inner.known_user(app, owner).await?.0),
            None => None,
        };
        Ok(ProfileChange { owner, ..set })
    }
}

fn bounded(text: &str, field: &'static str, bytes_max: usize) -> Result<String, ApiError> {
    if text.len() > bytes_max {
        return Err(ApiError::field(field, format!("has at most {bytes_max} bytes")));
    }
    Ok(text.to_owned())
}

fn one_of(kind: i32, field: &'static str, max: i32) -> Result<i32, ApiError> {
    if !(0..=max).contains(&kind) {
        return Err(ApiError::field(field, format!("must be from 0 to {max}")));
    }
    Ok(kind)
}

/// Makes a group.
#[utoipa::path(post, path = "/v1/apps/{app}/groups", tag = "groups", operation_id = "group_create", params(("app" = String, Path, description = "Name of the app")), request_body = CreateGroup, responses((status = 200, description = "The group", body = GroupBody)))]
async fn create(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
    Body(body): Body<CreateGroup>,
) -> Result<Json<GroupBody>, ApiError> {
    let app = shared.app(&app).await?.id;
    let id = match &body.group_id {
        Some(text) => Some(group_id(text, "group_id")?),
        None => None,
    };
    let profile = GroupProfile {
        name: bounded(&body.name, "name", NAME_BYTES_MAX)?,
        avatar: bounded(&body.avatar, "avatar", AVATAR_BYTES_MAX)?,
        is_super: body.is_super,
        ..GroupProfile::default()
    };
    let by = By::new(&shared, app, body.operator.as_deref(), body.silent).await?;
    let new = NewGroup {
        app,
        id,
        profile,
        owner: shared.new_user(app, &body.owner, "owner").await?,
        members: shared.new_users(app, &body.members, "members").await?,
        operator: by.operator,
        silent: by.silent,
    };
    let group = shared.state.group_service.create(new).await?;
    GroupBody::of(&shared, &group).await
}

/// A group.
#[utoipa::path(get, path = "/v1/apps/{app}/groups/{gid}", tag = "groups", operation_id = "group_get", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id")), responses((status = 200, description = "The group", body = GroupBody)))]
async fn get(
    State(shared): State<Shared>,
    Segments((app, gid)): Segments<(String, String)>,
) -> Result<Json<GroupBody>, ApiError> {
    let app = shared.app(&app).await?.id;
    let group = shared.group(app, &gid).await?;
    GroupBody::of(&shared, &group).await
}

/// Changes a group: all that is given in one step, in force when answered.
#[utoipa::path(patch, path = "/v1/apps/{app}/groups/{gid}", tag = "groups", operation_id = "group_change", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id")), request_body = ChangeGroup, responses((status = 200, description = "The group as it is now", body = GroupBody)))]
async fn change(
    State(shared): State<Shared>,
    Segments((app, gid)): Segments<(String, String)>,
    Body(body): Body<ChangeGroup>,
) -> Result<Json<GroupBody>, ApiError> {
    let app = shared.app(&app).await?.id;
    let id = shared.group(app, &gid).await?.id;
    let change = GroupChange::ProfileSet(body.set(&shared, app).await?);
    let by = By::new(&shared, app, body.operator.as_deref(), body.silent).await?;
    let group = shared.state.group_service.change(by.edit(app, id, change)).await?;
    GroupBody::of(&shared, &*still_there(group)?).await
}

/// A group that a change other than its end must leave.
pub(crate) fn still_there<T>(group: Option<T>) -> Result<T, ApiError> {
    group.ok_or(ApiError::Group(GroupError::NotFound))
}

/// Disbands a group.
#[utoipa::path(delete, path = "/v1/apps/{app}/groups/{gid}", tag = "groups", operation_id = "group_disband", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id"), ByQuery), responses((status = 204, description = "It is no more")))]
async fn disband(
    State(shared): State<Shared>,
    Segments((app, gid)): Segments<(String, String)>,
    Parameters(by): Parameters<ByQuery>,
) -> Result<StatusCode, ApiError> {
    let app = shared.app(&app).await?.id;
    let id = group_id(&gid, "gid")?;
    let by = by.by(&shared, app).await?;
    shared.state.group_service.change(by.edit(app, id, GroupChange::Disbanded)).await?;
    Ok(StatusCode::NO_CONTENT)
}
