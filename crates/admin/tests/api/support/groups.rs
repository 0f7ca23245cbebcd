//! Test doubles of the group ports: core's own state machine behind the checks that the ports promise.

use std::sync::Arc;

use halley_core::group::{Group, GroupChange, NORMAL_MEMBERS_MAX, Role, apply};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::key::{Epoch, SyncKey};
use halley_core::ports::PortError;
use halley_core::ports::accounts::Groups;
use halley_core::ports::business::{GroupEdit, GroupError, GroupService, NewGroup};
use halley_core::reply::Reply;

use super::world::{Contents, NOW_MS, World};

impl Groups for World {
    fn group(&self, app: AppId, id: GroupId) -> Reply<Result<Option<Arc<Group>>, PortError>> {
        self.answer(|contents| Ok(contents.groups.get(&(app, id)).cloned()))
    }

    fn groups_of(&self, app: AppId, user: UserId) -> Reply<Result<Vec<GroupId>, PortError>> {
        self.answer(|contents| {
            let groups = contents.groups.values();
            let own = groups.filter(|group| group.app == app && group.member(user).is_some());
            Ok(own.map(|group| group.id).collect())
        })
    }

    fn feeds_of(&self, app: AppId, user: UserId) -> Reply<Result<Vec<(GroupId, SyncKey)>, PortError>> {
        self.answer(|contents| {
            let groups = contents.groups.values();
            let supers = groups.filter(|group| group.app == app && group.profile.is_super);
            Ok(supers.filter_map(|group| Some((group.id, group.member(user)?.joined))).collect())
        })
    }
}

impl Contents {
    fn asked(&mut self, operator: Option<UserId>, silent: bool) -> Result<(), GroupError> {
        self.asked.push((operator, silent));
        self.group_refusal.clone().map_or(Ok(()), Err)
    }

    fn change(&mut self, app: AppId, id: GroupId, change: &GroupChange) -> Option<Arc<Group>> {
        self.last_key += 1;
        let key = SyncKey::new(Epoch(0), self.last_key).expect("a key");
        let before = self.groups.remove(&(app, id));
        let after = apply(app, id, before.as_deref(), change, key, NOW_MS).map(Arc::new);
        if let Some(group) = &after {
            self.groups.insert((app, id), Arc::clone(group));
        }
        after
    }
}

fn check(group: &Group, change: &GroupChange) -> Result<(), GroupError> {
    let member = |user: i64| group.member(UserId(user)).ok_or(GroupError::NotMember);
    match change {
        GroupChange::RoleSet { member: user, role } => {
            let is_owner = member(*user)?.role == Role::Owner;
            if is_owner && *role != Role::Owner {
                return Err(GroupError::IsOwner);
            }
        }
        GroupChange::MemberMuted { member: user, .. } => drop(member(*user)?),
        GroupChange::ProfileSet(set) => drop(set.owner.map(member).transpose()?),
        GroupChange::MembersRemoved { members } => {
            for user in members {
                if member(*user)?.role == Role::Owner {
                    return Err(GroupError::IsOwner);
                }
            }
        }
        GroupChange::MembersAdded { members } => {
            check_count(group.members.len() + members.len())?;
        }
        _ => {}
    }
    Ok(())
}

fn check_count(members: usize) -> Result<(), GroupError> {
    if members > NORMAL_MEMBERS_MAX {
        return Err(GroupError::TooManyMembers { members_max: NORMAL_MEMBERS_MAX });
    }
    Ok(())
}

impl GroupService for World {
    fn create(&self, new: NewGroup) -> Reply<Result<Arc<Group>, GroupError>> {
        self.answer(|contents| {
            contents.asked(new.operator, new.silent)?;
            let id = new.id.unwrap_or(GroupId(1_000_000));
            if contents.groups.contains_key(&(new.app, id)) {
                return Err(GroupError::Exists);
            }
            check_count(new.members.len())?;
            let change = GroupChange::Created {
                profile: new.profile,
                owner: new.owner.0,
                members: new.members.iter().map(|user| user.0).collect(),
            };
            contents.change(new.app, id, &change).ok_or(GroupError::NotFound)
        })
    }

    fn change(&self, edit: GroupEdit) -> Reply<Result<Option<Arc<Group>>, GroupError>> {
        self.answer(|contents| {
            contents.asked(edit.operator, edit.silent)?;
            let group = contents.groups.get(&(edit.app, edit.group)).ok_or(GroupError::NotFound)?;
            check(group, &edit.change)?;
            Ok(contents.change(edit.app, edit.group, &edit.change))
        })
    }
}
