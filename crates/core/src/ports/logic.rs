//! Logic, as a gateway sees it.

use crate::clock::Now;
use crate::command::{ConnectRefused, ConnectRequest, Connected, Receipt, SendCommand};
use crate::device::DeviceCursor;
use crate::ids::{AppId, GroupId, UserId};
use crate::key::SyncKey;
use crate::ports::PortError;
use crate::reply::Reply;
use crate::session::SessionInfo;

/// Why a send was not taken over; the command comes back.
#[derive(Debug)]
pub enum SendRefused {
    /// The inbound bus is full: hold it, stop reading from this client, try again.
    Full(Box<SendCommand>),
    /// The server is stopping: close the connection, the client repeats the message elsewhere.
    Closed,
}

/// What a gateway asks of logic.
pub trait Logic: Send + Sync {
    /// Authenticates a client and says where its device's cursor stands.
    fn connect(&self, request: ConnectRequest, now: Now) -> Reply<Result<Connected, ConnectRefused>>;

    /// A session has begun at this address.
    fn online(&self, session: SessionInfo);

    /// A session has ended; its cursor, when it has a device whose cursor is kept.
    fn offline(&self, session: &SessionInfo, cursor: Option<DeviceCursor>);

    /// A session's cursor, from time to time.
    fn cursor(&self, cursor: DeviceCursor);

    /// The super groups a user is in, each with the key of the change that made them a member, as of `at_least` or
    /// later: every change at or below `at_least`, which is durable, is in it.
    fn feeds(
        &self,
        app: AppId,
        user: UserId,
        at_least: SyncKey,
    ) -> Reply<Result<Vec<(GroupId, SyncKey)>, PortError>>;

    /// Puts a receipt into its sender's inbox; durable when answered. After an error it may be there or not.
    fn receipt(&self, receipt: Receipt, now: Now) -> Reply<Result<(), PortError>>;

    /// Gives a message its id and time and puts it on the bus.
    ///
    /// # Errors
    /// See [`SendRefused`].
    fn send(&self, command: SendCommand, now: Now) -> Result<(), SendRefused>;
}
