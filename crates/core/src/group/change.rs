//! A change, as its journal record carries it.

use serde::{Deserialize, Serialize};

use super::state::{Group, GroupProfile, Role};
use crate::ids::UserId;

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
    /// Its profile is now this. Nobody writes it any more: two writers of whole profiles undo each other.
    Profile {
        /// The whole profile.
        profile: GroupProfile,
    },
    /// This of its profile is now so; what is not set stays.
    ProfileSet(ProfileChange),
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
    /// A member's standing; `owner` makes the former owner a normal member. Who gets a standing is no longer muted.
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

/// What of a group's profile is set.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileChange {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// URL of its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// A member, who becomes the owner; the former owner is a normal member then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<i64>,
    /// It becomes a super group; `false` says nothing.
    #[serde(rename = "super", skip_serializing_if = "std::ops::Not::not")]
    pub is_super: bool,
    /// Whether only owner and admins may speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// See [`GroupProfile::join_type`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join_type: Option<i32>,
    /// See [`GroupProfile::friend_type`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub friend_type: Option<i32>,
}

impl ProfileChange {
    /// What a whole profile sets.
    #[must_use]
    pub fn whole(profile: &GroupProfile) -> Self {
        Self {
            name: Some(profile.name.clone()),
            avatar: Some(profile.avatar.clone()),
            owner: None,
            is_super: profile.is_super,
            muted: Some(profile.muted),
            join_type: Some(profile.join_type),
            friend_type: Some(profile.friend_type),
        }
    }

    /// What of it the group is not already.
    #[must_use]
    pub fn news_to(self, group: &Group) -> Self {
        let profile = &group.profile;
        let owner = group.owner();
        Self {
            name: self.name.filter(|name| *name != profile.name),
            avatar: self.avatar.filter(|avatar| *avatar != profile.avatar),
            owner: self.owner.filter(|user| owner != Some(UserId(*user))),
            is_super: self.is_super && !profile.is_super,
            muted: self.muted.filter(|muted| *muted != profile.muted),
            join_type: self.join_type.filter(|kind| *kind != profile.join_type),
            friend_type: self.friend_type.filter(|kind| *kind != profile.friend_type),
        }
    }

    /// Whether it sets nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
