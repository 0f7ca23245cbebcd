//! Groups and their changes: a pure state machine that the journal drives.
//!
//! A change is a journal record first; [`apply`] is total and idempotent, so that a crash between journal and state
//! database repeats it without harm.

use serde::{Deserialize, Serialize};

use crate::command::Refusal;
use crate::ids::{AppId, GroupId, UserId};
use crate::key::SyncKey;

/// A member's standing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A member.
    #[default]
    Normal,
    /// May mute, invite and remove normal members.
    Admin,
    /// One per group.
    Owner,
}

/// One member of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Standing.
    pub role: Role,
    /// Muted until this unix time in milliseconds; 0 when not, `u64::MAX` for ever.
    pub muted_until_ms: u64,
    /// The change that made them a member.
    pub joined: SyncKey,
}

/// What describes a group apart from its members.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupProfile {
    /// Its name, at most 255 bytes.
    pub name: String,
    /// URL of its picture, at most 1,024 bytes.
    pub avatar: String,
    /// Feed only, no inbox entries (design section 5). Only ever set, never cleared.
    pub is_super: bool,
    /// Only owner and admins may speak.
    pub muted: bool,
    /// Who may join: 0 anybody a member invites, 1 nobody, 2 after approval (spec 2.5, JoinType).
    pub join_type: i32,
    /// Whether members may befriend each other: 0 yes, 1 no (FriendType).
    pub friend_type: i32,
}

/// A group with its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The app.
    pub app: AppId,
    /// The id.
    pub id: GroupId,
    /// What describes it.
    pub profile: GroupProfile,
    /// Ascending by user, each once.
    pub members: Vec<Member>,
    /// When it was created, unix milliseconds.
    pub created_ms: u64,
}

/// Most members of a normal group: beyond it every message would write too many inboxes.
pub const NORMAL_MEMBERS_MAX: usize = 5_000;
/// Most members of a super group.
pub const SUPER_MEMBERS_MAX: usize = 100_000;

impl Group {
    /// The member that this user is.
    #[must_use]
    pub fn member(&self, user: UserId) -> Option<&Member> {
        self.members.binary_search_by_key(&user, |member| member.user).ok().map(|at| &self.members[at])
    }

    /// The owner, while there is one.
    #[must_use]
    pub fn owner(&self) -> Option<UserId> {
        self.members.iter().find(|member| member.role == Role::Owner).map(|member| member.user)
    }

    /// Whether this user may speak here now (unix milliseconds).
    ///
    /// # Errors
    /// Why not.
    pub fn check_send(&self, user: UserId, now_ms: u64) -> Result<(), Refusal> {
        let member = self.member(user).ok_or(Refusal::NotMember)?;
        if self.profile.muted && member.role == Role::Normal {
            return Err(Refusal::GroupMuted);
        }
        if member.muted_until_ms > now_ms {
            return Err(Refusal::Muted);
        }
        Ok(())
    }
}

/// A change of a group, as its journal record carries it (JSON; unknown fields are ignored, variants are only added).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum GroupChange {
    /// It comes into being; no effect on a group that exists.
    Created {
        /// What describes it.
        profile: GroupProfile,
        /// Who owns it; a member as well.
        owner: i64,
        /// The other members.
        members: Vec<i64>,
    },
    /// Its profile is now this.
    Profile {
        /// The whole profile.
        profile: GroupProfile,
    },
    /// These join; who is a member already stays as they are.
    MembersAdded {
        /// The users.
        members: Vec<i64>,
    },
    /// These leave; the owner cannot.
    MembersRemoved {
        /// The users.
        members: Vec<i64>,
    },
    /// A member's standing; `owner` makes the former owner a normal member.
    RoleSet {
        /// The member.
        member: i64,
        /// The new standing.
        role: Role,
    },
    /// A member is muted until then, or no longer (0).
    MemberMuted {
        /// The member.
        member: i64,
        /// Unix milliseconds; 0 ends it.
        until_ms: u64,
    },
    /// It is no more.
    Disbanded,
}

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
        group.members[found].muted_until_ms = 0;
    } else if group.members[found].role == Role::Owner {
        return;
    }
    group.members[found].role = role;
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_journal_form_is_stable() {
        let change = GroupChange::RoleSet { member: 3, role: Role::Admin };
        let json = serde_json::to_string(&change).expect("serialises");
        assert_eq!(json, r#"{"change":"role_set","member":3,"role":"admin"}"#);
        let newer = r#"{"change":"profile","profile":{"name":"g","colour":"red"}}"#;
        assert!(serde_json::from_str::<GroupChange>(newer).is_ok(), "unknown fields are ignored");
    }
}
