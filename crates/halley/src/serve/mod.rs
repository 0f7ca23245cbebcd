//! `halley serve`: the roles joined into one server.

mod backups;
mod bucket;
mod compose;
mod grpc;
mod reclaim;
mod retention;
mod run;
mod scrub;
mod tls;
mod worker;

pub use compose::{Roles, compose};
pub use run::run;
pub use tls::Certificate;
