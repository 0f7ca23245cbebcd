//! One conformance suite per port, run against every implementation.

#[path = "../common/mod.rs"]
mod common;

mod accounts;
mod bus;
mod cursors;
mod devices;
mod directory;
mod floors;
mod groups;
mod index;
mod journal;
mod relations;
mod retention;
