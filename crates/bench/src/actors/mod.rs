//! Who talks: a connection, and two users who talk to each other.

pub(crate) mod connection;
pub(crate) mod pair;
