//! Deadlines: one timer per connection, armed for the earliest of them.

use super::conn::{CloseReason, Phase};
use super::core::Bucket;
use super::tick::Tick;

impl<S> Bucket<S> {
    /// Arms the connection's timer for its earliest deadline, if it is not armed for an earlier one.
    pub(crate) fn arm(&mut self, slot: u32) {
        let Some(conn) = self.conns.get(slot) else { return };
        let due = conn.next_due();
        if self.wheel.due(slot).is_none_or(|armed| armed > due) {
            self.wheel.arm(slot, due);
        }
    }

    pub(crate) fn fire_timers(&mut self) {
        let mut fired = std::mem::take(&mut self.work.slots);
        fired.clear();
        self.wheel.advance(self.tick, &mut fired);
        for slot in &fired {
            self.timer_fired(*slot);
        }
        fired.clear();
        self.work.slots = fired;
    }

    /// Something may be due.
    fn timer_fired(&mut self, slot: u32) {
        let tick = self.tick;
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if conn.deadline <= tick {
            let reason = match conn.phase {
                Phase::Open(_) => CloseReason::IdleTimeout,
                _ => CloseReason::HandshakeTimeout,
            };
            self.close(slot, reason);
            return;
        }
        if conn.write_deadline <= tick {
            let reason = conn.closing.unwrap_or(CloseReason::WriteTimeout);
            self.close(slot, reason);
            return;
        }
        let (mut resend, mut save, mut read) = (false, false, false);
        if let Some(session) = conn.session_mut() {
            resend = session.resend.at <= tick;
            save = session.cursor_due <= tick;
            read = session.retry_at <= tick;
            if save {
                session.cursor_due = Tick::NEVER;
            }
            if read {
                session.retry_at = Tick::NEVER;
            }
        }
        if save {
            self.save_cursor(slot);
        }
        if read {
            self.try_again(slot);
        }
        if resend {
            self.resend(slot);
        }
        self.arm(slot);
    }

    fn save_cursor(&mut self, slot: u32) {
        let session = self.conns.get(slot).and_then(|conn| conn.session());
        if let Some(cursor) = session.and_then(|session| self.cursor_to_save(session)) {
            self.ports.logic.cursor(cursor);
        }
    }
}
