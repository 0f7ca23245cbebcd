//! Client library of the dialects: what an app's client does to lose nothing and to see nothing twice.
//!
//! Owns: the sans-I/O client core of the txchat dialect ([`txchat::Session`]) and a comfortable async [`Client`] over it
//! (TCP and WebSocket, with or without TLS, reconnect with jittered back-off, receipts, events).
//!
//! Does not own: bytes (those are `halley-wire`'s), a store of messages, a terminal, load generation (the bench drives sockets
//! itself). It never links the server.
//!
//! Invariants:
//! - a send given to the outbox is answered to its caller at most once, and exactly once unless the client is closed;
//! - a push is shown to the caller at most once while its id is among the remembered ones, and it is acknowledged to the server
//!   only after the caller's queue has taken it: a full queue holds the server's window shut instead of dropping;
//! - every queue is bounded ([`txchat::SessionConfig`], [`ClientConfig`]).

mod backoff;
mod client;
mod driver;
mod encryption;
mod endpoint;
mod error;
mod transport;
pub mod txchat;

pub use backoff::Backoff;
pub use client::{Client, ClientConfig, ClientEvent, Direction, Events, Receipt, Tap};
pub use encryption::Trust;
pub use endpoint::Endpoint;
pub use error::{ConnectError, ConnectionError, EndpointError, SendError, TrustError};
