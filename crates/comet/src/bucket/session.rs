//! A session: a cursor over its user's inbox and the feeds of their super groups, and the window of what it was shown and
//! has not acknowledged.
//!
//! **Invariant:** `acked <= seen`, and everything of the inbox, and of the feeds that do not lag, at or below `seen` has
//! been pushed or needs no push. The session is *live* when `seen >= need`: then every entry above `seen` comes from the
//! journal's feed. Otherwise it is *behind*: nothing is kept for it, it reads its inbox after `seen`. Keys of all timelines
//! are of one order (the embedded journal has one partition); `seen` is never above what the bucket has shown (or is
//! showing to this session), but for where the session began. A feed that lags ([`super::lagging`]) has a position of its own.

use std::time::Duration;

use halley_core::device::{DeviceCursor, Start};
use halley_core::ids::GroupId;
use halley_core::key::SyncKey;
use halley_core::session::SessionInfo;
use halley_core::timeline::TimelineId;

use super::lagging::{Lag, Lagging};
use super::tick::Tick;
use super::window::{Track, Window};

/// See the module.
pub(crate) struct Session {
    pub(crate) info: SessionInfo,
    /// Everything at or below is acknowledged, or needs no acknowledgement.
    pub(crate) acked: SyncKey,
    /// Everything at or below is shown, or needs not to be.
    pub(crate) seen: SyncKey,
    /// Up to here it must read the inbox itself: the feed gave these before the session could take them.
    pub(crate) need: SyncKey,
    /// The feeds that stand elsewhere.
    pub(crate) lagging: Lagging,
    /// Entries of which it was shown some parts, and not all.
    pub(crate) partly: Partly,
    pub(crate) window: Window,
    pub(crate) resend: Resend,
    /// When the cursor is saved; [`Tick::NEVER`] while it has not moved.
    pub(crate) cursor_due: Tick,
    /// When a failed or fruitless read is tried again.
    pub(crate) retry_at: Tick,
    /// A read of its timeline, or of a name it needs, is on its way.
    pub(crate) reading: bool,
    /// It stands in the list of sessions that should read.
    pub(crate) in_behind: bool,
    /// Which feeds its user follows is not known yet: nothing is shown, or read, before it is.
    pub(crate) waiting: bool,
    /// Sends whose outcome has not come.
    pub(crate) unanswered: u32,
    /// Of the client's last send; echoed in answers.
    pub(crate) version: i16,
}

impl Session {
    pub(crate) fn new(info: SessionInfo, start: Start, need: SyncKey, delay: Duration) -> Self {
        let mut lagging = Lagging::default();
        for (group, at) in start.lagging {
            lagging.add(Lag { group, acked: at, seen: at, need: SyncKey::START, split: SyncKey::START });
        }
        Self {
            info,
            acked: start.position,
            seen: start.position,
            need,
            lagging,
            partly: Partly::default(),
            window: Window::new(),
            resend: Resend { at: Tick::NEVER, delay, count: 0 },
            cursor_due: Tick::NEVER,
            retry_at: Tick::NEVER,
            reading: false,
            in_behind: false,
            waiting: true,
            unanswered: 0,
            version: 1,
        }
    }

    pub(crate) fn inbox(&self) -> TimelineId {
        TimelineId::Inbox(self.info.app, self.info.user)
    }

    /// The timeline that is read for this track.
    pub(crate) fn timeline(&self, track: Track) -> TimelineId {
        match track {
            Track::Main => self.inbox(),
            Track::Feed(group) => TimelineId::Feed(self.info.app, group),
        }
    }

    /// Whether entries of the inbox, and of feeds that do not lag, are shown as they come.
    pub(crate) fn is_live(&self) -> bool {
        !self.waiting && self.seen >= self.need
    }

    /// What should be read next: the inbox goes first.
    pub(crate) fn next_read(&self) -> Option<Track> {
        if self.waiting {
            None
        } else if self.seen < self.need {
            Some(Track::Main)
        } else {
            self.lagging.next().map(Track::Feed)
        }
    }

    /// How far this track is shown; `None` when it has been given up.
    pub(crate) fn seen_of(&self, track: Track) -> Option<SyncKey> {
        match track {
            Track::Main => Some(self.seen),
            Track::Feed(group) => self.lagging.get(group).map(|lag| lag.seen),
        }
    }

    /// The track is shown up to this key.
    pub(crate) fn set_seen(&mut self, track: Track, key: SyncKey) {
        match track {
            Track::Main => self.seen = self.seen.max(key),
            Track::Feed(group) => {
                if let Some(lag) = self.lagging.get_mut(group) {
                    lag.seen = lag.seen.max(key);
                }
            }
        }
    }

    /// The track is acknowledged up to this key.
    pub(crate) fn set_acked(&mut self, track: Track, key: SyncKey) {
        match track {
            Track::Main => self.acked = self.acked.max(key),
            Track::Feed(group) => {
                if let Some(lag) = self.lagging.get_mut(group) {
                    lag.acked = lag.acked.max(key);
                }
            }
        }
    }

    /// Everything of the track up to `key` needs no (further) push. `true` when its cursor itself moved.
    pub(crate) fn pass(&mut self, track: Track, key: SyncKey) -> bool {
        self.set_seen(track, key);
        if self.window.cover(track, key) {
            return false;
        }
        let acked = match track {
            Track::Main => Some(self.acked),
            Track::Feed(group) => self.lagging.get(group).map(|lag| lag.acked),
        };
        self.set_acked(track, key);
        acked.is_some_and(|acked| acked < key)
    }

    /// It could not take what a feed brought, up to `need`: from here on that feed has a position of its own.
    pub(crate) fn lag(&mut self, group: GroupId, need: SyncKey) {
        let seen = self.seen;
        self.lagging.add(Lag { group, acked: seen, seen, need, split: seen });
    }

    /// It follows this feed, of which what is above `joined` is for it. Nothing of it is newer than `mark`.
    pub(crate) fn follow(&mut self, group: GroupId, joined: SyncKey, mark: SyncKey) {
        if let Some(lag) = self.lagging.get_mut(group) {
            lag.acked = lag.acked.max(joined);
            lag.seen = lag.seen.max(joined);
            lag.need = lag.need.max(mark);
            return;
        }
        let from = self.seen.max(joined);
        // Without news the main position covers it, unless what is between that and `joined` is not for this user.
        if mark > from || joined > self.seen {
            let split = self.seen;
            self.lagging.add(Lag { group, acked: from, seen: from, need: mark, split });
        }
    }

    /// Gives feeds that have caught up back to the main position, in a bucket that has shown everything up to `shown`. `true`
    /// when that moved.
    pub(crate) fn merge(&mut self, shown: SyncKey) -> bool {
        if self.lagging.is_empty() || !self.is_live() {
            return false;
        }
        match self.lagging.merge(self.acked, &self.window, shown) {
            Some(reached) => self.pass(Track::Main, reached.max(self.seen)),
            None => false,
        }
    }

    /// The cursor as it is kept; `None` without a device.
    pub(crate) fn cursor(&self, now_ms: u64) -> Option<DeviceCursor> {
        let device = self.info.device.as_ref()?;
        Some(DeviceCursor {
            app: self.info.app,
            user: self.info.user,
            device: device.key.clone(),
            class: device.class,
            position: self.acked,
            lagging: self.lagging.positions(self.acked),
            updated_ms: now_ms,
        })
    }

    pub(crate) fn next_due(&self) -> Tick {
        self.resend.at.min(self.cursor_due).min(self.retry_at)
    }
}

/// Entries that were shown in part: at most one on each track.
#[derive(Default)]
pub(crate) struct Partly(Vec<(SyncKey, u32)>);

/// Entries kept; a feed that was left while it was shown one must not be kept for ever. One that is forgotten is shown from its
/// first part again.
const PARTLY_MAX: usize = 16;

impl Partly {
    /// Parts of this entry that were shown, from the first on.
    pub(crate) fn shown_of(&self, key: SyncKey) -> u32 {
        self.0.iter().find(|(of, _)| *of == key).map_or(0, |(_, parts)| *parts)
    }

    /// So many parts of it are shown now.
    pub(crate) fn show(&mut self, key: SyncKey, parts: u32) {
        if let Some(known) = self.0.iter_mut().find(|(of, _)| *of == key) {
            known.1 = parts;
            return;
        }
        if self.0.len() >= PARTLY_MAX {
            self.0.remove(0);
        }
        self.0.push((key, parts));
    }

    /// All of it is shown.
    pub(crate) fn finish(&mut self, key: SyncKey) {
        self.0.retain(|(of, _)| *of != key);
        if self.0.is_empty() {
            // An idle session holds no memory for it.
            self.0 = Vec::new();
        }
    }
}

/// When the window is sent again.
pub(crate) struct Resend {
    /// [`Tick::NEVER`] while nothing is outstanding.
    pub(crate) at: Tick,
    /// Doubles with every resend.
    pub(crate) delay: Duration,
    /// Resends since the last progress.
    pub(crate) count: u8,
}

impl Resend {
    /// The client has made progress, or is sent the first push of a window.
    pub(crate) fn restart(&mut self, now: Tick, delay: Duration, outstanding: bool) {
        self.delay = delay;
        self.count = 0;
        self.at = if outstanding { now.after(delay) } else { Tick::NEVER };
    }

    /// A resend was made.
    pub(crate) fn back_off(&mut self, now: Tick, delay_max: Duration) {
        self.count += 1;
        self.delay = (self.delay * 2).min(delay_max);
        self.at = now.after(self.delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_shown_in_part_is_not_forgotten_for_another() {
        let key = |raw| SyncKey::from_raw(raw).expect("positive");
        let mut partly = Partly::default();
        partly.show(key(5), 1);
        partly.show(key(7), 3);
        partly.show(key(5), 2);
        assert_eq!([5, 6, 7].map(|raw| partly.shown_of(key(raw))), [2, 0, 3]);
        partly.finish(key(5));
        assert_eq!([5, 7].map(|raw| partly.shown_of(key(raw))), [0, 3]);
        for raw in 10..60 {
            partly.show(key(raw), 1);
        }
        assert_eq!(partly.0.len(), PARTLY_MAX);
    }
}
