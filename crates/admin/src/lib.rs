//! The admin HTTP API, metrics and health, over the ports of `halley-core`.
//!
//! Owns: the JSON forms of the API, their validation, the mapping of errors to HTTP statuses and codes, bearer
//! authentication, the OpenAPI document (made from the handlers), the limits of the HTTP listener.
//!
//! Does not: decide anything about messages or groups (logic and answer do, behind the ports), open a store or know a
//! client dialect; the one protobuf it writes by hand is the body of a text message ([`AdminState`] has only ports).
//!
//! **Invariant:** every route under `/v1` wants the bearer token; every answer that is not a success is
//! `{"error":{"code","message"}}` (a validation error adds `field`); codes are only ever added ([`Code`]); an answer
//! of the 5xx class says nothing of its cause, the log says it once, and never a token or a message body.
//!
//! **Invariant:** every await is bounded: by the request timeout, the header timeout, the write timeout or the drain
//! timeout of [`AdminConfig`].

mod auth;
mod codes;
mod config;
mod content;
mod error_map;
mod errors;
mod extract;
mod forms;
mod limits;
mod lookup;
mod openapi;
mod process;
mod readiness;
mod router;
mod routes;
mod server;
mod state;
mod whole;
mod write_deadline;

pub use codes::Code;
pub use config::AdminConfig;
pub use halley_listener::Drained;
pub use openapi::document;
pub use readiness::{NotReady, Readiness};
pub use router::router;
pub use server::serve;
pub use state::{AdminState, NodeInfo};
