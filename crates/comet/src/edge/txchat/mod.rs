//! The txchat dialect (spec sections 1 and 2): frames in, commands out; entries in, frames out.

mod entry;
mod error_map;
mod framing;
mod group_change;
#[cfg(test)]
mod group_change_tests;
mod login;
mod outcome;
mod send;

pub(crate) use entry::{Names, Shown, show};
pub(crate) use framing::{Framing, Step};
pub(crate) use group_change::show_part;
pub(crate) use login::{endpoint_login, login};
pub(crate) use outcome::outcome;
pub(crate) use send::send;
