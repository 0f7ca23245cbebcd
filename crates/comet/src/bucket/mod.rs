//! A bucket: the state machine that owns connections, sessions and their timers.
//!
//! It has no I/O of its own, no thread, no lock and no clock: a driver tells it what happened ([`Bucket::accept`],
//! [`Bucket::ready`], [`Bucket::command`], [`Bucket::complete`], [`Bucket::poll_feed`]) between
//! [`Bucket::begin_turn`], which says what time it is, and [`Bucket::finish_turn`], which does the work and lends it
//! the sockets. Everything a turn produced for a socket leaves in one write at its end.
//!
//! One concept a file: `accept`, `limits`, `unwrap` (PROXY header and TLS), `handshake` (to Auth), `adoption` (to the user's bucket), `input` (bytes to frames),
//! `frames` (what each op does), `sends` (messages up and their outcomes), `push` (frames down, acknowledgements,
//! resends), `transient` (pushes of what is in no timeline), `intake` (the journal's feed), `live` (what it brings), `catch_up`
//! (the timelines), `following` (which feeds of super groups a user follows), `receipts` (what senders are owed), `timers`, `outbox` (bytes down), `close`, `drain`.

mod accept;
mod adoption;
mod catch_up;
mod close;
mod command;
mod conn;
mod core;
mod drain;
mod followers;
mod following;
mod frames;
mod handshake;
mod input;
mod intake;
mod io;
mod lagging;
mod limits;
mod live;
mod outbox;
mod push;
mod receipts;
mod render;
mod sends;
mod session;
mod slots;
mod tick;
mod timers;
mod transient;
mod turn;
mod unwrap;
mod wheel;
mod window;

pub(crate) use command::Command;
pub use core::Bucket;
pub use io::{Completed, Deferred, Io, ReadOutcome, SocketReady};
pub(crate) use slots::BUCKETS_MAX;
pub use slots::Token;
