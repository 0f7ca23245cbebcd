//! Which sessions of a bucket follow which timeline.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use halley_core::key::SyncKey;
use halley_core::timeline::TimelineId;

/// Fast hashing of ids that come from our own tables (users cannot choose them freely: those of decimal ids must be
/// authenticated, the rest are counters).
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl IdHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        // The table takes its bits from both ends; the multiplication left the good ones at the top.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.mix(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_i64(&mut self, word: i64) {
        self.mix(word.cast_unsigned());
    }

    fn write_isize(&mut self, word: isize) {
        self.mix(word.cast_unsigned() as u64);
    }
}

/// The sessions of one timeline: mostly one. Ascending, each once: those of a large feed come and go cheaply.
enum Slots {
    One(u32),
    Many(Vec<u32>),
}

impl Slots {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Many(slots) => slots,
        }
    }

    fn add(&mut self, slot: u32) {
        match self {
            Self::Many(slots) => {
                if let Err(place) = slots.binary_search(&slot) {
                    slots.insert(place, slot);
                }
            }
            Self::One(other) if *other == slot => {}
            Self::One(other) => {
                let other = *other;
                *self = Self::Many(vec![other.min(slot), other.max(slot)]);
            }
        }
    }

    /// `true` when it was the last.
    fn remove(&mut self, slot: u32) -> bool {
        match self {
            Self::Many(slots) => {
                if let Ok(place) = slots.binary_search(&slot) {
                    slots.remove(place);
                }
                if let [last] = slots[..] {
                    *self = Self::One(last);
                }
                false
            }
            Self::One(last) => *last == slot,
        }
    }
}

/// A timeline that somebody here follows.
struct Followed {
    slots: Slots,
    /// Of a feed: nothing of it that was shown, or taken before its first session, is newer. So a session needs no read for a feed without
    /// news. Of an inbox: the largest cursor of the user's devices.
    mark: SyncKey,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Followers {
    timelines: HashMap<TimelineId, Followed, BuildHasherDefault<IdHasher>>,
}

impl Followers {
    /// Adds a session; `true` when it is the first of its timeline here. One that is there already stays.
    pub(crate) fn add(&mut self, timeline: TimelineId, slot: u32) -> bool {
        match self.timelines.entry(timeline) {
            Entry::Vacant(vacant) => {
                vacant.insert(Followed { slots: Slots::One(slot), mark: SyncKey::START });
                true
            }
            Entry::Occupied(mut followed) => {
                followed.get_mut().slots.add(slot);
                false
            }
        }
    }

    /// Removes a session; `true` when it was the last of its timeline here.
    pub(crate) fn remove(&mut self, timeline: TimelineId, slot: u32) -> bool {
        let was_last = self.timelines.get_mut(&timeline).is_some_and(|followed| followed.slots.remove(slot));
        if was_last {
            self.timelines.remove(&timeline);
            if self.timelines.capacity() > 4 * self.timelines.len().max(64) {
                self.timelines.shrink_to(2 * self.timelines.len());
            }
        }
        was_last
    }

    /// Appends the sessions of a timeline to `into`.
    pub(crate) fn of(&self, timeline: TimelineId, into: &mut Vec<u32>) {
        if let Some(followed) = self.timelines.get(&timeline) {
            into.extend_from_slice(followed.slots.as_slice());
        }
    }

    /// Appends up to `max` sessions of a timeline to `into`, from this slot on; answers where the others begin, if there are any.
    pub(crate) fn some_of(
        &self,
        timeline: TimelineId,
        from: u32,
        max: usize,
        into: &mut Vec<u32>,
    ) -> Option<u32> {
        let slots = self.timelines.get(&timeline)?.slots.as_slice();
        let slots = &slots[slots.partition_point(|slot| *slot < from)..];
        into.extend(slots.iter().take(max));
        slots.get(max).copied()
    }

    /// Whether anybody here follows it.
    pub(crate) fn has(&self, timeline: TimelineId) -> bool {
        self.timelines.contains_key(&timeline)
    }

    /// All timelines somebody follows.
    pub(crate) fn timelines(&self) -> Vec<TimelineId> {
        self.timelines.keys().copied().collect()
    }

    /// Nothing of this feed is newer; START when nobody follows it.
    pub(crate) fn mark(&self, timeline: TimelineId) -> SyncKey {
        self.timelines.get(&timeline).map_or(SyncKey::START, |followed| followed.mark)
    }

    /// Something of this feed may be as new as that.
    pub(crate) fn raise_mark(&mut self, timeline: TimelineId, key: SyncKey) {
        if let Some(followed) = self.timelines.get_mut(&timeline) {
            followed.mark = followed.mark.max(key);
        }
    }

    /// A read has shown that nothing is newer than `newest`, up to `complete_to`.
    pub(crate) fn lower_mark(&mut self, timeline: TimelineId, newest: SyncKey, complete_to: SyncKey) {
        if let Some(followed) = self.timelines.get_mut(&timeline)
            && followed.mark <= complete_to
        {
            followed.mark = followed.mark.min(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use halley_core::ids::{AppId, GroupId, UserId};

    use super::*;

    #[test]
    fn the_first_and_the_last_session_of_a_timeline_are_told_apart() {
        let inbox = TimelineId::Inbox(AppId(1), UserId(7));
        let mut followers = Followers::default();
        assert!(followers.add(inbox, 3));
        assert!(!followers.add(inbox, 4));
        assert!(!followers.add(inbox, 5));
        assert!(!followers.remove(inbox, 3));
        assert!(!followers.remove(inbox, 9));
        assert!(!followers.add(inbox, 4), "there already");
        let mut slots = Vec::new();
        followers.of(inbox, &mut slots);
        assert_eq!(slots, [4, 5]);
        slots.clear();
        assert!(!followers.add(inbox, 8));
        assert_eq!(followers.some_of(inbox, 0, 2, &mut slots), Some(8));
        assert_eq!(followers.some_of(inbox, 6, 2, &mut slots), None);
        assert_eq!(slots, [4, 5, 8]);
        assert!(!followers.remove(inbox, 8));
        assert!(!followers.remove(inbox, 4));
        assert!(followers.remove(inbox, 5));
        assert!(followers.timelines().is_empty());
    }

    #[test]
    fn a_read_lowers_the_mark_of_a_feed_unless_something_came_meanwhile() {
        let key = |raw| SyncKey::from_raw(raw).expect("positive");
        let feed = TimelineId::Feed(AppId(1), GroupId(7));
        let mut followers = Followers::default();
        followers.raise_mark(feed, key(9));
        assert_eq!(followers.mark(feed), SyncKey::START, "nobody follows it");
        followers.add(feed, 3);
        followers.raise_mark(feed, key(9));
        followers.lower_mark(feed, key(2), key(8));
        assert_eq!(followers.mark(feed), key(9), "the read did not reach it");
        followers.lower_mark(feed, key(4), key(9));
        assert_eq!(followers.mark(feed), key(4));
        followers.lower_mark(feed, key(6), key(9));
        assert_eq!(followers.mark(feed), key(4));
    }
}
