//! The gateway role: everything that holds a client socket.
//!
//! Owns: listeners, connections, sessions and their timers ([`Bucket`]), the translation between client frames and the
//! neutral vocabulary (`edge`), TLS
//! ([`tls`]), what runs a bucket ([`driver`]), and the handle by which other roles reach connections
//! ([`Gateway`], which is the port `Gateways`).
//!
//! Does not: decide whether a message is sent or a login accepted, make ids, touch a database, keep a message. What a
//! client has not been shown yet waits in its timeline; what it has not acknowledged, in a bounded window.
//!
//! Invariants:
//! - A connection belongs to one bucket at a time; a session to its user's bucket. Nothing in a bucket is shared or
//!   locked. Other threads reach it through one bounded command queue.
//! - A session is a cursor: every entry of its inbox at or below `seen` was pushed (or needs no push), every one at or
//!   below `acked` was acknowledged. What does not fit turns the session *behind*; nothing durable is ever dropped.
//! - Every buffer is bounded and every wait has a deadline: the handshake, silence, a write without progress, resends.
//! - An idle connection has no task, no channel and no buffer.
//! - Bytes from outside never panic and never reach another connection.
//! - What is dropped or closed is counted by reason in [`halley_core::metrics`].
//!
//! How it is put together: [`Gateway::new`] gives the handle and one [`BucketSeat`] per thread; [`driver::epoll::bind`]
//! gives the listeners; then, on each thread's current-thread runtime, [`driver::epoll::run`] with the seat, the
//! [`Ports`] and its listeners. [`Gateway::drain`] ends all of them. Tests use [`driver::sim`] instead.

mod bucket;
mod config;
mod counts;
pub mod driver;
mod edge;
mod gateway;
mod ports;
mod prefix;
pub mod tls;

pub use bucket::{Bucket, Completed, Deferred, Io, ReadOutcome, SocketReady, Token};
pub use config::{Config, ConfigError};
pub use gateway::{BucketSeat, CallHook, DrainReport, Gateway, GatewayParts};
pub use ports::Ports;
pub use prefix::{Prefix, PrefixError};
