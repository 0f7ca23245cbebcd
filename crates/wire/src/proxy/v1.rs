//! Version 1: a line of text.

use std::net::{IpAddr, SocketAddr};
use std::str::{self, FromStr};

use super::error::ProxyError;
use super::header::{ProxyHeader, begins_with};
use crate::limits::PROXY_LINE_BYTES_MAX;

const START: &[u8] = b"PROXY ";

pub(super) fn parse(buf: &[u8]) -> Result<ProxyHeader, ProxyError> {
    if !begins_with(buf, START) {
        return Err(ProxyError::NotAHeader);
    }
    let seen = buf.get(..PROXY_LINE_BYTES_MAX).unwrap_or(buf);
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        if seen.len() >= PROXY_LINE_BYTES_MAX {
            return Err(ProxyError::Line);
        }
        return Ok(ProxyHeader::Incomplete { needed: buf.len() + 1 });
    };
    let line = seen.get(START.len()..end).ok_or(ProxyError::Line)?;
    let source = source(str::from_utf8(line).map_err(|_| ProxyError::Line)?)?;
    Ok(ProxyHeader::Complete { source, consumed: end + 2 })
}

/// `TCP4 source destination port port`, the same with `TCP6`, or `UNKNOWN` and anything.
fn source(line: &str) -> Result<Option<SocketAddr>, ProxyError> {
    let mut words = line.split(' ');
    let is_v4 = match words.next() {
        Some("TCP4") => true,
        Some("TCP6") => false,
        Some("UNKNOWN") => return Ok(None),
        _ => return Err(ProxyError::Line),
    };
    let mut next = || words.next().ok_or(ProxyError::Line);
    let (source, destination) = (address(next()?, is_v4)?, address(next()?, is_v4)?);
    let (source_port, _) = (port(next()?)?, port(next()?)?);
    if words.next().is_some() || source.is_ipv4() != destination.is_ipv4() {
        return Err(ProxyError::Line);
    }
    Ok(Some(SocketAddr::new(source, source_port)))
}

fn address(text: &str, is_v4: bool) -> Result<IpAddr, ProxyError> {
    let address = IpAddr::from_str(text).map_err(|_| ProxyError::Address)?;
    if address.is_ipv4() == is_v4 { Ok(address) } else { Err(ProxyError::Address) }
}

/// A decimal number without sign and without leading zeros.
fn port(text: &str) -> Result<u16, ProxyError> {
    let is_canonical =
        text == "0" || text.as_bytes().first().is_some_and(|digit| (b'1'..=b'9').contains(digit));
    if is_canonical { text.parse().map_err(|_| ProxyError::Address) } else { Err(ProxyError::Address) }
}
