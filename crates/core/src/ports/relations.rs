//! Relations: what one user has made of another, and who may not speak in rooms.
//!
//! A row has a direction: `user` has `other` as a friend, or has blacklisted `other` (gobelieve spec 4.4). Friends in
//! both directions are two rows. The rules are answer's; here is only what was said.

use crate::ids::{AppId, UserId};
use crate::ports::PortError;
use crate::reply::Reply;

/// What one user has made of another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Relation {
    /// Has them as a friend.
    pub friend: bool,
    /// Does not want their private messages.
    pub blacklisted: bool,
}

/// One of the two.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RelationKind {
    /// [`Relation::friend`].
    Friend,
    /// [`Relation::blacklisted`].
    Blacklisted,
}

impl Relation {
    /// Whether this one holds.
    #[must_use]
    pub fn has(self, kind: RelationKind) -> bool {
        match kind {
            RelationKind::Friend => self.friend,
            RelationKind::Blacklisted => self.blacklisted,
        }
    }

    /// The same with this one set or cleared.
    #[must_use]
    pub fn with(mut self, kind: RelationKind, is_set: bool) -> Self {
        match kind {
            RelationKind::Friend => self.friend = is_set,
            RelationKind::Blacklisted => self.blacklisted = is_set,
        }
        self
    }
}

/// In which directions a relation is set or cleared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Directions {
    /// What the first user has made of the second.
    One,
    /// And the other way round, together.
    Both,
}

/// Two users, the first of whom has a relation to the second.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    /// Their app.
    pub app: AppId,
    /// Who has it.
    pub user: UserId,
    /// To whom.
    pub other: UserId,
}

/// Friends, blacklists and who is silenced in rooms.
pub trait Relations: Send + Sync {
    /// What the first user has made of the second. On the path of every private message: ready from memory, also when
    /// there is nothing between the two.
    fn relation(&self, pair: Pair) -> Reply<Result<Relation, PortError>>;

    /// Sets or clears a relation. Idempotent; durable, and what [`Relations::relation`] answers, when answered.
    fn set_relation(
        &self,
        pair: Pair,
        kind: RelationKind,
        directions: Directions,
        is_set: bool,
    ) -> Reply<Result<(), PortError>>;

    /// Up to `max` users to whom this user has the relation, ascending, above `after`.
    fn related(
        &self,
        app: AppId,
        user: UserId,
        kind: RelationKind,
        after: Option<UserId>,
        max: usize,
    ) -> Reply<Result<Vec<UserId>, PortError>>;

    /// Whether the user may not speak in rooms (gobelieve spec 3.6).
    fn is_forbidden(&self, app: AppId, user: UserId) -> Reply<Result<bool, PortError>>;

    /// Says whether the user may not speak in rooms. Durable when answered.
    fn set_forbidden(&self, app: AppId, user: UserId, is_forbidden: bool) -> Reply<Result<(), PortError>>;
}
