//! Who may change what of a group (spec 8.2). Asked only when a call names an operator: without one it is the system's.
//!
//! The operator is who the caller says; nothing that a client says of itself gets here (D31).

use halley_core::group::{Group, GroupChange, Role};
use halley_core::ids::UserId;
use halley_core::ports::business::GroupError;

/// Whether this operator may make this change.
pub(super) fn check(group: &Group, operator: UserId, change: &GroupChange) -> Result<(), GroupError> {
    let role = group.member(operator).ok_or(GroupError::OperatorNotMember)?.role;
    let at_least = |needed: Role| match needed {
        _ if role >= needed => Ok(()),
        Role::Owner => Err(GroupError::NeedOwner),
        Role::Admin | Role::Normal => Err(GroupError::NeedAdmin),
    };
    match change {
        GroupChange::Created { .. } => Err(GroupError::Exists),
        GroupChange::Profile { .. } => at_least(Role::Admin),
        GroupChange::ProfileSet(set) => {
            at_least(if set.owner.is_some() || set.is_super { Role::Owner } else { Role::Admin })?;
            check_transfer(operator, set.owner)
        }
        // Whoever may join only after approval is not brought in by a normal member either: the approval is asked of
        // owner and admins, and their invitation is one.
        GroupChange::MembersAdded { .. } if group.profile.join_type != 0 && role == Role::Normal => {
            Err(GroupError::InviteDenied)
        }
        GroupChange::MembersAdded { .. } => Ok(()),
        GroupChange::MembersRemoved { members } if members[..] == [operator.0] => match role {
            Role::Owner => Err(GroupError::IsOwner),
            Role::Admin | Role::Normal => Ok(()),
        },
        GroupChange::MembersRemoved { members } => {
            at_least(Role::Admin)?;
            let victims = members.iter().filter_map(|user| group.member(UserId(*user)));
            if victims.into_iter().any(|victim| victim.role >= role) {
                return Err(GroupError::NeedHigherRole);
            }
            Ok(())
        }
        GroupChange::RoleSet { member, role: given } => {
            at_least(Role::Owner)?;
            check_transfer(operator, Some(*member).filter(|_| *given == Role::Owner))
        }
        GroupChange::MemberMuted { member, .. } => {
            at_least(Role::Admin)?;
            match group.member(UserId(*member)) {
                Some(member) if member.role > Role::Normal => Err(GroupError::CannotMuteAdmins),
                _ => Ok(()),
            }
        }
        GroupChange::Disbanded => at_least(Role::Owner),
    }
}

fn check_transfer(operator: UserId, new_owner: Option<i64>) -> Result<(), GroupError> {
    if new_owner == Some(operator.0) { Err(GroupError::TransferToSelf) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use halley_core::group::{GroupProfile, ProfileChange, apply};
    use halley_core::ids::{AppId, GroupId};
    use halley_core::key::SyncKey;

    use super::*;

    const OWNER: i64 = 1;
    const ADMIN: i64 = 2;
    const NORMAL: i64 = 4;
    const STRANGER: i64 = 9;

    /// Owner 1, admins 2 and 3, normal members 4 and 5.
    fn group(join_type: i32) -> Group {
        let profile = GroupProfile { join_type, ..GroupProfile::default() };
        let changes = [
            GroupChange::Created { profile, owner: OWNER, members: vec![ADMIN, 3, NORMAL, 5] },
            GroupChange::RoleSet { member: ADMIN, role: Role::Admin },
            GroupChange::RoleSet { member: 3, role: Role::Admin },
        ];
        let at = SyncKey::from_raw(1).expect("positive");
        let made = changes.iter().fold(None, |group: Option<Group>, change| {
            apply(AppId(1), GroupId(7), group.as_ref(), change, at, 0)
        });
        made.expect("is made")
    }

    fn may(group: &Group, operator: i64, change: &GroupChange) -> Result<(), GroupError> {
        check(group, UserId(operator), change)
    }

    /// Owner, admin, normal member.
    fn all(change: &GroupChange) -> [Result<(), GroupError>; 3] {
        let group = group(0);
        assert_eq!(may(&group, STRANGER, change), Err(GroupError::OperatorNotMember), "{change:?}");
        [OWNER, ADMIN, NORMAL].map(|operator| may(&group, operator, change))
    }

    #[test]
    fn what_owner_admins_and_normal_members_may() {
        let set = |change| GroupChange::ProfileSet(change);
        let profile = ProfileChange::default;
        let only_owner = [Ok(()), Err(GroupError::NeedOwner), Err(GroupError::NeedOwner)];
        let admins = [Ok(()), Ok(()), Err(GroupError::NeedAdmin)];
        for change in [
            GroupChange::Disbanded,
            GroupChange::RoleSet { member: 5, role: Role::Admin },
            GroupChange::RoleSet { member: 3, role: Role::Normal },
            GroupChange::RoleSet { member: 5, role: Role::Owner },
            set(ProfileChange { owner: Some(5), ..profile() }),
            set(ProfileChange { is_super: true, name: Some("n".into()), ..profile() }),
        ] {
            assert_eq!(all(&change), only_owner, "{change:?}");
        }
        for change in [
            set(ProfileChange { name: Some("n".into()), ..profile() }),
            set(ProfileChange { avatar: Some("a".into()), ..profile() }),
            set(ProfileChange { muted: Some(true), ..profile() }),
            set(ProfileChange { join_type: Some(1), ..profile() }),
            set(ProfileChange { friend_type: Some(1), ..profile() }),
            GroupChange::Profile { profile: GroupProfile::default() },
            GroupChange::MembersRemoved { members: vec![5] },
            GroupChange::MemberMuted { member: 5, until_ms: 9 },
            GroupChange::MemberMuted { member: 5, until_ms: 0 },
        ] {
            assert_eq!(all(&change), admins, "{change:?}");
        }
        assert_eq!(all(&GroupChange::MembersAdded { members: vec![8] }), [Ok(()), Ok(()), Ok(())]);
    }

    #[test]
    fn nobody_removes_or_mutes_who_stands_as_high() {
        let remove = |user| GroupChange::MembersRemoved { members: vec![5, user] };
        let higher = Err(GroupError::NeedHigherRole);
        assert_eq!(all(&remove(3)), [Ok(()), higher.clone(), Err(GroupError::NeedAdmin)]);
        assert_eq!(all(&remove(OWNER)), [higher.clone(), higher, Err(GroupError::NeedAdmin)]);
        let mute = |member| GroupChange::MemberMuted { member, until_ms: 9 };
        let denied = Err(GroupError::CannotMuteAdmins);
        for member in [3, OWNER] {
            assert_eq!(all(&mute(member)), [denied.clone(), denied.clone(), Err(GroupError::NeedAdmin)]);
        }
    }

    #[test]
    fn everybody_but_the_owner_may_leave() {
        let group = group(0);
        let leaves = |user| may(&group, user, &GroupChange::MembersRemoved { members: vec![user] });
        assert_eq!([OWNER, ADMIN, NORMAL].map(leaves), [Err(GroupError::IsOwner), Ok(()), Ok(())]);
        assert_eq!(leaves(STRANGER), Err(GroupError::OperatorNotMember));
    }

    #[test]
    fn the_owner_does_not_hand_the_group_to_itself() {
        let group = group(0);
        for change in [
            GroupChange::RoleSet { member: OWNER, role: Role::Owner },
            GroupChange::ProfileSet(ProfileChange { owner: Some(OWNER), ..ProfileChange::default() }),
        ] {
            assert_eq!(may(&group, OWNER, &change), Err(GroupError::TransferToSelf));
        }
    }

    #[test]
    fn normal_members_invite_only_where_anybody_may_join() {
        let invite = GroupChange::MembersAdded { members: vec![8] };
        for (join_type, normal) in
            [(0, Ok(())), (1, Err(GroupError::InviteDenied)), (2, Err(GroupError::InviteDenied))]
        {
            let group = group(join_type);
            assert_eq!(
                [OWNER, ADMIN, NORMAL].map(|user| may(&group, user, &invite)),
                [Ok(()), Ok(()), normal]
            );
        }
    }
}
