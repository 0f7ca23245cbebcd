//! The gRPC services of the original, `im.comet.Comet` and `im.logic.Logic`, for business servers that were written for it.
//!
//! Owns: the messages and services as they are on the wire (`proto/`, generated into `gen/`), their translation to the
//! ports, their errors, and the limits of the two listeners.
//!
//! Does not: speak to the server's own roles (this is a façade for others), know a store, or decide what a message may
//! say. What only the original's own processes called answers UNIMPLEMENTED.
//!
//! **Invariant:** a push to users or to a group is durable when it is answered; a push to connections is bounded by their
//! windows and says which connections it did not reach. Of the two services one method does what the other's does, by the
//! same code.
//!
//! **Invariant:** every call is bounded: in size, in number, in time; what a backend said of a failure is logged and not
//! told, and no token or body is logged.

mod api;
mod comet_service;
mod config;
mod error_map;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod guard;
mod listener;
mod logic_service;
mod pushes;
mod serve;

#[rustfmt::skip]
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated: `cargo run -p halley-xtask -- codegen`"
)]
#[path = "gen/im.comet.rs"]
pub mod comet;
#[rustfmt::skip]
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated: `cargo run -p halley-xtask -- codegen`"
)]
#[path = "gen/im.logic.rs"]
pub mod logic;

pub use api::{Api, GrpcPorts};
pub use config::GrpcConfig;
pub use halley_listener::Drained;
pub use serve::{serve_comet, serve_logic};
