//! What the actors do: one file per scenario, over a crew of threads.

mod crew;
pub(crate) mod group;
pub(crate) mod idle;
pub(crate) mod logins;
mod loop_time;
pub(crate) mod peer;

pub(crate) use loop_time::LoopTime;
