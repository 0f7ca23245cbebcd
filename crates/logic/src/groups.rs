//! Group changes: checked against the group as it is, journaled, in force when answered.

use std::sync::Arc;

use bytes::Bytes;
use futures::lock::Mutex;
use halley_core::clock::Clock;
use halley_core::group::{
    CHANGE_OF_SUPER, Group, GroupChange, GroupProfile, NORMAL_MEMBERS_MAX, Role, SILENT, SUPER_MEMBERS_MAX,
};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::msg_id::MsgIdGenerator;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{GroupProgress, Groups};
use halley_core::ports::business::{GroupError, GroupService, NewGroup};
use halley_core::ports::journal::Journal;
use halley_core::record::{Record, Targets};
use halley_core::reply::Reply;

use crate::append::append_durable;

/// [`GroupService`] over the journal.
#[derive(Clone)]
pub struct GroupWriter {
    groups: Arc<dyn Groups>,
    progress: Arc<dyn GroupProgress>,
    journal: Arc<dyn Journal>,
    ids: Arc<MsgIdGenerator>,
    clock: Arc<dyn Clock>,
    /// One change at a time: each is checked against the state that the one before has made.
    turn: Arc<Mutex<()>>,
}

impl GroupWriter {
    /// Changes the groups that `groups` reads, by records that `progress` applies.
    #[must_use]
    pub fn new(
        groups: Arc<dyn Groups>,
        progress: Arc<dyn GroupProgress>,
        journal: Arc<dyn Journal>,
        ids: Arc<MsgIdGenerator>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { groups, progress, journal, ids, clock, turn: Arc::default() }
    }

    async fn create_now(self, new: NewGroup) -> Result<Arc<Group>, GroupError> {
        let _turn = self.turn.lock().await;
        let id = new.id.unwrap_or_else(|| GroupId(self.ids.next(self.clock.now().wall_ms).0));
        if self.groups.group(new.app, id).await?.is_some() {
            return Err(GroupError::Exists);
        }
        check_size(&new.profile, new.members.len() + 1)?;
        let members = new.members.iter().map(|user| user.0).collect();
        let change = GroupChange::Created { profile: new.profile, owner: new.owner.0, members };
        self.journal_change(new.app, id, None, &change).await?;
        self.groups.group(new.app, id).await?.ok_or(GroupError::NotFound)
    }

    async fn change_now(
        self,
        app: AppId,
        id: GroupId,
        change: GroupChange,
    ) -> Result<Option<Arc<Group>>, GroupError> {
        let _turn = self.turn.lock().await;
        let group = self.groups.group(app, id).await?.ok_or(GroupError::NotFound)?;
        check_change(&group, &change)?;
        self.journal_change(app, id, Some(&group), &change).await?;
        Ok(self.groups.group(app, id).await?)
    }

    async fn journal_change(
        &self,
        app: AppId,
        id: GroupId,
        before: Option<&Group>,
        change: &GroupChange,
    ) -> Result<(), GroupError> {
        let now_ms = self.clock.now().wall_ms;
        let bytes = serde_json::to_vec(change).map_err(|error| unavailable(&error.to_string()))?;
        let is_super = is_super_after(before, change);
        let kind = SILENT | if is_super { CHANGE_OF_SUPER } else { 0 };
        let targets = if is_super { following_changes(before, change) } else { Vec::new() };
        let message = Message {
            id: self.ids.next(now_ms),
            app,
            conversation: Conversation::Group(id),
            from: UserId::SYSTEM,
            kind: EntryKind::GROUP_CHANGE,
            content: Content { kind, bytes: bytes.into() },
            ext: Bytes::new(),
            client_id: Bytes::new(),
            time_ms: now_ms,
            device: Bytes::new(),
        };
        let record = Arc::new(Record { message, targets: Targets::new(targets, None) });
        let key = append_durable(&*self.journal, &record).await?;
        self.progress.reach(key).await?;
        Ok(())
    }
}

impl GroupService for GroupWriter {
    fn create(&self, new: NewGroup) -> Reply<Result<Arc<Group>, GroupError>> {
        Reply::later(self.clone().create_now(new))
    }

    fn change(
        &self,
        app: AppId,
        id: GroupId,
        change: GroupChange,
    ) -> Reply<Result<Option<Arc<Group>>, GroupError>> {
        Reply::later(self.clone().change_now(app, id, change))
    }
}

/// Whether it is a super group once the change is applied.
fn is_super_after(before: Option<&Group>, change: &GroupChange) -> bool {
    let becomes = match change {
        GroupChange::Created { profile, .. } | GroupChange::Profile { profile } => profile.is_super,
        GroupChange::ProfileSet(set) => set.is_super,
        _ => false,
    };
    becomes || before.is_some_and(|group| group.profile.is_super)
}

/// Whose sessions begin or end to follow the feed of this super group: the change stands in their inboxes.
fn following_changes(before: Option<&Group>, change: &GroupChange) -> Vec<UserId> {
    let members = || before.into_iter().flat_map(|group| &group.members).map(|member| member.user);
    match change {
        GroupChange::Created { owner, members, .. } => {
            members.iter().chain([owner]).copied().map(UserId).collect()
        }
        GroupChange::Profile { .. } | GroupChange::ProfileSet(_)
            if before.is_some_and(|group| group.profile.is_super) =>
        {
            Vec::new()
        }
        GroupChange::Profile { .. } | GroupChange::ProfileSet(_) | GroupChange::Disbanded => {
            members().collect()
        }
        GroupChange::MembersAdded { members } | GroupChange::MembersRemoved { members } => {
            members.iter().copied().map(UserId).collect()
        }
        GroupChange::RoleSet { .. } | GroupChange::MemberMuted { .. } => Vec::new(),
    }
}

/// What [`halley_core::group::apply`] would silently not do is an error to the caller.
fn check_change(group: &Group, change: &GroupChange) -> Result<(), GroupError> {
    let member = |user: &i64| group.member(UserId(*user)).ok_or(GroupError::NotMember);
    match change {
        GroupChange::Created { .. } => Err(GroupError::Exists),
        GroupChange::Profile { profile } if group.profile.is_super && !profile.is_super => {
            Err(GroupError::StaysSuper)
        }
        GroupChange::Profile { .. } | GroupChange::Disbanded => Ok(()),
        GroupChange::ProfileSet(set) => set.owner.as_ref().map_or(Ok(()), |owner| member(owner).map(drop)),
        GroupChange::MembersAdded { members } => {
            let joining = members.iter().filter(|user| group.member(UserId(**user)).is_none()).count();
            check_size(&group.profile, group.members.len() + joining)
        }
        GroupChange::MembersRemoved { members } => {
            members.iter().try_for_each(|user| match member(user)?.role {
                Role::Owner => Err(GroupError::IsOwner),
                Role::Admin | Role::Normal => Ok(()),
            })
        }
        GroupChange::RoleSet { member: user, role } => match (member(user)?.role, role) {
            (Role::Owner, Role::Admin | Role::Normal) => Err(GroupError::IsOwner),
            _ => Ok(()),
        },
        GroupChange::MemberMuted { member: user, .. } => member(user).map(|_| ()),
    }
}

fn check_size(profile: &GroupProfile, members: usize) -> Result<(), GroupError> {
    let members_max = if profile.is_super { SUPER_MEMBERS_MAX } else { NORMAL_MEMBERS_MAX };
    if members > members_max { Err(GroupError::TooManyMembers { members_max }) } else { Ok(()) }
}

fn unavailable(why: &str) -> GroupError {
    GroupError::Port(PortError::Unavailable { what: "journal", why: why.to_owned() })
}
