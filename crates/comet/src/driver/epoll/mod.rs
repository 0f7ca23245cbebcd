//! One bucket on a current-thread tokio runtime, over the operating system's sockets.
//!
//! The task waits at once for the bucket's epoll descriptor (nested in tokio's), its command queue, the feed, port
//! calls under way and the next deadline; it wakes for nothing else. Each poll of the task is one turn: everything
//! that is ready is drained in bounded batches, what that produced is written, and while more is ready the task
//! yields after every turn, so that the other tasks of the thread (answer) get theirs.

mod listen;
mod runner;
mod sockets;

pub use listen::{BindError, BucketListener, Endpoint, bind};
pub use runner::run;
