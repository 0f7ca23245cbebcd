//! Buckets without an operating system: sockets in memory, time that a test moves, one thread, an order that a seed
//! decides. The buckets, and everything behind their ports, are the real ones.
//!
//! A test makes a [`SimGateway`], connects [`SimClient`]s, lets them write, and calls [`SimGateway::settle`] (or single
//! turns, between turns of other simulated roles); between these it moves the [`SimClock`].

mod clock;
mod gateway;
mod net;

pub use clock::SimClock;
pub use gateway::{SimGateway, SimParts};
pub use net::{SimClient, SimSocket};
