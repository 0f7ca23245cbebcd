//! What a bucket asks of its driver, and what it is told.

use std::io;

use halley_core::command::{ConnectRefused, Connected};
use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::timelines::Page;
use halley_core::reply::BoxFuture;
use std::sync::Arc;

use super::following::Feeds;
use super::slots::Token;
use super::window::Track;

/// What a read gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadOutcome {
    /// So many bytes, at least 1.
    Bytes(usize),
    /// Nothing now; readiness will be reported.
    Nothing,
    /// The peer has ended its stream.
    End,
}

/// The sockets, as a bucket uses them during [`super::Bucket::finish_turn`]. None of it blocks. Dropping an `S`
/// closes it.
pub trait Io<S> {
    /// Reads what there is. Less than `into.len()` means that the socket is exhausted.
    ///
    /// # Errors
    /// When the connection failed.
    fn read(&mut self, socket: &S, into: &mut [u8]) -> io::Result<ReadOutcome>;

    /// Writes what the socket takes; less than everything means that writability will be reported.
    ///
    /// # Errors
    /// When the connection failed.
    fn write(&mut self, socket: &S, bytes: &[u8]) -> io::Result<usize>;

    /// Reports readiness of this socket under this token from now on, beginning with what is ready already.
    ///
    /// # Errors
    /// When the system cannot watch it.
    fn register(&mut self, socket: &S, token: Token) -> io::Result<()>;

    /// Reports it no longer; the socket stays open and goes to another bucket.
    ///
    /// # Errors
    /// When it was not registered.
    fn deregister(&mut self, socket: &S) -> io::Result<()>;
}

/// What became possible on a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketReady {
    /// Which connection.
    pub token: Token,
    /// There may be bytes, or the end.
    pub readable: bool,
    /// The peer has ended its stream: reading on will reach the end.
    pub ended: bool,
    /// There may be room.
    pub writable: bool,
    /// The connection is gone in both directions.
    pub hung_up: bool,
}

/// A port call that was answered later.
pub type Deferred = BoxFuture<Completed>;

/// The answer of a port call that was not there at once. Opaque to drivers.
#[derive(Debug)]
pub struct Completed {
    pub(crate) token: Token,
    pub(crate) answer: Answer,
}

/// See [`Completed`].
#[derive(Debug)]
pub(crate) enum Answer {
    Connect(Result<Connected, ConnectRefused>),
    Page(Track, Result<Page, PortError>),
    Name(AppId, UserId, Result<Option<Arc<str>>, PortError>),
    Receipt(u64, Result<(), PortError>),
    Feeds(AppId, UserId, SyncKey, Result<Feeds, PortError>),
}
