//! A session: a cursor over its user's inbox, and the window of what it was shown and has not acknowledged.
//!
//! **Invariant:** `acked <= seen`, and everything of the inbox at or below `seen` has been pushed or needs no push.
//! The session is *live* when `seen >= need`: then every entry above `seen` comes from the feed. Otherwise it is
//! *behind*: nothing is kept for it, it reads its timeline after `seen`.

use std::time::Duration;

use halley_core::device::DeviceCursor;
use halley_core::key::SyncKey;
use halley_core::session::SessionInfo;
use halley_core::timeline::TimelineId;

use super::tick::Tick;
use super::window::Window;

/// See the module.
pub(crate) struct Session {
    pub(crate) info: SessionInfo,
    /// Everything at or below is acknowledged, or needs no acknowledgement.
    pub(crate) acked: SyncKey,
    /// Everything at or below is shown, or needs not to be.
    pub(crate) seen: SyncKey,
    /// Up to here it must read the timeline itself: the feed gave these before the session could take them.
    pub(crate) need: SyncKey,
    /// The entry after `seen` of which it was shown some parts.
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
    /// Sends whose outcome has not come.
    pub(crate) unanswered: u32,
    /// Of the client's last send; echoed in answers.
    pub(crate) version: i16,
}

impl Session {
    pub(crate) fn new(info: SessionInfo, start: SyncKey, need: SyncKey, delay: Duration) -> Self {
        Self {
            info,
            acked: start,
            seen: start,
            need,
            partly: Partly { key: SyncKey::START, parts: 0 },
            window: Window::new(),
            resend: Resend { at: Tick::NEVER, delay, count: 0 },
            cursor_due: Tick::NEVER,
            retry_at: Tick::NEVER,
            reading: false,
            in_behind: false,
            unanswered: 0,
            version: 1,
        }
    }

    pub(crate) fn timeline(&self) -> TimelineId {
        TimelineId::Inbox(self.info.app, self.info.user)
    }

    pub(crate) fn is_live(&self) -> bool {
        self.seen >= self.need
    }

    /// Everything up to `key` needs no (further) push. `true` when the cursor itself moved.
    pub(crate) fn pass(&mut self, key: SyncKey) -> bool {
        self.seen = self.seen.max(key);
        if self.window.cover(key) || key <= self.acked {
            return false;
        }
        self.acked = key;
        true
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
            updated_ms: now_ms,
        })
    }

    pub(crate) fn next_due(&self) -> Tick {
        self.resend.at.min(self.cursor_due).min(self.retry_at)
    }
}

/// How much of an entry was shown.
#[derive(Clone, Copy)]
pub(crate) struct Partly {
    pub(crate) key: SyncKey,
    /// So many parts, from the first on.
    pub(crate) parts: u32,
}

impl Partly {
    /// Parts of this entry that were shown.
    pub(crate) fn shown_of(self, key: SyncKey) -> u32 {
        if self.key == key { self.parts } else { 0 }
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
