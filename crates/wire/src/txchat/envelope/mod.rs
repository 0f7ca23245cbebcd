//! The hot envelopes, read and written by hand (spec 2.1 to 2.3, 2.5).
//!
//! Owns: the envelope around [`Common`], [`Ack`] and [`Signal`]; borrowed from the input where it can be, and exact
//! about length before a byte is written (ruling 5). Bodies of messages and signals stay opaque: they are `pb` types.
//!
//! Reading is as strict as `prost`: a known field of the wrong wire type, a cut or overlong varint and a string that is
//! not UTF-8 are errors, everywhere down to `Source` and `Reference`, so that no receiver is sent what it cannot read.
//! Of a repeated scalar the last one wins, repeated messages merge. Writing is canonical proto3.
//! Both are compared with `prost` by property tests and fuzz targets.

mod ack;
mod common;
mod error;
mod open;
mod reader;
mod send;
mod signal;
mod size;
mod writer;

pub use ack::{Ack, AckBytes};
pub use common::Common;
pub use error::EnvelopeError;
pub use open::{Envelope, Pushed, event_type};
pub use send::{SendRef, Stamp};
pub use signal::Signal;
pub use size::{Parts, stamped_len};
