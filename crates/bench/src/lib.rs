//! Black-box load generator: actors (who talks) x workloads (what they do) x report (what came of it).
//!
//! Owns: its own lean connections over epoll (thousands per thread; it shares its cores with the server it measures), the check of
//! every message, latency from the intended send time, the server's cost read from `/proc`.
//!
//! Does not own: the comfortable client (`halley-client` lends only its codec), starting a server, any knowledge of how a server
//! works inside: it runs against the original servers too.
//!
//! Invariants: an actor and everything it checks live on one thread; nothing is sampled, every message is checked; a message that is
//! missing, doubled or out of order makes the run fail, however fast it was.

mod actors;
mod args;
mod check;
mod measure;
mod proto;
mod reactor;
mod report;
mod run;
mod target;
mod workloads;

pub use args::{BadToken, BenchArgs, CommonArgs, GroupArgs, IdleArgs, LoginsArgs, PeerArgs, Scenario};
pub use run::run;
