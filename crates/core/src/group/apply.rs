//! What a change does.

use super::change::{GroupChange, ProfileChange};
use super::state::{Group, Member, Role};
use crate::ids::{AppId, GroupId, UserId};
use crate::key::SyncKey;

/// The group after this change, which stands at `at` in the journal and was made at `time_ms`; `None` when there is
/// none (any more). Never fails: a change that no longer fits has no effect.
#[must_use]
pub fn apply(
    app: AppId,
    id: GroupId,
    before: Option<&Group>,
    change: &GroupChange,
    at: SyncKey,
    time_ms: u64,
) -> Option<Group> {
    let Some(before) = before else {
        let GroupChange::Created { profile, owner, members } = change else {
            return None;
        };
        let mut group = Group { app, id, profile: profile.clone(), members: Vec::new(), created_ms: time_ms };
        add_members(&mut group, members, at);
        add_members(&mut group, &[*owner], at);
        set_role(&mut group, UserId(*owner), Role::Owner);
        return Some(group);
    };
    let mut group = before.clone();
    match change {
        GroupChange::Created { .. } => {}
        GroupChange::Profile { profile } => {
            let was_super = group.profile.is_super;
            group.profile = profile.clone();
            group.profile.is_super |= was_super;
        }
        GroupChange::ProfileSet(set) => set_profile(&mut group, set),
        GroupChange::MembersAdded { members } => add_members(&mut group, members, at),
        GroupChange::MembersRemoved { members } => {
            group.members.retain(|member| member.role == Role::Owner || !members.contains(&member.user.0));
        }
        GroupChange::RoleSet { member, role } => set_role(&mut group, UserId(*member), *role),
        GroupChange::MemberMuted { member, until_ms } => {
            if let Ok(found) = group.members.binary_search_by_key(member, |member| member.user.0) {
                group.members[found].muted_until_ms = *until_ms;
            }
        }
        GroupChange::Disbanded => return None,
    }
    Some(group)
}

fn set_profile(group: &mut Group, set: &ProfileChange) {
    let profile = &mut group.profile;
    profile.is_super |= set.is_super;
    profile.muted = set.muted.unwrap_or(profile.muted);
    profile.join_type = set.join_type.unwrap_or(profile.join_type);
    profile.friend_type = set.friend_type.unwrap_or(profile.friend_type);
    if let Some(name) = &set.name {
        profile.name.clone_from(name);
    }
    if let Some(avatar) = &set.avatar {
        profile.avatar.clone_from(avatar);
    }
    if let Some(owner) = set.owner {
        set_role(group, UserId(owner), Role::Owner);
    }
}

fn add_members(group: &mut Group, users: &[i64], at: SyncKey) {
    for user in users.iter().copied().map(UserId) {
        if let Err(place) = group.members.binary_search_by_key(&user, |member| member.user) {
            let member = Member { user, role: Role::Normal, muted_until_ms: 0, joined: at };
            group.members.insert(place, member);
        }
    }
}

fn set_role(group: &mut Group, user: UserId, role: Role) {
    let Ok(found) = group.members.binary_search_by_key(&user, |member| member.user) else {
        return;
    };
    if role == Role::Owner {
        for member in &mut group.members {
            if member.role == Role::Owner {
                member.role = Role::Normal;
            }
        }
    } else if group.members[found].role == Role::Owner {
        return;
    }
    let member = &mut group.members[found];
    member.role = role;
    if role > Role::Normal {
        member.muted_until_ms = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::GroupProfile;
    use super::*;
    use crate::command::Refusal;

    fn key(place: i64) -> SyncKey {
        SyncKey::from_raw(place).expect("positive")
    }

    fn created() -> Group {
        let change =
            GroupChange::Created { profile: GroupProfile::default(), owner: 5, members: vec![9, 2, 2] };
        apply(AppId(1), GroupId(7), None, &change, key(1), 10).expect("created")
    }

    fn after(group: &Group, change: &GroupChange) -> Group {
        apply(AppId(1), GroupId(7), Some(group), change, key(2), 20).expect("still there")
    }

    #[test]
    fn members_are_sorted_unique_and_the_owner_stays() {
        let group = created();
        assert_eq!(group.members.iter().map(|m| m.user.0).collect::<Vec<_>>(), [2, 5, 9]);
        assert_eq!(group.owner(), Some(UserId(5)));
        let left = after(&group, &GroupChange::MembersRemoved { members: vec![5, 9] });
        assert_eq!(left.members.iter().map(|m| m.user.0).collect::<Vec<_>>(), [2, 5]);
    }

    #[test]
    fn a_change_applied_twice_is_as_applied_once() {
        let group = created();
        let changes = [
            GroupChange::MembersAdded { members: vec![3] },
            GroupChange::RoleSet { member: 3, role: Role::Owner },
            GroupChange::MemberMuted { member: 2, until_ms: 99 },
            GroupChange::MembersRemoved { members: vec![9] },
            GroupChange::ProfileSet(ProfileChange {
                muted: Some(false),
                owner: Some(3),
                ..Default::default()
            }),
        ];
        let mut state = group;
        for change in &changes {
            let once = after(&state, change);
            assert_eq!(after(&once, change), once, "{change:?}");
            state = once;
        }
        assert_eq!(state.owner(), Some(UserId(3)));
        assert_eq!(state.check_send(UserId(2), 98), Err(Refusal::Muted));
        assert_eq!(state.check_send(UserId(2), 99), Ok(()));
        assert_eq!(state.check_send(UserId(9), 0), Err(Refusal::NotMember));
        assert_eq!(apply(AppId(1), GroupId(7), Some(&state), &GroupChange::Disbanded, key(3), 0), None);
    }

    #[test]
    fn what_is_not_set_stays_and_a_super_group_remains_one() {
        let set = |change| GroupChange::ProfileSet(change);
        let group = after(&created(), &set(ProfileChange { name: Some("n".into()), ..Default::default() }));
        let group =
            after(&group, &set(ProfileChange { is_super: true, join_type: Some(2), ..Default::default() }));
        let group = after(&group, &set(ProfileChange { owner: Some(2), ..Default::default() }));
        assert_eq!((group.profile.name.as_str(), group.profile.join_type), ("n", 2));
        assert!(group.profile.is_super);
        assert_eq!(group.owner(), Some(UserId(2)));
        assert_eq!(group.member(UserId(5)).map(|member| member.role), Some(Role::Normal));
    }

    #[test]
    fn a_standing_ends_a_mute() {
        for role in [Role::Admin, Role::Owner] {
            let muted = after(&created(), &GroupChange::MemberMuted { member: 2, until_ms: 99 });
            let raised = after(&muted, &GroupChange::RoleSet { member: 2, role });
            assert_eq!(raised.check_send(UserId(2), 0), Ok(()), "{role:?}");
        }
    }

    #[test]
    fn the_journal_form_is_stable() {
        let set = ProfileChange { name: Some("g".into()), owner: Some(3), ..Default::default() };
        let json = serde_json::to_string(&GroupChange::ProfileSet(set)).expect("serialises");
        assert_eq!(json, r#"{"change":"profile_set","name":"g","owner":3}"#);
        let all = r#"{"change":"profile_set","avatar":"a","super":true,"muted":false,"join_type":1,"friend_type":0}"#;
        let read: GroupChange = serde_json::from_str(all).expect("parses");
        assert_eq!(serde_json::to_string(&read).expect("serialises"), all);
        let change = GroupChange::RoleSet { member: 3, role: Role::Admin };
        let json = serde_json::to_string(&change).expect("serialises");
        assert_eq!(json, r#"{"change":"role_set","member":3,"role":"admin"}"#);
        let newer = r#"{"change":"profile","profile":{"name":"g","colour":"red"}}"#;
        assert!(serde_json::from_str::<GroupChange>(newer).is_ok(), "unknown fields are ignored");
    }
}
