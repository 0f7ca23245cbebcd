//! The record of a change, which is also the entry that tells it: message, reserved ids, and who is given it.

use bytes::Bytes;
use halley_core::group::{ANNOUNCED, Announcement, CHANGE_OF_SUPER, Group, GroupChange, SILENT, parts};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::msg_id::MsgIdGenerator;
use halley_core::record::{Record, Targets};

/// A change that will be made.
pub(super) struct Decided<'a> {
    pub(super) app: AppId,
    pub(super) id: GroupId,
    /// The group before it; `None` when it makes the group.
    pub(super) before: Option<&'a Group>,
    pub(super) change: &'a GroupChange,
    pub(super) operator: Option<UserId>,
    pub(super) silent: bool,
}

impl Decided<'_> {
    /// The record, with as many ids as it takes to tell it.
    pub(super) fn record(&self, ids: &MsgIdGenerator, now_ms: u64) -> Result<Record, serde_json::Error> {
        let from = self.operator.unwrap_or(UserId::SYSTEM);
        let owner = match (self.before, self.change) {
            (None, GroupChange::Created { owner, .. }) => UserId(*owner),
            (before, _) => before.and_then(Group::owner).unwrap_or(UserId::SYSTEM),
        };
        let count = if self.silent { 0 } else { parts(self.change, from, owner).len() };
        // A silent change has an id as well, and so has one that there is nothing to say about (a group becomes super).
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let ext = if self.silent {
            Bytes::new()
        } else {
            serde_json::to_vec(&Announcement { ids: count, owner: owner.0 })?.into()
        };
        let told = if self.silent { SILENT } else { ANNOUNCED };
        let of_super = if self.is_super_after() { CHANGE_OF_SUPER } else { 0 };
        let message = Message {
            id: ids.next_block(now_ms, count),
            app: self.app,
            conversation: Conversation::Group(self.id),
            from,
            kind: EntryKind::GROUP_CHANGE,
            content: Content { kind: told | of_super, bytes: serde_json::to_vec(self.change)?.into() },
            ext,
            client_id: Bytes::new(),
            time_ms: now_ms,
            device: Bytes::new(),
        };
        Ok(Record { message, targets: self.targets() })
    }

    /// Who is given the entry: of a normal group its members before and after, and the feed. Of a super group the feed, and the
    /// inboxes of those who begin or cease to follow it: they could not see there that they do.
    fn targets(&self) -> Targets {
        let is_super = self.is_super_after();
        if self.silent && !is_super {
            return Targets::none();
        }
        let was_super = self.before.is_some_and(|group| group.profile.is_super);
        let users = |list: &[i64]| -> Vec<UserId> { list.iter().copied().map(UserId).collect() };
        let (mut concerned, all) = match self.change {
            GroupChange::Created { owner, members, .. } => {
                let mut all = users(members);
                all.push(UserId(*owner));
                (all, false)
            }
            GroupChange::MembersAdded { members } | GroupChange::MembersRemoved { members } => {
                (users(members), !is_super)
            }
            GroupChange::Disbanded => (Vec::new(), true),
            _ => (Vec::new(), !was_super),
        };
        if all {
            let members = self.before.into_iter().flat_map(|group| &group.members);
            concerned.extend(members.map(|member| member.user));
        }
        Targets::new(concerned, Some(self.id).filter(|_| !self.silent))
    }

    /// Whether it is a super group once the change is applied; of one that ends, whether it was.
    fn is_super_after(&self) -> bool {
        let becomes = match self.change {
            GroupChange::Created { profile, .. } | GroupChange::Profile { profile } => profile.is_super,
            GroupChange::ProfileSet(set) => set.is_super,
            _ => false,
        };
        becomes || self.before.is_some_and(|group| group.profile.is_super)
    }
}

#[cfg(test)]
mod tests {
    use halley_core::group::{Announced, GroupProfile, ProfileChange, Role, apply};
    use halley_core::ids::{MsgId, NodeId};
    use halley_core::key::SyncKey;

    use super::*;

    const ID: GroupId = GroupId(7);

    fn created(is_super: bool) -> GroupChange {
        let profile = GroupProfile { is_super, ..GroupProfile::default() };
        GroupChange::Created { profile, owner: 1, members: vec![2, 3] }
    }

    fn group(is_super: bool) -> Group {
        let at = SyncKey::from_raw(1).expect("positive");
        apply(AppId(1), ID, None, &created(is_super), at, 0).expect("is made")
    }

    fn record(before: Option<&Group>, change: &GroupChange, silent: bool) -> Record {
        let ids = MsgIdGenerator::new(NodeId(0), None);
        let decided = Decided { app: AppId(1), id: ID, before, change, operator: None, silent };
        decided.record(&ids, 1_700_000_000_000).expect("serialises")
    }

    fn inboxes(record: &Record) -> Vec<i64> {
        record.targets.inboxes().iter().map(|user| user.0).collect()
    }

    /// A change; to whom in a normal group, in a super group, and silently in a super group.
    type Given<'a> = (GroupChange, &'a [i64], &'a [i64], &'a [i64]);

    #[test]
    fn who_is_given_a_change() {
        let none: &[i64] = &[];
        let set = |is_super| {
            GroupChange::ProfileSet(ProfileChange { name: Some("n".into()), is_super, ..Default::default() })
        };
        let table: &[Given<'_>] = &[
            (GroupChange::MembersAdded { members: vec![9] }, &[1, 2, 3, 9], &[9], &[9]),
            (GroupChange::MembersRemoved { members: vec![2] }, &[1, 2, 3], &[2], &[2]),
            (GroupChange::Disbanded, &[1, 2, 3], &[1, 2, 3], &[1, 2, 3]),
            (GroupChange::RoleSet { member: 2, role: Role::Admin }, &[1, 2, 3], none, none),
            (GroupChange::MemberMuted { member: 2, until_ms: 9 }, &[1, 2, 3], none, none),
            (set(false), &[1, 2, 3], none, none),
        ];
        for (change, normal, in_super, silent_super) in table {
            let told = record(Some(&group(false)), change, false);
            assert_eq!((inboxes(&told), told.targets.feed()), (normal.to_vec(), Some(ID)), "{change:?}");
            let told = record(Some(&group(true)), change, false);
            assert_eq!((inboxes(&told), told.targets.feed()), (in_super.to_vec(), Some(ID)), "{change:?}");
            let silent = record(Some(&group(true)), change, true);
            assert_eq!(
                (inboxes(&silent), silent.targets.feed()),
                (silent_super.to_vec(), None),
                "{change:?}"
            );
            let silent = record(Some(&group(false)), change, true);
            assert_eq!(silent.targets, Targets::none(), "{change:?}");
        }
        for silent in [false, true] {
            let made = record(None, &created(true), silent);
            assert_eq!((inboxes(&made), made.targets.feed()), (vec![1, 2, 3], Some(ID).filter(|_| !silent)));
            let becomes = record(Some(&group(false)), &set(true), silent);
            assert_eq!(
                (inboxes(&becomes), becomes.targets.feed()),
                (vec![1, 2, 3], Some(ID).filter(|_| !silent))
            );
        }
        assert_eq!(inboxes(&record(None, &created(false), false)), [1, 2, 3]);
        assert_eq!(record(None, &created(false), true).targets, Targets::none());
    }

    #[test]
    fn an_entry_has_the_ids_it_needs_and_speaks_for_somebody() {
        let change = GroupChange::RoleSet { member: 2, role: Role::Owner };
        let before = group(false);
        let ids = MsgIdGenerator::new(NodeId(0), None);
        let decided = |operator, silent| {
            let decided =
                Decided { app: AppId(1), id: ID, before: Some(&before), change: &change, operator, silent };
            decided.record(&ids, 1_700_000_000_000).expect("serialises").message
        };
        let system = decided(None, false);
        let announced = Announced::of(&system).expect("is announced");
        assert_eq!((system.from, announced.speaker, announced.parts.len()), (UserId::SYSTEM, UserId(1), 4));
        let by_admin = decided(Some(UserId(3)), false);
        assert_eq!(Announced::of(&by_admin).expect("is announced").speaker, UserId(3));
        let silent = decided(None, true);
        assert_eq!(Announced::of(&silent), None);
        let spans = [&system, &by_admin, &silent].map(|message| (message.id.0, message.last_id().0));
        assert_eq!(spans.map(|(first, last)| last - first), [3, 3, 0]);
        assert!(spans[0].1 < spans[1].0 && spans[1].1 < spans[2].0, "nobody else's");
        assert!(ids.next(0) > MsgId(spans[2].1));
    }
}
