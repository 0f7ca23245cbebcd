//! The listeners that are not for clients: admin HTTP and gRPC.
//!
//! Owns: accepting within a bound on connections, accepts that fail, telling connections to end and waiting for them.
//!
//! Does not: speak a protocol, hold the clients' sockets (`comet` does, by the ten thousand), bind a port.
//!
//! **Invariant:** at most [`Bounds::connections_max`] connections are open at once, further ones wait in the kernel's
//! backlog; when [`serve()`] has answered, none is left.

mod serve;

pub use serve::{Bounds, Drained, Stop, serve};
