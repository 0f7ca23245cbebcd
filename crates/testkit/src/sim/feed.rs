//! What follows from the feed of the super group: who must have been shown what of it, and who may have been.
//!
//! Who was a member when, is read from the changes that stand in the users' inboxes: they have keys of the same order.

use anyhow::Result;
use halley_core::group::GroupChange;
use halley_core::ids::UserId;
use halley_core::key::SyncKey;
use halley_core::timeline::TimelineId;

use super::reader::Reader;
use super::server::SUPER;
use super::world::World;
use crate::ledger::Feed;

/// From joining to leaving, both exclusive; still a member without an end.
pub(super) type Stay = (SyncKey, Option<SyncKey>);

/// When this user was in the super group.
fn stays(inbox: &Reader, user: UserId) -> Vec<Stay> {
    let mut stays: Vec<Stay> = Vec::new();
    for change in inbox.changes.iter().filter(|change| change.group.to_string() == SUPER) {
        let is_member = stays.last().is_some_and(|stay| stay.1.is_none());
        match &change.change {
            GroupChange::Created { .. } => stays.push((change.key, None)),
            GroupChange::MembersAdded { members } if members.contains(&user.0) && !is_member => {
                stays.push((change.key, None));
            }
            GroupChange::MembersRemoved { members } if members.contains(&user.0) => {
                if let Some(stay) = stays.last_mut().filter(|stay| stay.1.is_none()) {
                    stay.1 = Some(change.key);
                }
            }
            _ => {}
        }
    }
    stays
}

/// The stay in which this key falls.
fn stay_of(stays: &[Stay], key: SyncKey) -> Option<usize> {
    stays.iter().position(|(from, to)| key > *from && to.is_none_or(|to| key < to))
}

impl World {
    /// Reads every timeline to its end, and tells the ledger what follows for the feed.
    pub(super) fn know_feed(&mut self) -> Result<()> {
        let timelines = std::sync::Arc::clone(&self.server().timelines);
        for reader in &mut self.readers {
            reader.read_on(&*timelines, &mut self.rng, &mut self.trace)?;
        }
        let mut feed = Feed::default();
        let Some((in_feed, inboxes)) = self.readers.split_last() else { return Ok(()) };
        feed.listed = in_feed.listed.iter().map(|(_, listed)| listed.clone()).collect();
        for (place, inbox) in inboxes.iter().enumerate() {
            let TimelineId::Inbox(_, user) = self.timelines[place] else { continue };
            let stays = stays(inbox, user);
            for (key, listed) in &in_feed.listed {
                let list = match stay_of(&stays, *key).map(|stay| stays[stay].1) {
                    Some(None) => &mut feed.due,
                    Some(Some(_)) => &mut feed.possible,
                    None => continue,
                };
                list.entry(self.talk.user(place)).or_default().insert(listed.message_id);
            }
        }
        self.ledger.set_feed(feed);
        Ok(())
    }

    /// What a connection was pushed of the feed: in order, nothing twice, and no gap but where its user was no member.
    pub(super) fn check_pushed_of_feed(&mut self, device: usize, pushed: &[i64]) {
        let Some((in_feed, inboxes)) = self.readers.split_last() else { return };
        let name = &self.devices[device].name;
        let user = (0..inboxes.len()).find(|place| self.talk.user(*place) == name.user);
        let Some(place) = user else { return };
        let TimelineId::Inbox(_, user) = self.timelines[place] else { return };
        let stays = stays(&inboxes[place], user);
        let at = |id: i64| in_feed.listed.iter().position(|(_, listed)| listed.message_id == id);
        let places: Vec<usize> = pushed.iter().filter_map(|id| at(*id)).collect();
        for two in places.windows(2) {
            let stay = |at: usize| stay_of(&stays, in_feed.listed[at].0);
            let is_gap = two[1] > two[0] + 1 && stay(two[0]) == stay(two[1]);
            if two[1] <= two[0] || is_gap {
                self.wrong.push(format!("a session of {name:?} was pushed {places:?} of the feed"));
                return;
            }
        }
    }
}
