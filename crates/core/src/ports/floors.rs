//! Floors: what is not shown any more, and will be gone from the disk some time.
//!
//! Retention and deletion raise a floor; from that moment no read shows anything at or below it (design section 7). What
//! lies below every floor is taken out of the journal later.

use crate::ids::{AppId, UserId};
use crate::key::SyncKey;
use crate::ports::PortError;
use crate::reply::Reply;
use crate::timeline::TimelineId;

/// Of what a floor is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FloorOf {
    /// Of every timeline of an app: age, and the end of the app.
    App(AppId),
    /// Of one timeline: its number of entries, and the end of its user.
    Timeline(TimelineId),
    /// Of what a user has sent, in whatever timeline: the end of that user.
    Sender(AppId, UserId),
}

/// The floors. They are only ever raised, survive everything, and are asked for by every read: from memory, and at once
/// when there are none.
pub trait Floors: Send + Sync {
    /// Nothing of the timeline at or below is shown; START when it has no floor. The higher one of the timeline's own
    /// and its app's.
    ///
    /// # Errors
    /// When it cannot be told: nothing may be shown then.
    fn floor(&self, timeline: TimelineId) -> Result<SyncKey, PortError>;

    /// Nothing at or below that this user has sent is shown; START when there is no such floor. It may be forgotten once
    /// nothing is left that it hides ([`Floors::forget_sender`]).
    fn sender_floor(&self, app: AppId, user: UserId) -> SyncKey;

    /// The senders that have a floor.
    fn senders(&self) -> Vec<(AppId, UserId, SyncKey)>;

    /// Raises floors, together; durable and in force when answered. One that is higher already stays.
    fn raise(&self, floors: Vec<(FloorOf, SyncKey)>) -> Reply<Result<(), PortError>>;

    /// Nothing is left in the journal of what this user's floor hides; durable when answered.
    fn forget_sender(&self, app: AppId, user: UserId) -> Reply<Result<(), PortError>>;

    /// Changes with every floor that is raised: who looked through something under this number need not do so again.
    fn generation(&self) -> u64;
}
