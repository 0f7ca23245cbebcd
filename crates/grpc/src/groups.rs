//! Groups by way of this façade: what the original routes, Halley has as members.
//!
//! Changes are silent: the business server that asks for them tells its users itself.

use halley_core::group::{Group, GroupChange, GroupProfile, Role};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::ports::business::{GroupEdit, GroupError, NewGroup};
use halley_core::session::ConnAddr;
use tonic::Status;

use crate::api::{Api, check_count};
use crate::error_map::group_error;
use crate::pushes::group_id;

/// Groups that one call changes.
const GROUPS_MAX: usize = 1_000;
/// Sessions asked for at once.
const AT_ONCE: usize = 256;
/// How often a change is tried on a group that others change at the same time.
const TRIES: usize = 4;

impl Api {
    /// Users join groups. A group that is not there comes into being: the first user owns it.
    pub(crate) async fn join(&self, app: AppId, users: &[UserId], groups: &[GroupId]) -> Result<(), Status> {
        for group in groups {
            self.retry(|| self.join_one(app, users, *group)).await?;
        }
        Ok(())
    }

    /// Users leave groups; who is not in one does not matter. An owner who leaves is followed by an admin, else by the
    /// member with the lowest number; a group that everybody leaves ends.
    pub(crate) async fn leave(&self, app: AppId, users: &[UserId], groups: &[GroupId]) -> Result<(), Status> {
        for group in groups {
            self.retry(|| self.leave_one(app, users, *group)).await?;
        }
        Ok(())
    }

    /// Groups end; one that is not there does not matter.
    pub(crate) async fn end(&self, app: AppId, groups: &[GroupId]) -> Result<(), Status> {
        for group in groups {
            match self.change(app, *group, GroupChange::Disbanded).await {
                Ok(()) | Err(GroupError::NotFound) => {}
                Err(error) => return Err(group_error(&error)),
            }
        }
        Ok(())
    }

    /// Between reading a group and changing it others may have changed it.
    async fn retry<F>(&self, change: impl Fn() -> F) -> Result<(), Status>
    where
        F: Future<Output = Result<(), GroupError>>,
    {
        let mut tried = 0;
        loop {
            tried += 1;
            match change().await {
                Ok(()) => return Ok(()),
                Err(
                    GroupError::NotFound | GroupError::Exists | GroupError::NotMember | GroupError::IsOwner,
                ) if tried < TRIES => {}
                Err(error) => return Err(group_error(&error)),
            }
        }
    }

    async fn join_one(&self, app: AppId, users: &[UserId], id: GroupId) -> Result<(), GroupError> {
        let Some((owner, others)) = users.split_first() else { return Ok(()) };
        let Some(group) = self.ports().groups.group(app, id).await? else {
            let profile = GroupProfile { name: id.to_string(), ..GroupProfile::default() };
            let mut members: Vec<UserId> = others.iter().filter(|user| *user != owner).copied().collect();
            members.sort_unstable();
            members.dedup();
            let new =
                NewGroup { app, id: Some(id), profile, owner: *owner, members, operator: None, silent: true };
            self.ports().group_service.create(new).await?;
            return Ok(());
        };
        let mut joining = numbers(users.iter().filter(|user| group.member(**user).is_none()));
        joining.dedup();
        if !joining.is_empty() {
            self.change(app, id, GroupChange::MembersAdded { members: joining }).await?;
        }
        Ok(())
    }

    async fn leave_one(&self, app: AppId, users: &[UserId], id: GroupId) -> Result<(), GroupError> {
        let Some(group) = self.ports().groups.group(app, id).await? else { return Ok(()) };
        let mut leaving = numbers(users.iter().filter(|user| group.member(**user).is_some()));
        leaving.dedup();
        if leaving.is_empty() {
            return Ok(());
        }
        if leaving.len() == group.members.len() {
            self.change(app, id, GroupChange::Disbanded).await?;
            return Ok(());
        }
        if let Some(heir) = heir(&group, &leaving) {
            self.change(app, id, GroupChange::RoleSet { member: heir.0, role: Role::Owner }).await?;
        }
        self.change(app, id, GroupChange::MembersRemoved { members: leaving }).await?;
        Ok(())
    }

    async fn change(&self, app: AppId, group: GroupId, change: GroupChange) -> Result<(), GroupError> {
        let edit = GroupEdit { app, group, change, operator: None, silent: true };
        self.ports().group_service.change(edit).await.map(|_group| ())
    }

    /// The users behind these connections, as far as they are of this app; unknown keys are skipped.
    pub(crate) async fn users_of(&self, app: AppId, keys: &[String]) -> Result<Vec<UserId>, Status> {
        check_count(keys.len(), "keys")?;
        let mut users = Vec::new();
        for keys in keys.chunks(AT_ONCE) {
            let addrs = keys.iter().filter_map(|key| key.parse::<ConnAddr>().ok());
            let sessions: Vec<_> = addrs.map(|addr| self.ports().gateways.session(addr)).collect();
            for session in sessions {
                users.extend(session.await.filter(|session| session.app == app).map(|session| session.user));
            }
        }
        Ok(users)
    }

    /// The app and group of `appId_gid`.
    pub(crate) async fn group_of(&self, text: &str) -> Result<(AppId, GroupId), Status> {
        let (app, group) = text
            .rsplit_once('_')
            .ok_or_else(|| Status::invalid_argument("gid: must be the app's name, `_`, the group's id"))?;
        let group = group_id(group)?;
        Ok((self.app(app).await?, group))
    }

    /// The apps and groups of a call that names both.
    pub(crate) async fn groups_of(&self, texts: &[String]) -> Result<Vec<(AppId, GroupId)>, Status> {
        check_groups(texts.len())?;
        let mut groups = Vec::with_capacity(texts.len());
        for text in texts {
            groups.push(self.group_of(text).await?);
        }
        Ok(groups)
    }
}

/// Group ids of a call about one app.
pub(crate) fn group_ids(texts: &[String]) -> Result<Vec<GroupId>, Status> {
    check_groups(texts.len())?;
    texts.iter().map(|text| group_id(text)).collect()
}

fn check_groups(count: usize) -> Result<(), Status> {
    if (1..=GROUPS_MAX).contains(&count) {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("gid: 1 to {GROUPS_MAX} groups in one call, and these are {count}")))
}

fn numbers<'a>(users: impl Iterator<Item = &'a UserId>) -> Vec<i64> {
    let mut numbers: Vec<i64> = users.map(|user| user.0).collect();
    numbers.sort_unstable();
    numbers
}

/// Who owns the group when these (ascending) have left; `None` when the owner stays.
fn heir(group: &Group, leaving: &[i64]) -> Option<UserId> {
    let leaves = |user: UserId| leaving.binary_search(&user.0).is_ok();
    if !group.owner().is_some_and(leaves) {
        return None;
    }
    let staying = || group.members.iter().filter(|member| !leaves(member.user));
    let admin = staying().find(|member| member.role == Role::Admin);
    admin.or_else(|| staying().next()).map(|member| member.user)
}

#[cfg(test)]
mod tests {
    use halley_core::group::Member;
    use halley_core::key::SyncKey;

    use super::*;

    fn group(members: &[(i64, Role)]) -> Group {
        let member = |(user, role): &(i64, Role)| Member {
            user: UserId(*user),
            role: *role,
            muted_until_ms: 0,
            joined: SyncKey::START,
        };
        Group {
            app: AppId(1),
            id: GroupId(7),
            profile: GroupProfile::default(),
            members: members.iter().map(member).collect(),
            created_ms: 0,
        }
    }

    #[test]
    fn an_owner_who_leaves_is_followed_by_an_admin_else_by_the_first_who_stays() {
        use Role::{Admin, Normal, Owner};
        let all = [(1, Owner), (2, Normal), (3, Admin), (4, Admin)];
        assert_eq!(heir(&group(&all), &[2, 3]), None);
        assert_eq!(heir(&group(&all), &[1]), Some(UserId(3)));
        assert_eq!(heir(&group(&all), &[1, 3]), Some(UserId(4)));
        assert_eq!(heir(&group(&all), &[1, 3, 4]), Some(UserId(2)));
    }
}
