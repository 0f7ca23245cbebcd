//! The directory: who is online where.

use crate::ids::{AppId, ConnId, UserId};
use crate::ports::PortError;
use crate::reply::Reply;
use crate::session::{ConnAddr, SessionInfo};

/// Sessions of users. An entry disappears when its session ends or its gateway's lease does.
pub trait Directory: Send + Sync {
    /// A session has begun.
    fn register(&self, session: SessionInfo) -> Reply<Result<(), PortError>>;

    /// A session has ended; no effect on another one.
    fn unregister(&self, app: AppId, user: UserId, addr: ConnAddr) -> Reply<Result<(), PortError>>;

    /// A user's sessions, oldest first.
    fn sessions(&self, app: AppId, user: UserId) -> Reply<Result<Vec<SessionInfo>, PortError>>;

    /// All sessions of an app.
    fn of_app(&self, app: AppId) -> Reply<Result<Vec<SessionInfo>, PortError>>;

    /// One session of a user.
    fn session(
        &self,
        app: AppId,
        user: UserId,
        conn: ConnId,
    ) -> Reply<Result<Option<SessionInfo>, PortError>>;

    /// How many sessions there are.
    fn count(&self) -> usize;
}
