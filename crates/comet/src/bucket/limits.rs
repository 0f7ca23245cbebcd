//! How many connections an address, an app and a user may have.

use halley_core::ids::AppId;
use halley_core::timeline::TimelineId;

use super::conn::{CloseReason, Conn, Phase};
use super::core::Bucket;
use crate::prefix::limited_as;

impl<S> Bucket<S> {
    /// Counts the connection under its address. `false`: that has as many as it may have; the connection is closed.
    pub(crate) fn admit_address(&mut self, slot: u32) -> bool {
        let Some(conn) = self.conns.get_mut(slot) else { return false };
        conn.flags.counted = self.shared.addresses.enter(limited_as(conn.remote.ip()));
        let fits = conn.flags.counted;
        if !fits {
            self.close(slot, CloseReason::AddressLimit);
        }
        fits
    }

    /// Counts a login under its app. `false`: that has as many sessions as it may have.
    pub(crate) fn admit_app(&self, app: AppId) -> bool {
        self.shared.apps.enter(app)
    }

    /// What was counted for a connection that has ended.
    pub(crate) fn leave_limits(&self, conn: &Conn<S>) {
        if conn.flags.counted {
            self.shared.addresses.leave(&limited_as(conn.remote.ip()));
        }
        match &conn.phase {
            Phase::Moving(_, connected, _) => self.shared.apps.leave(&connected.app.id),
            Phase::Open(session) => self.shared.apps.leave(&session.info.app),
            Phase::Handshake | Phase::Authenticating(_) => {}
        }
    }

    /// A session has begun: with more than a user may have, the oldest is closed. All of a user's are in this bucket.
    pub(crate) fn limit_sessions(&mut self, inbox: TimelineId, newest: u32) {
        let most = self.config().sessions_per_user;
        if most == 0 {
            return;
        }
        let mut slots = std::mem::take(&mut self.work.slots);
        slots.clear();
        self.followers.of(inbox, &mut slots);
        let open = slots.iter().filter_map(|slot| {
            let conn = self.conns.get(*slot).filter(|conn| conn.closing.is_none())?;
            conn.session().map(|session| (*slot, session.info.since_ms))
        });
        let count = open.clone().count();
        // Never the one that has just come, though others came in the same millisecond.
        let others = open.filter(|(slot, _)| *slot != newest);
        let oldest = others.min_by_key(|(_, since_ms)| *since_ms).map(|(slot, _)| slot);
        self.work.slots = slots;
        if count > usize::try_from(most).unwrap_or(usize::MAX)
            && let Some(oldest) = oldest
        {
            self.finish(oldest, CloseReason::SessionLimit);
        }
    }
}
