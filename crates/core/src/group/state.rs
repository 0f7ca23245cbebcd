//! A group as it stands: its profile, its members, who may speak.

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
    /// May mute, invite and remove normal members; never muted.
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
    /// Who may join: 0 anybody a member invites; 1 and 2 whom owner and admins invite (spec 2.5, JoinType).
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
/// Most admins of a group.
pub const ADMINS_MAX: usize = 10;

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

    /// How many admins it has.
    #[must_use]
    pub fn admins(&self) -> usize {
        self.members.iter().filter(|member| member.role == Role::Admin).count()
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
