//! What only a disk can do: crash, be damaged, be full, fail.

#![allow(clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

mod crash;
mod damage;
mod failures;
mod random;
mod reclaim;
mod versions;
