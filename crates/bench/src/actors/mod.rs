//! Who talks: a connection, two users who talk to each other, the members of a group, strangers who knock.

pub(crate) mod beside;
pub(crate) mod connection;
pub(crate) mod members;
pub(crate) mod pair;
pub(crate) mod strangers;
