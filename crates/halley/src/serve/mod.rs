//! `halley serve`: the roles joined into one server.

mod bucket;
mod compose;
mod run;
mod scrub;
mod worker;

pub use compose::{Roles, compose};
pub use run::run;
