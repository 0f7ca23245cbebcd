//! Whole-server tests: the real binary on real ports, and the real roles on simulated ones.
//!
//! Owns: starting, killing and stopping servers; clients that know everything they were promised; the checks of the
//! promises (design section 4).
//!
//! Does not: look inside a server it started as a process; it uses the client protocol, the admin API and the signals.

pub mod crash;
pub mod http;
pub mod ledger;
pub mod login_server;
pub mod process;
pub mod raw;
pub mod rng;
pub mod scratch;
pub mod sim;
pub mod tokens;
pub mod wait;
