//! Version 2: binary.

use std::net::{IpAddr, SocketAddr};

use super::error::ProxyError;
use super::header::{ProxyHeader, begins_with};
use crate::limits::PROXY_HEADER_BYTES_MAX;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// Addresses and ports of each family.
const INET_BYTES: usize = 12;
const INET6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

pub(super) fn parse(buf: &[u8]) -> Result<ProxyHeader, ProxyError> {
    if !begins_with(buf, SIGNATURE) {
        return Err(ProxyError::NotAHeader);
    }
    let Some(&[command, family, high, low]) = buf.get(SIGNATURE.len()..FIXED) else {
        if buf.get(SIGNATURE.len()).is_some_and(|command| ![LOCAL, PROXY].contains(command)) {
            return Err(ProxyError::Command);
        }
        return Ok(ProxyHeader::Incomplete { needed: FIXED });
    };
    if ![LOCAL, PROXY].contains(&command) {
        return Err(ProxyError::Command);
    }
    let addresses = usize::from(u16::from_be_bytes([high, low]));
    let consumed = FIXED + addresses;
    if consumed > PROXY_HEADER_BYTES_MAX {
        return Err(ProxyError::TooLong);
    }
    // What a proxy says of its own connection has no meaning, whatever it is.
    if command == PROXY && addresses < least(family)? {
        return Err(ProxyError::TooShort);
    }
    let Some(body) = buf.get(FIXED..consumed) else {
        return Ok(ProxyHeader::Incomplete { needed: consumed });
    };
    let source = if command == LOCAL { None } else { source(family, body) };
    Ok(ProxyHeader::Complete { source, consumed })
}

/// Bytes that a family's addresses take.
fn least(family: u8) -> Result<usize, ProxyError> {
    match (family >> 4, family & 0x0f) {
        (_, 3..) => Err(ProxyError::Family),
        (0, _) => Ok(0),
        (1, _) => Ok(INET_BYTES),
        (2, _) => Ok(INET6_BYTES),
        (3, _) => Ok(UNIX_BYTES),
        _ => Err(ProxyError::Family),
    }
}

/// The source address and port; there is none but for TCP over IP.
fn source(family: u8, body: &[u8]) -> Option<SocketAddr> {
    let (address, port) = match family {
        0x11 => (IpAddr::from(*body.first_chunk::<4>()?), body.get(8..10)?),
        0x21 => (IpAddr::from(*body.first_chunk::<16>()?), body.get(32..34)?),
        _ => return None,
    };
    let port = u16::from_be_bytes(*port.first_chunk::<2>()?);
    Some(SocketAddr::new(address, port))
}
