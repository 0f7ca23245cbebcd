//! The end of a user or an app: what the accounts hold of them goes.
//!
//! What they said is hidden by floors ([`crate::ports::floors`]) and leaves the journal later.

use crate::ids::{AppId, UserId};
use crate::ports::PortError;
use crate::reply::Reply;

/// What the accounts hold of a user, beyond what other ports tell.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Access tokens; they are kept as hashes.
    pub tokens: u64,
}

/// Removes users and apps from the accounts. Everything is durable when answered, and may be repeated.
pub trait Removals: Send + Sync {
    /// What the accounts hold of a user.
    fn held(&self, app: AppId, user: UserId) -> Reply<Result<Held, PortError>>;

    /// Tokens, devices and relations of the user go. An id that is no decimal stands for nobody from here on: who comes
    /// with it is given another number, and this one is called [`deleted_name`]. Group memberships are not touched:
    /// they change through the journal.
    fn remove_user(&self, app: AppId, user: UserId) -> Reply<Result<(), PortError>>;

    /// The app and everything of it goes; its number is never given again, and all of its timelines are empty.
    fn remove_app(&self, app: AppId) -> Reply<Result<(), PortError>>;
}

/// What a number is called whose user was deleted.
#[must_use]
pub fn deleted_name(user: UserId) -> String {
    format!("deleted-{user}")
}
