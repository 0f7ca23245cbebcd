//! The bytes of the client dialects, sans I/O.
//!
//! Owns: frames, envelopes and bodies of the txchat dialect ([`txchat`]), the WebSocket codec under it ([`ws`]), the
//! PROXY protocol before both ([`proxy`]) and the bounds of all of them ([`limits`]). Spec sections cited in this crate are those of `txchat-dialect.md`.
//!
//! Does not: read or write a socket, keep a clock, know a session, or decide what a message may do. Nothing here is
//! async, and nothing keeps a buffer but a fragmented WebSocket message.
//!
//! Invariants:
//! - Bytes from outside never panic, whatever they are.
//! - Nothing is allocated from a length that is only claimed; what is kept was really received.
//! - A wrong length is refused from the bytes that hold it, not when the buffer is full.
//! - What is encoded is what canonical proto3 encoders produce: fields in order, defaults absent.
#![deny(clippy::as_conversions)]

#[doc(hidden)]
pub mod fuzzing;
pub mod limits;
pub mod proxy;
pub mod txchat;
pub mod ws;
