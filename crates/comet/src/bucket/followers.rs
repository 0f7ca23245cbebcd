//! Which sessions of a bucket follow which timeline.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

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

/// The sessions of one timeline: mostly one.
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
}

/// See the module.
#[derive(Default)]
pub(crate) struct Followers {
    timelines: HashMap<TimelineId, Slots, BuildHasherDefault<IdHasher>>,
}

impl Followers {
    /// Adds a session; `true` when it is the first of its timeline here.
    pub(crate) fn add(&mut self, timeline: TimelineId, slot: u32) -> bool {
        match self.timelines.get_mut(&timeline) {
            None => {
                self.timelines.insert(timeline, Slots::One(slot));
                true
            }
            Some(Slots::Many(slots)) => {
                slots.push(slot);
                false
            }
            Some(slots @ Slots::One(_)) => {
                let first = slots.as_slice()[0];
                *slots = Slots::Many(vec![first, slot]);
                false
            }
        }
    }

    /// Removes a session; `true` when it was the last of its timeline here.
    pub(crate) fn remove(&mut self, timeline: TimelineId, slot: u32) -> bool {
        let Some(slots) = self.timelines.get_mut(&timeline) else {
            return false;
        };
        if let Slots::Many(many) = slots {
            if let Some(index) = many.iter().position(|other| *other == slot) {
                many.swap_remove(index);
            }
            if let [last] = many[..] {
                *slots = Slots::One(last);
            }
            return false;
        }
        if slots.as_slice() != [slot] {
            return false;
        }
        self.timelines.remove(&timeline);
        if self.timelines.capacity() > 4 * self.timelines.len().max(64) {
            self.timelines.shrink_to(2 * self.timelines.len());
        }
        true
    }

    /// Appends the sessions of a timeline to `into`.
    pub(crate) fn of(&self, timeline: TimelineId, into: &mut Vec<u32>) {
        if let Some(slots) = self.timelines.get(&timeline) {
            into.extend_from_slice(slots.as_slice());
        }
    }

    /// All timelines somebody follows.
    pub(crate) fn timelines(&self) -> Vec<TimelineId> {
        self.timelines.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use halley_core::ids::{AppId, UserId};

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
        let mut slots = Vec::new();
        followers.of(inbox, &mut slots);
        slots.sort_unstable();
        assert_eq!(slots, [4, 5]);
        assert!(!followers.remove(inbox, 4));
        assert!(followers.remove(inbox, 5));
        assert!(followers.timelines().is_empty());
    }
}
