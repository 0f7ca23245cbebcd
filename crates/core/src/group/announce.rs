//! How a change is told: in parts, in the order in which clients are shown them, each with a message id of its own.
//!
//! Who makes the record reserves as many ids as there are parts; who shows it counts again. Both count here, from the
//! record's own fields, so that they agree for ever. A dialect shows of a part what it has a form for.

use serde::{Deserialize, Serialize};

use super::change::{GroupChange, ProfileChange};
use super::state::Role;
use crate::ids::{MsgId, UserId};
use crate::message::{EntryKind, Message};
use crate::msg_id::nth_of_block;
use crate::ports::accounts::USER_NAME_BYTES_MAX;

/// Content kind of a change that nobody is told of.
pub const SILENT: i32 = 0;
/// Content kind of a change that its entry tells. A bit: [`CHANGE_OF_SUPER`] may be there too.
pub const ANNOUNCED: i32 = 1;
/// Another bit of the content kind: the group is a super group once the change is applied. So who sees a change knows
/// whether it is about a feed without asking for the group.
pub const CHANGE_OF_SUPER: i32 = 2;

/// Bytes of user ids that one part names at most: with everything around them they fit a frame of any dialect (D28).
const LIST_BYTES_MAX: usize = 15_800;
/// An id that is its number, with its field's key and length.
const DECIMAL_BYTES: usize = 22;
/// Any other id.
const ALIAS_BYTES: usize = USER_NAME_BYTES_MAX + 3;

/// What the announcement of a change needs beside the change (JSON, the record's `ext`; unknown fields are ignored).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// Message ids that are reserved for it, from the message's own on.
    pub ids: u32,
    /// Who owned the group before the change, or made it; 0 when nobody did. Speaks when no operator is named.
    pub owner: i64,
}

/// Something that is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// What is so now, for programs.
    Fact(Fact),
    /// A line for people, in the conversation.
    Notice(Notice),
}

/// What is so now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// These are members now.
    Joined(Vec<UserId>),
    /// These are no longer members.
    Left(Vec<UserId>),
    /// The group is no more.
    Gone,
    /// A member's standing.
    Role(UserId, Role),
    /// A member is muted until then (unix milliseconds), or not (0).
    MutedUntil(UserId, u64),
    /// Its name.
    Name(String),
    /// Its picture.
    Avatar(String),
    /// Who may join.
    JoinType(i32),
    /// Whether members may befriend each other.
    FriendType(i32),
    /// Whether only owner and admins may speak.
    Muted(bool),
}

/// What a line in the conversation says that the operator did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Named the group.
    Named(String),
    /// Brought these in.
    Invited(Vec<UserId>),
    /// Left.
    Left,
    /// Removed these.
    Removed(Vec<UserId>),
    /// Disbanded the group.
    Disbanded,
    /// Muted the group, or let it speak again.
    MutedGroup(bool),
    /// Muted this member.
    MutedMember(UserId),
    /// Made this member the owner.
    MadeOwner(UserId),
}

/// An announced change, as its entry is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announced {
    /// In whose name notices are.
    pub speaker: UserId,
    /// What is told, in order; each has an id.
    pub parts: Vec<Part>,
}

impl Announced {
    /// What this entry tells; `None` when it is no change that is announced, or one of a newer version.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        if message.content.kind & ANNOUNCED == 0 {
            return None;
        }
        let announcement = Announcement::of(message)?;
        let change: GroupChange = serde_json::from_slice(&message.content.bytes).ok()?;
        let owner = UserId(announcement.owner);
        let mut parts = parts(&change, message.from, owner);
        // Another version's count may differ: no part is shown under an id that was not reserved for it.
        parts.truncate(usize::try_from(announcement.ids).unwrap_or(usize::MAX));
        let speaker = if message.from == UserId::SYSTEM { owner } else { message.from };
        Some(Self { speaker, parts })
    }
}

impl Announcement {
    fn of(message: &Message) -> Option<Self> {
        if message.kind != EntryKind::GROUP_CHANGE {
            return None;
        }
        serde_json::from_slice(&message.ext).ok()
    }
}

impl Message {
    /// The last id that is used up with this message.
    #[must_use]
    pub fn last_id(&self) -> MsgId {
        let reserved = Announcement::of(self).map_or(1, |announcement| announcement.ids);
        nth_of_block(self.id, reserved.saturating_sub(1))
    }
}

/// The parts in which this change by this operator ([`UserId::SYSTEM`]: nobody) is told, in the order of the original's
/// table (txchat spec 8.3). It has been cut down to what it really changes.
#[must_use]
pub fn parts(change: &GroupChange, operator: UserId, owner: UserId) -> Vec<Part> {
    let mut parts = Vec::new();
    match change {
        GroupChange::Created { profile: _, owner, members } => {
            let all: Vec<i64> = members.iter().chain([owner]).copied().collect();
            parts.extend(lists(&all, |some| Part::Fact(Fact::Joined(some))));
            parts.extend(lists(members, |some| Part::Notice(Notice::Invited(some))));
        }
        GroupChange::MembersAdded { members } => {
            parts.extend(lists(members, |some| Part::Fact(Fact::Joined(some))));
            parts.extend(lists(members, |some| Part::Notice(Notice::Invited(some))));
        }
        GroupChange::MembersRemoved { members } if members[..] == [operator.0] => {
            parts.push(Part::Fact(Fact::Left(vec![operator])));
            parts.push(Part::Notice(Notice::Left));
        }
        GroupChange::MembersRemoved { members } => {
            parts.extend(lists(members, |some| Part::Notice(Notice::Removed(some))));
            parts.extend(lists(members, |some| Part::Fact(Fact::Left(some))));
        }
        GroupChange::Disbanded => parts.extend([Part::Notice(Notice::Disbanded), Part::Fact(Fact::Gone)]),
        GroupChange::RoleSet { member, role: Role::Owner } => {
            new_owner(&mut parts, UserId(*member), owner);
        }
        GroupChange::RoleSet { member, role } => {
            let member = UserId(*member);
            parts.push(Part::Fact(Fact::Role(member, *role)));
            if *role == Role::Admin {
                parts.push(Part::Fact(Fact::MutedUntil(member, 0)));
            }
        }
        GroupChange::MemberMuted { member, until_ms } => {
            let member = UserId(*member);
            parts.push(Part::Fact(Fact::MutedUntil(member, *until_ms)));
            if *until_ms > 0 {
                parts.push(Part::Notice(Notice::MutedMember(member)));
            }
        }
        GroupChange::ProfileSet(set) => profile_parts(&mut parts, set, owner),
        // Written by older versions only, which announced nothing.
        GroupChange::Profile { .. } => {}
    }
    parts
}

fn profile_parts(parts: &mut Vec<Part>, set: &ProfileChange, owner: UserId) {
    if let Some(new) = set.owner {
        new_owner(parts, UserId(new), owner);
    }
    if let Some(muted) = set.muted {
        parts.extend([Part::Fact(Fact::Muted(muted)), Part::Notice(Notice::MutedGroup(muted))]);
    }
    parts.extend(set.join_type.map(|kind| Part::Fact(Fact::JoinType(kind))));
    parts.extend(set.friend_type.map(|kind| Part::Fact(Fact::FriendType(kind))));
    if let Some(name) = &set.name {
        parts.extend([Part::Fact(Fact::Name(name.clone())), Part::Notice(Notice::Named(name.clone()))]);
    }
    parts.extend(set.avatar.clone().map(|avatar| Part::Fact(Fact::Avatar(avatar))));
}

fn new_owner(parts: &mut Vec<Part>, new: UserId, former: UserId) {
    parts.push(Part::Fact(Fact::Role(new, Role::Owner)));
    parts.push(Part::Fact(Fact::MutedUntil(new, 0)));
    if former != UserId::SYSTEM {
        parts.push(Part::Fact(Fact::Role(former, Role::Normal)));
    }
    parts.push(Part::Notice(Notice::MadeOwner(new)));
}

/// A list in as many parts as it needs.
fn lists(users: &[i64], part: impl Fn(Vec<UserId>) -> Part) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut some, mut bytes) = (Vec::new(), 0);
    for user in users.iter().copied().map(UserId) {
        let more = if user.is_alias() { ALIAS_BYTES } else { DECIMAL_BYTES };
        if bytes + more > LIST_BYTES_MAX {
            parts.push(part(std::mem::take(&mut some)));
            bytes = 0;
        }
        some.push(user);
        bytes += more;
    }
    if !some.is_empty() {
        parts.push(part(some));
    }
    parts
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ids::{AppId, GroupId};
    use crate::message::{Content, Conversation};

    const OWNER: UserId = UserId(5);

    fn told(change: &GroupChange, operator: i64) -> Vec<Part> {
        parts(change, UserId(operator), OWNER)
    }

    #[test]
    fn a_change_is_told_in_the_order_of_the_table() {
        let created = GroupChange::Created { profile: Default::default(), owner: 5, members: vec![9, 2] };
        let users = |ids: &[i64]| ids.iter().copied().map(UserId).collect::<Vec<_>>();
        assert_eq!(
            told(&created, 5),
            [Part::Fact(Fact::Joined(users(&[9, 2, 5]))), Part::Notice(Notice::Invited(users(&[9, 2])))]
        );
        let removed = GroupChange::MembersRemoved { members: vec![9] };
        assert_eq!(
            told(&removed, 9),
            [Part::Fact(Fact::Left(users(&[9]))), Part::Notice(Notice::Left)],
            "leaves"
        );
        assert_eq!(
            told(&removed, 5),
            [Part::Notice(Notice::Removed(users(&[9]))), Part::Fact(Fact::Left(users(&[9])))],
            "is removed"
        );
        assert_eq!(
            told(&GroupChange::Disbanded, 5),
            [Part::Notice(Notice::Disbanded), Part::Fact(Fact::Gone)]
        );
        let all = ProfileChange {
            name: Some("n".into()),
            avatar: Some("a".into()),
            owner: Some(2),
            is_super: true,
            muted: Some(true),
            join_type: Some(1),
            friend_type: Some(1),
        };
        let new = UserId(2);
        assert_eq!(
            told(&GroupChange::ProfileSet(all), 5),
            [
                Part::Fact(Fact::Role(new, Role::Owner)),
                Part::Fact(Fact::MutedUntil(new, 0)),
                Part::Fact(Fact::Role(OWNER, Role::Normal)),
                Part::Notice(Notice::MadeOwner(new)),
                Part::Fact(Fact::Muted(true)),
                Part::Notice(Notice::MutedGroup(true)),
                Part::Fact(Fact::JoinType(1)),
                Part::Fact(Fact::FriendType(1)),
                Part::Fact(Fact::Name("n".into())),
                Part::Notice(Notice::Named("n".into())),
                Part::Fact(Fact::Avatar("a".into())),
            ]
        );
        let role = |role| told(&GroupChange::RoleSet { member: 2, role }, 5);
        assert_eq!(
            role(Role::Admin),
            [Part::Fact(Fact::Role(new, Role::Admin)), Part::Fact(Fact::MutedUntil(new, 0))]
        );
        assert_eq!(role(Role::Normal), [Part::Fact(Fact::Role(new, Role::Normal))]);
        let mute = |until_ms| told(&GroupChange::MemberMuted { member: 2, until_ms }, 5);
        assert_eq!(mute(7), [Part::Fact(Fact::MutedUntil(new, 7)), Part::Notice(Notice::MutedMember(new))]);
        assert_eq!(mute(0), [Part::Fact(Fact::MutedUntil(new, 0))]);
    }

    #[test]
    fn a_long_list_is_told_in_parts_that_name_everybody_once_in_order() {
        let mixed: Vec<i64> =
            (0..3_000).map(|n| if n % 3 == 0 { UserId::ALIAS_FIRST.0 + n } else { 1 + n }).collect();
        let told = told(&GroupChange::MembersAdded { members: mixed.clone() }, 5);
        let mut named = (Vec::new(), Vec::new());
        for part in told {
            let (list, into) = match part {
                Part::Fact(Fact::Joined(list)) => (list, &mut named.0),
                Part::Notice(Notice::Invited(list)) => (list, &mut named.1),
                other => panic!("{other:?}"),
            };
            let bytes: usize =
                list.iter().map(|user| if user.is_alias() { ALIAS_BYTES } else { DECIMAL_BYTES }).sum();
            assert!(!list.is_empty() && bytes <= LIST_BYTES_MAX);
            into.extend(list.iter().map(|user| user.0));
        }
        assert_eq!(named, (mixed.clone(), mixed));
    }

    #[test]
    fn an_entry_tells_no_more_than_it_has_ids_for_and_uses_them_up() {
        let content = serde_json::to_vec(&GroupChange::Disbanded).expect("serialises");
        let mut message = Message {
            id: MsgId(8),
            app: AppId(1),
            conversation: Conversation::Group(GroupId(7)),
            from: UserId::SYSTEM,
            kind: EntryKind::GROUP_CHANGE,
            content: Content { kind: ANNOUNCED, bytes: content.into() },
            ext: Bytes::from_static(br#"{"ids":2,"owner":5,"later":1}"#),
            client_id: Bytes::new(),
            time_ms: 5,
            device: Bytes::new(),
        };
        let announced = Announced::of(&message).expect("is announced");
        assert_eq!((announced.speaker, announced.parts.len(), message.last_id()), (OWNER, 2, MsgId(9)));
        message.ext = Bytes::from_static(br#"{"ids":1,"owner":5}"#);
        message.from = UserId(3);
        let announced = Announced::of(&message).expect("is announced");
        assert_eq!((announced.speaker, announced.parts.len(), message.last_id()), (UserId(3), 1, MsgId(8)));
        message.content.kind = SILENT;
        assert_eq!(Announced::of(&message), None);
        message.ext = Bytes::new();
        assert_eq!(message.last_id(), MsgId(8), "of an old record");
    }
}
