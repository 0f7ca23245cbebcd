//! The end of an app, and of what is personal of a user.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use halley_core::group::{Group, GroupChange, Role};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::ports::business::{GroupEdit, GroupError};
use halley_core::ports::floors::FloorOf;
use halley_core::session::KickReason;
use halley_core::timeline::TimelineId;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::Segments;
use crate::routes::sessions::close_all;
use crate::state::{Inner, Shared};

/// Kicked sessions are waited for so often, so long each: what they had sent before is decided by then.
const GONE_LOOKS: u32 = 40;
const GONE_LOOK_EVERY: Duration = Duration::from_millis(25);

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(remove_app)).routes(routes!(remove_user))
}

/// What was removed.
#[derive(Serialize, ToSchema)]
struct Removed {
    /// Connections that were told to close.
    closed: usize,
    /// Groups that the user was a member of.
    groups: usize,
}

/// Removes the app: logins are refused at once, its connections closed, and everything that it holds is gone. Its messages are shown
/// to nobody any more and leave the disk later. An app of the same name that is made afterwards is another one.
#[utoipa::path(delete, path = "/v1/apps/{app}", tag = "apps", operation_id = "app_delete", params(("app" = String, Path, description = "Name of the app")), responses((status = 200, description = "It is gone", body = Removed)))]
async fn remove_app(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
) -> Result<Json<Removed>, ApiError> {
    let _whole = shared.whole_writes.lock().await;
    let app = shared.app(&app).await?.id;
    shared.state.removals.remove_app(app).await?;
    let sessions = shared.state.directory.of_app(app).await?;
    let told = sessions.iter().filter(|it| shared.state.gateways.kick(it.addr, KickReason::Operator));
    Ok(Json(Removed { closed: told.count(), groups: 0 }))
}

/// Removes what is personal of the user: connections, tokens, devices, relations, group memberships, the inbox, and what the user has
/// sent to others. It is shown to nobody any more when this is answered, and leaves the disk within a day. The number of an id
/// that is no decimal stays, under the name `deleted-<number>`; the id itself may come again and is somebody else then. Repeating
/// the call with that name, or a decimal id, is safe. What others have sent to the user stays with them.
#[utoipa::path(delete, path = "/v1/apps/{app}/users/{uid}", tag = "users", operation_id = "user_delete", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id")), responses((status = 200, description = "It is gone", body = Removed)))]
async fn remove_user(
    State(shared): State<Shared>,
    Segments((app, uid)): Segments<(String, String)>,
) -> Result<Json<Removed>, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    // First nobody gets in any more with what the user had, then those who are in go.
    shared.state.removals.remove_user(app, user).await?;
    let closed = close_all(&shared, app, user, KickReason::Operator).await?;
    shared.wait_until_gone(app, user).await?;
    let groups = shared.state.groups.groups_of(app, user).await?;
    for group in &groups {
        shared.leave(app, *group, user).await?;
    }
    let inbox = TimelineId::Inbox(app, user);
    // What is said from here on is of whoever has the id then: a decimal one may come back.
    let floor = shared.state.timelines.head(inbox).await?;
    let floors = vec![(FloorOf::Timeline(inbox), floor), (FloorOf::Sender(app, user), floor)];
    shared.state.floors.raise(floors).await?;
    // What the connections have left behind when they closed.
    shared.state.removals.remove_user(app, user).await?;
    Ok(Json(Removed { closed: closed.count(), groups: groups.len() }))
}

impl Inner {
    async fn wait_until_gone(&self, app: AppId, user: UserId) -> Result<(), ApiError> {
        for _look in 0..GONE_LOOKS {
            if self.state.directory.sessions(app, user).await?.is_empty() {
                break;
            }
            tokio::time::sleep(GONE_LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Takes a user out of a group; an owner is followed by somebody else, or the group ends.
    async fn leave(&self, app: AppId, id: GroupId, user: UserId) -> Result<(), ApiError> {
        let Some(group) = self.state.groups.group(app, id).await? else { return Ok(()) };
        let owns = group.member(user).is_some_and(|member| member.role == Role::Owner);
        let changes = match (owns, successor(&group, user)) {
            (true, None) => vec![GroupChange::Disbanded],
            (true, Some(next)) => vec![
                GroupChange::RoleSet { member: next.0, role: Role::Owner },
                GroupChange::MembersRemoved { members: vec![user.0] },
            ],
            (false, _) => vec![GroupChange::MembersRemoved { members: vec![user.0] }],
        };
        for change in changes {
            let edit = GroupEdit { app, group: id, change, operator: None, silent: true };
            match self.state.group_service.change(edit).await {
                // It was disbanded, or the user taken out, in the meantime.
                Err(GroupError::NotFound | GroupError::NotMember) | Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Who owns a group next: an admin, else any member.
fn successor(group: &Group, leaving: UserId) -> Option<UserId> {
    let others = || group.members.iter().filter(|member| member.user != leaving);
    let admin = others().find(|member| member.role == Role::Admin);
    admin.or_else(|| others().next()).map(|member| member.user)
}
