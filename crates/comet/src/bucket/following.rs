//! Which feeds a user follows: those of their super groups. Asked when the user's first session begins, and when the
//! journal's feed broke; afterwards told by the changes of groups as they come. It is the user's, at the place where the
//! bucket stands in the journal: how far a session has read is another matter.
//!
//! **Invariant:** a feed is attached before the groups are asked, and they answer as of that place or later; a change that
//! comes while an answer is under way has them asked again. So nobody misses an entry between joining and leaving.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use halley_core::group::GroupChange;
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::accounts::JournaledChange;
use halley_core::record::Entry;
use halley_core::reply::Reply;
use halley_core::timeline::TimelineId;

use super::core::Bucket;
use super::followers::IdHasher;
use super::io::{Answer, Completed};

/// What a port answered: super groups, each with the change that made the user a member.
pub(crate) type Feeds = Vec<(GroupId, SyncKey)>;

/// The feeds of one user.
#[derive(Default)]
struct OfUser {
    feeds: Feeds,
    /// They are not known; asked for as of this place.
    asked: Option<SyncKey>,
    /// The last answer was none; somebody asks again.
    is_failed: bool,
}

/// Of the users of a bucket that have sessions; those that follow nothing, and of whom that is known, are not in it.
#[derive(Default)]
pub(crate) struct Following {
    users: HashMap<(AppId, UserId), OfUser, BuildHasherDefault<IdHasher>>,
}

impl Following {
    fn of(&self, app: AppId, user: UserId) -> &[(GroupId, SyncKey)] {
        self.users.get(&(app, user)).map_or(&[], |of| &of.feeds)
    }

    fn is_known(&self, app: AppId, user: UserId) -> bool {
        self.users.get(&(app, user)).is_none_or(|of| of.asked.is_none() && !of.is_failed)
    }

    fn is_failed(&self, app: AppId, user: UserId) -> bool {
        self.users.get(&(app, user)).is_some_and(|of| of.is_failed)
    }
}

impl<S> Bucket<S> {
    /// Asks which feeds a user follows, as of `at_least` or later. Nothing is shown to the user's sessions until it is known.
    pub(crate) fn ask_feeds(&mut self, app: AppId, user: UserId, at_least: SyncKey) {
        let mut slots = Vec::new();
        self.followers.of(TimelineId::Inbox(app, user), &mut slots);
        let Some(first) = slots.first() else { return };
        let token = self.conns.token(*first);
        for slot in &slots {
            if let Some(session) = self.conns.get_mut(*slot).and_then(|conn| conn.session_mut()) {
                session.waiting = true;
            }
        }
        let of = self.following.users.entry((app, user)).or_default();
        of.asked = Some(at_least);
        of.is_failed = false;
        match self.ports.logic.feeds(app, user, at_least) {
            Reply::Ready(result) => self.feeds_came(app, user, at_least, result),
            later => self.work.deferred.push(Box::pin(async move {
                Completed { token, answer: Answer::Feeds(app, user, at_least, later.await) }
            })),
        }
    }

    /// The answer is here.
    pub(crate) fn feeds_came(
        &mut self,
        app: AppId,
        user: UserId,
        at_least: SyncKey,
        result: Result<Feeds, PortError>,
    ) {
        // The user may have gone, or a later answer may be on its way.
        let Some(of) = self.following.users.get_mut(&(app, user)).filter(|of| of.asked == Some(at_least))
        else {
            return;
        };
        of.asked = None;
        let mut slots = Vec::new();
        self.followers.of(TimelineId::Inbox(app, user), &mut slots);
        let feeds = match result {
            Ok(feeds) => feeds,
            Err(error) => {
                tracing::warn!(%error, %user, "cannot tell which feeds a user follows, trying again");
                of.is_failed = true;
                for slot in slots {
                    self.read_after_failure(slot);
                }
                return;
            }
        };
        let before = std::mem::take(&mut of.feeds);
        for (group, _) in before {
            if !feeds.iter().any(|(now, _)| *now == group) {
                self.unfollow(app, group, &slots);
            }
        }
        if feeds.is_empty() {
            self.following.users.remove(&(app, user));
        } else if let Some(of) = self.following.users.get_mut(&(app, user)) {
            of.feeds = feeds;
        }
        for slot in slots {
            self.follow_all(slot, app, user);
        }
    }

    /// A session begins in its user's bucket, or has waited: it follows what its user follows.
    pub(crate) fn begin_following(&mut self, slot: u32, app: AppId, user: UserId) {
        if self.following.is_known(app, user) {
            self.follow_all(slot, app, user);
        } else if self.following.is_failed(app, user) {
            self.ask_feeds(app, user, self.intake.taken());
        }
    }

    fn follow_all(&mut self, slot: u32, app: AppId, user: UserId) {
        let feeds = self.following.of(app, user).to_vec();
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.waiting = false;
            session.lagging.retain(|lag| feeds.iter().any(|(group, _)| *group == lag.group));
        }
        for (group, joined) in feeds {
            self.follow(slot, app, group, joined);
        }
        self.merge(slot);
        self.queue_catch_up(slot);
    }

    fn follow(&mut self, slot: u32, app: AppId, group: GroupId, joined: SyncKey) {
        let feed = TimelineId::Feed(app, group);
        if self.followers.add(feed, slot) {
            let watermark = self.intake.attach(feed);
            self.followers.raise_mark(feed, watermark);
        }
        let mark = self.followers.mark(feed);
        if let Some(session) = self.conns.get_mut(slot).and_then(|conn| conn.session_mut()) {
            session.follow(group, joined, mark);
        }
    }

    fn unfollow(&mut self, app: AppId, group: GroupId, slots: &[u32]) {
        let feed = TimelineId::Feed(app, group);
        for slot in slots {
            if self.followers.remove(feed, *slot) {
                self.intake.detach(feed);
            }
            if let Some(session) = self.conns.get_mut(*slot).and_then(|conn| conn.session_mut()) {
                session.lagging.retain(|lag| lag.group != group);
            }
        }
    }

    /// A session has ended: it follows nothing any more.
    pub(crate) fn end_following(&mut self, slot: u32, app: AppId, user: UserId) {
        for (group, _) in self.following.of(app, user).to_vec() {
            self.unfollow(app, group, &[slot]);
        }
        let inbox = TimelineId::Inbox(app, user);
        if self.followers.remove(inbox, slot) {
            self.intake.detach(inbox);
            self.following.users.remove(&(app, user));
        }
    }

    /// A group has changed; the entry has been shown. Whose following changes by it has it in the inbox.
    pub(crate) fn group_changed(&mut self, entry: &Entry) {
        let Some(change) = JournaledChange::of(entry) else { return };
        let (app, group, key) = (change.app, change.group, change.key);
        match change.change {
            GroupChange::MembersRemoved { members } => {
                for user in members {
                    self.leave(app, UserId(user), group, key);
                }
            }
            GroupChange::Disbanded => {
                let mut slots = Vec::new();
                self.followers.of(TimelineId::Feed(app, group), &mut slots);
                let sessions = slots.iter().filter_map(|slot| self.conns.get(*slot)?.session());
                let followers: Vec<UserId> = sessions.map(|session| session.info.user).collect();
                for user in followers.iter().chain(entry.record.targets.inboxes()) {
                    self.leave(app, *user, group, key);
                }
            }
            GroupChange::MembersAdded { members } if change.is_super => {
                for user in members {
                    self.join(app, UserId(user), group, key);
                }
            }
            GroupChange::Created { .. } | GroupChange::Profile { .. } | GroupChange::ProfileSet(_)
                if change.is_super =>
            {
                for user in entry.record.targets.inboxes() {
                    self.join(app, *user, group, key);
                }
            }
            _ => {}
        }
    }

    fn join(&mut self, app: AppId, user: UserId, group: GroupId, key: SyncKey) {
        let inbox = TimelineId::Inbox(app, user);
        if !self.followers.has(inbox) {
            return;
        }
        if !self.following.is_known(app, user) {
            self.ask_feeds(app, user, key);
            return;
        }
        let of = self.following.users.entry((app, user)).or_default();
        // Who is a member already stays as they are.
        if of.feeds.iter().any(|(known, _)| *known == group) {
            return;
        }
        of.feeds.push((group, key));
        let mut slots = Vec::new();
        self.followers.of(inbox, &mut slots);
        for slot in slots {
            self.follow(slot, app, group, key);
            self.queue_catch_up(slot);
        }
    }

    fn leave(&mut self, app: AppId, user: UserId, group: GroupId, key: SyncKey) {
        if !self.following.is_known(app, user) {
            self.ask_feeds(app, user, key);
            return;
        }
        let Some(of) = self.following.users.get_mut(&(app, user)) else { return };
        // The answer may have been of a time when they had joined again.
        let Some(place) = of.feeds.iter().position(|(known, joined)| *known == group && *joined < key) else {
            return;
        };
        of.feeds.swap_remove(place);
        if of.feeds.is_empty() {
            self.following.users.remove(&(app, user));
        }
        let mut slots = Vec::new();
        self.followers.of(TimelineId::Inbox(app, user), &mut slots);
        self.unfollow(app, group, &slots);
    }
}
