//! The pusher role: the tail of the journal, as a live feed and for fresh reads.
//!
//! Owns: who has been given what of the tail; how index and tail become one timeline.
//!
//! Does not: write anything, hold a socket, keep state that a crash loses.
//!
//! **Invariants:** a reader is given records in key order and without a gap, or told that the feed broke; a read
//! is complete up to the durable end as it was when the read began (promise 4).

mod feed;
mod floors;
mod fresh;

pub use feed::TailFeed;
pub use floors::{FlooredMessages, FlooredTimelines};
pub use fresh::FreshTimelines;
