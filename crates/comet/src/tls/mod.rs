//! TLS, sans I/O: what a certificate and its key make of a listener, and one connection's encryption.
//!
//! Owns: the configuration of TLS 1.2 and 1.3 ([`ServerTls`]) and the state of a connection (`TlsStream`), which takes
//! the socket's bytes and gives the client's, and the other way round. Does not: read files, read or write sockets,
//! keep time.
//!
//! Invariants:
//! - A connection keeps encrypted bytes only while a record or a handshake message is incomplete, and at most so many
//!   as the largest of them has.
//! - Bytes from outside never panic; after the first wrong one nothing more is decrypted.
//! - Sessions are resumed by tickets that the client keeps: the server remembers nothing of them.

mod server;
mod stream;

pub use server::{ServerTls, TlsError};
pub(crate) use stream::{Over, TlsStream};
