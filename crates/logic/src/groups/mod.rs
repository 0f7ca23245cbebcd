//! Group changes: who may make them, what they change, and the record that makes and tells them.
//!
//! A change is checked against the group as it is, cut down to what it really changes, journaled, and in force when it is
//! answered. [`rights`] and [`effect`] are pure; the writer takes one change at a time, so nothing comes in between.

mod effect;
mod entry;
mod rights;
mod writer;

pub use writer::GroupWriter;
