//! The feeds of a session that stand elsewhere than its main position: mostly further back, because a flood in a super
//! group must not delay anything else.
//!
//! **Invariant:** what is not here is covered by the main position: of such a feed everything at or below the session's
//! `seen` is shown, and nothing above. A feed that has caught up goes back there as soon as that is true of it again.

use halley_core::ids::GroupId;
use halley_core::key::SyncKey;

use super::window::{Track, Window};

/// A feed with a position of its own.
pub(crate) struct Lag {
    pub(crate) group: GroupId,
    /// Everything at or below is acknowledged, or needs no acknowledgement; given that the main position has reached
    /// `split`.
    pub(crate) acked: SyncKey,
    /// Everything at or below is shown, or needs not to be.
    pub(crate) seen: SyncKey,
    /// Up to here the session must read it: the journal's feed gave these before the session could take them.
    pub(crate) need: SyncKey,
    /// Where it left the main position: what it was shown up to there is acknowledged there.
    pub(crate) split: SyncKey,
}

impl Lag {
    /// How far the feed is acknowledged, with the main position at `main`.
    fn position(&self, main: SyncKey) -> SyncKey {
        if main < self.split { self.acked.min(main) } else { self.acked }
    }
}

/// Boxed as long as there are any: most sessions have none.
#[derive(Default)]
pub(crate) struct Lagging(Option<Box<Lags>>);

struct Lags {
    lags: Vec<Lag>,
}

impl Lagging {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn get(&self, group: GroupId) -> Option<&Lag> {
        self.iter().find(|lag| lag.group == group)
    }

    pub(crate) fn get_mut(&mut self, group: GroupId) -> Option<&mut Lag> {
        self.0.as_mut()?.lags.iter_mut().find(|lag| lag.group == group)
    }

    fn iter(&self) -> impl Iterator<Item = &Lag> {
        self.0.iter().flat_map(|lags| &lags.lags)
    }

    pub(crate) fn add(&mut self, lag: Lag) {
        let lags = self.0.get_or_insert_with(|| Box::new(Lags { lags: Vec::new() }));
        lags.lags.push(lag);
    }

    /// Keeps what `keep` says.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Lag) -> bool) {
        if let Some(lags) = &mut self.0 {
            lags.lags.retain(keep);
            if lags.lags.is_empty() {
                self.0 = None;
            }
        }
    }

    /// The feed that should be read next.
    pub(crate) fn next(&self) -> Option<GroupId> {
        self.iter().find(|lag| lag.seen < lag.need).map(|lag| lag.group)
    }

    /// This one has had its turn.
    pub(crate) fn rotate(&mut self, group: GroupId) {
        if let Some(lags) = &mut self.0
            && let Some(place) = lags.lags.iter().position(|lag| lag.group == group)
        {
            lags.lags[place..].rotate_left(1);
        }
    }

    /// The positions of these feeds, for the device's cursor with its main position at `main`.
    pub(crate) fn positions(&self, main: SyncKey) -> Vec<(GroupId, SyncKey)> {
        let positions = self.iter().map(|lag| (lag.group, lag.position(main)));
        positions.filter(|(_, position)| *position != main).collect()
    }

    /// Lets go of what the main position covers again, given that the session is live there, which stands at `seen` and
    /// `acked`, and that the bucket has shown everything up to `shown`. Answers how far the main position must move for it, if it must.
    pub(crate) fn merge(&mut self, acked: SyncKey, window: &Window, shown: SyncKey) -> Option<SyncKey> {
        let is_main_outstanding = window.has_outstanding(Track::Main);
        let mut reached = None;
        self.retain(|lag| {
            let is_caught_up = lag.seen >= lag.need && lag.seen <= shown;
            if !is_caught_up || window.has_outstanding(Track::Feed(lag.group)) {
                return true;
            }
            // While the main position has outstanding pushes below, its cursor would take this feed back.
            if acked < lag.seen && is_main_outstanding {
                return true;
            }
            reached = reached.max(Some(lag.seen));
            false
        });
        reached
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tick::Tick;
    use super::*;

    fn key(raw: i64) -> SyncKey {
        SyncKey::from_raw(raw).expect("positive")
    }

    fn lag(group: i64, acked: i64, seen: i64, need: i64, split: i64) -> Lag {
        let (acked, seen, need, split) = (key(acked), key(seen), key(need), key(split));
        Lag { group: GroupId(group), acked, seen, need, split }
    }

    #[test]
    fn what_was_shown_before_the_split_is_acknowledged_by_the_main_position() {
        let mut lagging = Lagging::default();
        lagging.add(lag(7, 20, 30, 40, 20));
        assert_eq!(
            lagging.positions(key(10)),
            [],
            "not before the main position has come to where it left it"
        );
        assert_eq!(lagging.positions(key(25)), [(GroupId(7), key(20))]);
        assert_eq!(lagging.positions(key(20)), [], "the same");
    }

    #[test]
    fn feeds_take_turns_until_they_have_caught_up() {
        let mut lagging = Lagging::default();
        for group in [1, 2, 3] {
            lagging.add(lag(group, 0, 5, if group == 3 { 5 } else { 9 }, 0));
        }
        assert_eq!(lagging.next(), Some(GroupId(1)));
        lagging.rotate(GroupId(1));
        assert_eq!(lagging.next(), Some(GroupId(2)));
        lagging.rotate(GroupId(2));
        assert_eq!(lagging.next(), Some(GroupId(1)));
        lagging.retain(|lag| lag.group == GroupId(3));
        assert_eq!(lagging.next(), None);
    }

    #[test]
    fn a_feed_goes_back_when_nothing_of_it_is_missing_outstanding_or_would_be_taken_back() {
        let body = || Arc::from(&b"body"[..]);
        let mut window = Window::new();
        let mut lagging = Lagging::default();
        lagging.add(lag(7, 30, 30, 40, 0));
        assert_eq!(lagging.merge(key(50), &window, key(60)), None, "not caught up");
        lagging.get_mut(GroupId(7)).expect("lags").seen = key(40);
        window.push(Track::Feed(GroupId(7)), key(40), body(), Tick(0), None);
        assert_eq!(lagging.merge(key(50), &window, key(60)), None, "outstanding");
        let mut window = Window::new();
        assert_eq!(lagging.merge(key(50), &window, key(39)), None, "ahead of the bucket");
        window.push(Track::Main, key(45), body(), Tick(0), None);
        assert_eq!(lagging.merge(key(35), &window, key(60)), None, "the cursor would go back to 35");
        assert_eq!(lagging.merge(key(40), &window, key(60)), Some(key(40)));
        assert!(lagging.is_empty());
    }
}
