//! WebSocket (RFC 6455) as far as the dialects need it, sans I/O (spec 1.1, ruling 11).
//!
//! Owns: the server's side of the HTTP upgrade ([`upgrade`]), a decoder that works in the caller's buffer ([`Decoder`]),
//! the encoder of server frames ([`encode`]), and a minimal client half ([`client`]). Does not: negotiate extensions or
//! sub-protocols, check `Origin`, check that text is UTF-8 (a frame of the dialect may come in a text message), time
//! anything, or write: an answer is put into a buffer that the caller sends.
//!
//! Invariants:
//! - A [`Decoder`] holds 16 bytes, and a buffer only while a fragmented message is incomplete.
//! - A message never costs more memory than its bytes that arrived; claims are checked against the limit in the header.
//! - Input may be cut anywhere: an incomplete frame is left untouched, so asking again with more bytes is always right.
//! - After an error or a close frame the stream is over; [`WsError::close_code`] says what to put into the farewell.

pub mod client;
mod decode;
pub mod encode;
mod error;
mod header;
pub mod upgrade;

pub use decode::{Decoder, Step};
pub use error::{ControlTooLong, UpgradeError, WsError};
pub use upgrade::{Accept, Upgrade, UpgradeParser};
