//! What the actors do: one file per scenario, over a crew of threads.

mod crew;
pub(crate) mod idle;
pub(crate) mod peer;
