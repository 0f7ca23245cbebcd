//! A group change as this dialect shows it: signals (spec 2.5) and notices (spec 2.4), one frame a part.

use std::borrow::Cow;

use bytes::Bytes;
use halley_core::group::{Announced, Fact, Notice, Part, Role};
use halley_core::ids::{MsgId, UserId};
use halley_core::message::{Conversation, Message};
use halley_core::msg_id::nth_of_block;
use halley_wire::txchat::pb::{
    Channel, MemberType, MsgType, MuteType, NoticeDeleteGroup, NoticeKickOutGroup, NoticeMsg, NoticeMsgType,
    NoticeSignInGroup, NoticeSignOutGroup, NoticeUpdateGroupMemberMuted, NoticeUpdateGroupMuted,
    NoticeUpdateGroupName, NoticeUpdateGroupOwner, SignalDeleteGroup, SignalSignInGroup, SignalSignOutGroup,
    SignalType, SignalUpdateGroupAvatar, SignalUpdateGroupFriendType, SignalUpdateGroupJoinType,
    SignalUpdateGroupMemberMuteTime, SignalUpdateGroupMemberType, SignalUpdateGroupMuteType,
    SignalUpdateGroupName,
};
use halley_wire::txchat::{Common, Signal};
use prost::Message as _;

use super::entry::{Names, Shown};

/// Writes the body of one part of a change into `out`.
pub(crate) fn show_part(
    message: &Message,
    announced: &Announced,
    part: u32,
    out: &mut Vec<u8>,
    name: impl FnMut(UserId) -> Names,
) -> Shown {
    out.clear();
    let Conversation::Group(group) = message.conversation else { return Shown::Skip };
    let Some(told) = usize::try_from(part).ok().and_then(|at| announced.parts.get(at)) else {
        return Shown::Skip;
    };
    let id = nth_of_block(message.id, part);
    let mut namer = Namer { name, missing: None };
    match told {
        Part::Notice(notice) => {
            let speaker = namer.of(announced.speaker);
            let msg = notice_body(notice, group.0, &speaker, &mut namer);
            let common = Common {
                channel_type: Channel::ToGroup.into(),
                mid: id.0,
                seq: &client_id(id),
                from: &speaker,
                target: &group.to_string(),
                msg_type: MsgType::Notice.into(),
                msg: &msg,
                datetime: message.time_ms,
                source: None,
                reference: None,
                unknown: Cow::Borrowed(&[]),
            };
            common.put(out);
        }
        Part::Fact(fact) => {
            let (kind, body) = signal_body(fact, group.0, message.time_ms, &mut namer);
            Signal { kind: kind.into(), body: &body, sid: id.0, reliable: true }.put(out);
        }
    }
    match namer.missing {
        Some(user) => Shown::Wants(message.app, user),
        None => Shown::Push,
    }
}

/// The idempotency key of a notice: no client sent it, and receivers want one. In the form of a UUID (version 8), as the
/// original's, and the same every time it is shown.
fn client_id(id: MsgId) -> String {
    let bits = id.0;
    format!(
        "{:08x}-{:04x}-8{:03x}-8{:03x}-{:012x}",
        bits >> 32,
        bits >> 16 & 0xffff,
        bits >> 4 & 0xfff,
        bits & 0xf,
        0
    )
}

/// Ids as clients know them. The first that is missing is asked for, and the part shown when it is there.
struct Namer<F> {
    name: F,
    missing: Option<UserId>,
}

impl<F: FnMut(UserId) -> Names> Namer<F> {
    fn of(&mut self, user: UserId) -> String {
        if !user.is_alias() {
            return user.to_string();
        }
        if self.missing.is_none() {
            match (self.name)(user) {
                Names::Here(name) => return name.to_string(),
                Names::Later => self.missing = Some(user),
            }
        }
        String::new()
    }

    fn all(&mut self, users: &[UserId]) -> Vec<String> {
        users.iter().map(|user| self.of(*user)).collect()
    }
}

fn notice_body<F: FnMut(UserId) -> Names>(
    notice: &Notice,
    group: i64,
    operator: &str,
    namer: &mut Namer<F>,
) -> Vec<u8> {
    let operator = operator.to_owned();
    let (kind, body) = match notice {
        Notice::Named(name) => {
            let body = NoticeUpdateGroupName { group, operator, name: name.clone() };
            (NoticeMsgType::UpdateGroupName, body.encode_to_vec())
        }
        Notice::Invited(members) => {
            let body = NoticeSignInGroup { group, inviter: operator, members: namer.all(members) };
            (NoticeMsgType::SignInGroup, body.encode_to_vec())
        }
        Notice::Left => (NoticeMsgType::SignOutGroup, NoticeSignOutGroup { group, operator }.encode_to_vec()),
        Notice::Removed(members) => {
            let body = NoticeKickOutGroup { group, operator, members: namer.all(members) };
            (NoticeMsgType::KickOutGroup, body.encode_to_vec())
        }
        Notice::Disbanded => {
            (NoticeMsgType::DeleteGroup, NoticeDeleteGroup { group, operator }.encode_to_vec())
        }
        Notice::MutedGroup(muted) => {
            let body = NoticeUpdateGroupMuted { group, operator, r#type: mute_type(*muted) };
            (NoticeMsgType::UpdateGroupMuted, body.encode_to_vec())
        }
        Notice::MutedMember(member) => {
            let members = namer.all(&[*member]);
            let body = NoticeUpdateGroupMemberMuted { group, operator, members };
            (NoticeMsgType::UpdateGroupMemberMuted, body.encode_to_vec())
        }
        Notice::MadeOwner(member) => {
            let body = NoticeUpdateGroupOwner { group, new_owner: namer.of(*member) };
            (NoticeMsgType::UpdateGroupOwner, body.encode_to_vec())
        }
    };
    NoticeMsg { r#type: kind.into(), body: Bytes::from(body) }.encode_to_vec()
}

fn signal_body<F: FnMut(UserId) -> Names>(
    fact: &Fact,
    group: i64,
    time: u64,
    namer: &mut Namer<F>,
) -> (SignalType, Vec<u8>) {
    match fact {
        Fact::Joined(members) => {
            let body = SignalSignInGroup { uid: namer.all(members), group, time };
            (SignalType::SignInGroup, body.encode_to_vec())
        }
        Fact::Left(members) => {
            let body = SignalSignOutGroup { uid: namer.all(members), group, time };
            (SignalType::SignOutGroup, body.encode_to_vec())
        }
        Fact::Gone => (SignalType::DeleteGroup, SignalDeleteGroup { group, time }.encode_to_vec()),
        Fact::Role(member, role) => {
            let kind = match role {
                Role::Normal => MemberType::Normal,
                Role::Admin => MemberType::Admin,
                Role::Owner => MemberType::Owner,
            };
            let uid = namer.of(*member);
            let body = SignalUpdateGroupMemberType { group, uid, r#type: kind.into(), time };
            (SignalType::UpdateGroupMemberType, body.encode_to_vec())
        }
        Fact::MutedUntil(member, until_ms) => {
            let mute_time = i64::try_from(*until_ms).unwrap_or(i64::MAX);
            let uid = namer.all(&[*member]);
            let body = SignalUpdateGroupMemberMuteTime { group, uid, mute_time, time };
            (SignalType::UpdateGroupMemberMuteTime, body.encode_to_vec())
        }
        Fact::Name(name) => {
            let body = SignalUpdateGroupName { group, name: name.clone(), time };
            (SignalType::UpdateGroupName, body.encode_to_vec())
        }
        Fact::Avatar(avatar) => {
            let body = SignalUpdateGroupAvatar { group, avatar: avatar.clone(), time };
            (SignalType::UpdateGroupAvatar, body.encode_to_vec())
        }
        Fact::JoinType(kind) => {
            let body = SignalUpdateGroupJoinType { group, r#type: *kind, time };
            (SignalType::UpdateGroupJoinType, body.encode_to_vec())
        }
        Fact::FriendType(kind) => {
            let body = SignalUpdateGroupFriendType { group, r#type: *kind, time };
            (SignalType::UpdateGroupFriendType, body.encode_to_vec())
        }
        Fact::Muted(muted) => {
            let body = SignalUpdateGroupMuteType { group, r#type: mute_type(*muted), time };
            (SignalType::UpdateGroupMuteType, body.encode_to_vec())
        }
    }
}

fn mute_type(muted: bool) -> i32 {
    if muted { MuteType::Deny.into() } else { MuteType::Allow.into() }
}
