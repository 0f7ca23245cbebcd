//! The operating system, as far as the gateway needs it: readiness, sockets, limits.
//!
//! Owns: an edge-triggered poller whose own descriptor can be waited on by another (nested epoll), nonblocking TCP
//! listeners and streams, the descriptor limit, what the process has used of processor and memory.
//!
//! Does not: hold buffers, know frames, start threads, decide what to do about an error. Everything goes through
//! the safe interface of `rustix`, but for two matters ([`limit_arenas`], [`prefer_short_slices`]).
//!
//! **Invariant:** every descriptor made here is close-on-exec, every socket nonblocking.

mod limits;
mod memory;
mod poller;
mod schedule;
mod tcp;
mod usage;

pub use limits::{descriptor_limit, raise_descriptor_limit};
pub use memory::limit_arenas;
pub use poller::{Interest, Poller, Readiness};
pub use schedule::prefer_short_slices;
pub use tcp::{Accepted, Listener, is_descriptor_shortage, read, spare_descriptor, write};
pub use usage::{Usage, usage};
