//! The txchat dialect (spec sections 1 and 2): frames in, commands out; entries in, frames out.

mod entry;
mod error_map;
mod framing;
mod login;
mod outcome;
mod send;

pub(crate) use entry::{Names, Shown, show};
pub(crate) use framing::{Framing, Step};
pub(crate) use login::login;
pub(crate) use outcome::outcome;
pub(crate) use send::send;
