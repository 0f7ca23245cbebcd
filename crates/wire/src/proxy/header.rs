//! A header of either version.

use std::net::SocketAddr;

use super::error::ProxyError;
use super::{v1, v2};

/// Outcome of [`parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// Nothing wrong so far; at least so many bytes are needed, counted from the first.
    Incomplete {
        /// More than there are.
        needed: usize,
    },
    /// A header.
    Complete {
        /// The client. `None`: the connection is the proxy's own (`LOCAL`, `UNKNOWN`), or the client has no address on
        /// a network; the socket's address stands.
        source: Option<SocketAddr>,
        /// Bytes of the header; what follows are the client's.
        consumed: usize,
    },
}

/// Looks at all bytes received so far, so `buf` begins with the header each time.
///
/// # Errors
/// When this is no header: close without an answer.
pub fn parse(buf: &[u8]) -> Result<ProxyHeader, ProxyError> {
    match buf.first() {
        None => Ok(ProxyHeader::Incomplete { needed: 1 }),
        Some(b'P') => v1::parse(buf),
        Some(b'\r') => v2::parse(buf),
        Some(_) => Err(ProxyError::NotAHeader),
    }
}

/// Whether `buf`, as far as it goes, begins with `start`.
pub(super) fn begins_with(buf: &[u8], start: &[u8]) -> bool {
    buf.iter().zip(start).all(|(byte, wanted)| byte == wanted)
}
