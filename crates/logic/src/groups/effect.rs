//! What is left of a change against the group as it is: nothing, less than was asked for, or an error.

use std::collections::HashSet;

use halley_core::group::{
    ADMINS_MAX, Group, GroupChange, GroupProfile, NORMAL_MEMBERS_MAX, ProfileChange, Role, SUPER_MEMBERS_MAX,
};
use halley_core::ids::UserId;
use halley_core::ports::business::{GroupError, NewGroup};

/// The change that makes a group, each member named once.
pub(super) fn of_creation(new: NewGroup) -> Result<GroupChange, GroupError> {
    let mut known = HashSet::from([new.owner]);
    let members = new.members.into_iter().filter(|user| known.insert(*user)).map(|user| user.0);
    let members: Vec<i64> = members.collect();
    check_size(new.profile.is_super, members.len() + 1)?;
    Ok(GroupChange::Created { profile: new.profile, owner: new.owner.0, members })
}

/// What of this change is new to the group; `None` when all of it is so already. What [`halley_core::group::apply`] would
/// silently not do is an error.
pub(super) fn of(group: &Group, change: GroupChange) -> Result<Option<GroupChange>, GroupError> {
    let member = |user: i64| group.member(UserId(user)).ok_or(GroupError::NotMember);
    match change {
        GroupChange::Created { .. } => Err(GroupError::Exists),
        GroupChange::Profile { profile } => of_profile(group, whole(group, &profile)?),
        GroupChange::ProfileSet(set) => of_profile(group, set),
        GroupChange::MembersAdded { members } => {
            let mut seen = HashSet::new();
            let is_new = |user: &i64| group.member(UserId(*user)).is_none() && seen.insert(*user);
            let members: Vec<i64> = members.into_iter().filter(is_new).collect();
            check_size(group.profile.is_super, group.members.len() + members.len())?;
            Ok((!members.is_empty()).then_some(GroupChange::MembersAdded { members }))
        }
        GroupChange::MembersRemoved { members } => {
            let mut seen = HashSet::new();
            let members: Vec<i64> = members.into_iter().filter(|user| seen.insert(*user)).collect();
            for user in &members {
                check_not_owner(member(*user)?.role)?;
            }
            Ok((!members.is_empty()).then_some(GroupChange::MembersRemoved { members }))
        }
        GroupChange::RoleSet { member: user, role } => {
            let before = member(user)?.role;
            if before == role {
                return Ok(None);
            }
            check_not_owner(before)?;
            if role == Role::Admin && group.admins() >= ADMINS_MAX {
                return Err(GroupError::AdminLimit);
            }
            Ok(Some(GroupChange::RoleSet { member: user, role }))
        }
        GroupChange::MemberMuted { member: user, until_ms } => {
            let is_new = member(user)?.muted_until_ms != until_ms;
            Ok(is_new.then_some(GroupChange::MemberMuted { member: user, until_ms }))
        }
        GroupChange::Disbanded => Ok(Some(GroupChange::Disbanded)),
    }
}

fn of_profile(group: &Group, set: ProfileChange) -> Result<Option<GroupChange>, GroupError> {
    if let Some(owner) = set.owner {
        group.member(UserId(owner)).ok_or(GroupError::NotMember)?;
    }
    let news = set.news_to(group);
    Ok((!news.is_empty()).then_some(GroupChange::ProfileSet(news)))
}

fn whole(group: &Group, profile: &GroupProfile) -> Result<ProfileChange, GroupError> {
    if group.profile.is_super && !profile.is_super {
        return Err(GroupError::StaysSuper);
    }
    Ok(ProfileChange::whole(profile))
}

fn check_not_owner(role: Role) -> Result<(), GroupError> {
    match role {
        Role::Owner => Err(GroupError::IsOwner),
        Role::Admin | Role::Normal => Ok(()),
    }
}

fn check_size(is_super: bool, members: usize) -> Result<(), GroupError> {
    let members_max = if is_super { SUPER_MEMBERS_MAX } else { NORMAL_MEMBERS_MAX };
    if members > members_max { Err(GroupError::TooManyMembers { members_max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use halley_core::group::apply;
    use halley_core::ids::{AppId, GroupId};
    use halley_core::key::SyncKey;

    use super::*;

    fn group(members: Vec<i64>) -> Group {
        let profile = GroupProfile { name: "g".into(), ..GroupProfile::default() };
        let created = GroupChange::Created { profile, owner: 1, members };
        let at = SyncKey::from_raw(1).expect("positive");
        apply(AppId(1), GroupId(7), None, &created, at, 0).expect("is made")
    }

    fn after(group: &Group, change: &GroupChange) -> Group {
        let at = SyncKey::from_raw(2).expect("positive");
        apply(AppId(1), GroupId(7), Some(group), change, at, 0).expect("is there")
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let group = group(vec![2, 3]);
        let same = ProfileChange {
            name: Some("g".into()),
            owner: Some(1),
            muted: Some(false),
            ..Default::default()
        };
        for change in [
            GroupChange::ProfileSet(same),
            GroupChange::ProfileSet(ProfileChange::default()),
            GroupChange::Profile { profile: group.profile.clone() },
            GroupChange::MembersAdded { members: vec![2, 1] },
            GroupChange::RoleSet { member: 2, role: Role::Normal },
            GroupChange::RoleSet { member: 1, role: Role::Owner },
            GroupChange::MemberMuted { member: 2, until_ms: 0 },
        ] {
            assert_eq!(of(&group, change.clone()), Ok(None), "{change:?}");
        }
    }

    #[test]
    fn a_change_is_cut_down_to_what_is_new() {
        let group = group(vec![2, 3]);
        let some = ProfileChange { name: Some("g".into()), avatar: Some("a".into()), ..Default::default() };
        let new = ProfileChange { avatar: Some("a".into()), ..Default::default() };
        assert_eq!(of(&group, GroupChange::ProfileSet(some)), Ok(Some(GroupChange::ProfileSet(new))));
        let added = of(&group, GroupChange::MembersAdded { members: vec![9, 2, 8, 9] });
        assert_eq!(
            added,
            Ok(Some(GroupChange::MembersAdded { members: vec![9, 8] })),
            "in the caller's order"
        );
        let removed = of(&group, GroupChange::MembersRemoved { members: vec![3, 3] });
        assert_eq!(removed, Ok(Some(GroupChange::MembersRemoved { members: vec![3] })));
    }

    #[test]
    fn what_would_have_no_effect_is_an_error() {
        let group = group(vec![2, 3]);
        let owner = |user| GroupChange::ProfileSet(ProfileChange { owner: Some(user), ..Default::default() });
        let refused = |change, error| assert_eq!(of(&group, change), Err(error));
        refused(owner(9), GroupError::NotMember);
        refused(GroupChange::MembersRemoved { members: vec![9] }, GroupError::NotMember);
        refused(GroupChange::MembersRemoved { members: vec![2, 1] }, GroupError::IsOwner);
        refused(GroupChange::RoleSet { member: 1, role: Role::Admin }, GroupError::IsOwner);
        refused(GroupChange::RoleSet { member: 9, role: Role::Admin }, GroupError::NotMember);
        refused(GroupChange::MemberMuted { member: 9, until_ms: 1 }, GroupError::NotMember);
        let many = (10..).take(NORMAL_MEMBERS_MAX).collect();
        let members_max = NORMAL_MEMBERS_MAX;
        refused(GroupChange::MembersAdded { members: many }, GroupError::TooManyMembers { members_max });
        let made_super = ProfileChange { is_super: true, ..Default::default() };
        let group = after(&group, &GroupChange::ProfileSet(made_super));
        assert_eq!(
            of(&group, GroupChange::Profile { profile: GroupProfile::default() }),
            Err(GroupError::StaysSuper)
        );
    }

    #[test]
    fn ten_members_are_admins_and_no_eleventh() {
        let mut group = group((2..20).collect());
        for member in 2..12 {
            let change = of(&group, GroupChange::RoleSet { member, role: Role::Admin }).expect("may");
            group = after(&group, &change.expect("is new"));
        }
        let eleventh = GroupChange::RoleSet { member: 12, role: Role::Admin };
        assert_eq!(of(&group, eleventh.clone()), Err(GroupError::AdminLimit));
        assert_eq!(of(&group, GroupChange::RoleSet { member: 5, role: Role::Admin }), Ok(None));
        let group = after(&group, &GroupChange::RoleSet { member: 5, role: Role::Normal });
        assert!(matches!(of(&group, eleventh), Ok(Some(_))));
    }

    #[test]
    fn a_group_is_made_with_each_member_named_once() {
        let new = NewGroup {
            app: AppId(1),
            id: None,
            profile: GroupProfile::default(),
            owner: UserId(1),
            members: [3, 1, 2, 3].map(UserId).to_vec(),
            operator: None,
            silent: false,
        };
        let Ok(GroupChange::Created { owner: 1, members, .. }) = of_creation(new) else { panic!("is made") };
        assert_eq!(members, [3, 2]);
    }
}
