//! The server's side of the HTTP upgrade (RFC 6455, 4.2; spec 1.1).
//!
//! Owns: telling a right request from a wrong one within 8 KiB, and the 101. There is no other answer: whatever is
//! wrong, the connection is closed without a word, as the original does. The request line is compared as its bytes
//! arrive, so that a wrong path is refused at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::error::UpgradeError;
use crate::limits::WS_HEAD_BYTES_MAX;

/// What the key is hashed with (RFC 6455, 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `Sec-WebSocket-Accept`: the base64 of a SHA-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept([u8; 28]);

/// Outcome of [`UpgradeParser::parse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// The head has not ended yet, nothing wrong so far.
    Incomplete,
    /// A right request.
    Complete {
        /// What to answer with.
        accept: Accept,
        /// Bytes of the head; what follows are WebSocket frames.
        consumed: usize,
    },
}

/// Looks for the end of a request's head and remembers how far it looked.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpgradeParser {
    /// Bytes known not to hold the end of the head.
    scanned: u16,
}

impl Accept {
    /// The answer to a key (RFC 6455, 4.2.2).
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
        let mut text = [0; 28];
        // 20 bytes are 28 characters, always.
        let written = STANDARD.encode_slice(digest, &mut text);
        debug_assert_eq!(written, Ok(28));
        Self(text)
    }

    /// The header's value.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends the whole 101 answer.
    pub fn put_response(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        );
        out.extend_from_slice(&self.0);
        out.extend_from_slice(b"\r\n\r\n");
    }
}

impl UpgradeParser {
    /// A parser that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { scanned: 0 }
    }

    /// Looks at all bytes received so far, so `buf` begins with the request each time; `path` must be the request's target to the byte (spec 1.1: `/sub`).
    ///
    /// # Errors
    /// Any [`UpgradeError`] but `Accept`: close without an answer.
    pub fn parse(&mut self, buf: &[u8], path: &str) -> Result<Upgrade, UpgradeError> {
        check_request_line(buf, path)?;
        let Some(consumed) = find_head_end(buf, &mut self.scanned)? else {
            return Ok(Upgrade::Incomplete);
        };
        let accept = read_headers(buf.get(..consumed).unwrap_or_default())?;
        Ok(Upgrade::Complete { accept, consumed })
    }
}

/// Compares as much of the request line as there is.
fn check_request_line(buf: &[u8], path: &str) -> Result<(), UpgradeError> {
    let wanted = [b"GET ", path.as_bytes(), b" HTTP/1.1\r\n"];
    let mut rest = buf;
    for part in wanted {
        let length = part.len().min(rest.len());
        if rest.get(..length) != part.get(..length) {
            return Err(UpgradeError::FirstLine);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// Finds the empty line that ends a head; `scanned` bytes need not be looked at again.
pub(super) fn find_head_end(buf: &[u8], scanned: &mut u16) -> Result<Option<usize>, UpgradeError> {
    let window = buf.get(..WS_HEAD_BYTES_MAX).unwrap_or(buf);
    let from = usize::from(*scanned);
    let found = window.get(from..).and_then(|rest| rest.windows(4).position(|four| four == b"\r\n\r\n"));
    if let Some(at) = found {
        return Ok(Some(from + at + 4));
    }
    if buf.len() >= WS_HEAD_BYTES_MAX {
        return Err(UpgradeError::TooLong);
    }
    // The end may have begun in the last three bytes.
    *scanned = u16::try_from(window.len().saturating_sub(3)).unwrap_or(u16::MAX);
    Ok(None)
}

fn read_headers(head: &[u8]) -> Result<Accept, UpgradeError> {
    let (mut is_upgrade, mut is_connection) = (false, false);
    let (mut version, mut key) = (None, None);
    for header in headers(head) {
        let (name, value) = header?;
        if name.eq_ignore_ascii_case(b"upgrade") {
            is_upgrade |= has_token(value, b"websocket");
        } else if name.eq_ignore_ascii_case(b"connection") {
            is_connection |= has_token(value, b"upgrade");
        } else if name.eq_ignore_ascii_case(b"sec-websocket-version") && version.replace(value).is_some() {
            return Err(UpgradeError::Version);
        } else if name.eq_ignore_ascii_case(b"sec-websocket-key") && key.replace(value).is_some() {
            return Err(UpgradeError::Key);
        }
    }
    if !is_upgrade {
        return Err(UpgradeError::Upgrade);
    }
    if !is_connection {
        return Err(UpgradeError::Connection);
    }
    if version != Some(b"13") {
        return Err(UpgradeError::Version);
    }
    match key {
        Some(key) if !key.is_empty() => Ok(Accept::of(key)),
        _ => Err(UpgradeError::Key),
    }
}

/// The header lines of a head that ends in an empty line, first line left out.
pub(super) fn headers(head: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), UpgradeError>> {
    let mut rest = head.strip_suffix(b"\r\n\r\n").unwrap_or(head);
    next_line(&mut rest);
    std::iter::from_fn(move || next_line(&mut rest).map(header))
}

/// Cuts the next line off; `None` when nothing is left.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.windows(2).position(|two| two == b"\r\n");
    let (line, more) = match end {
        Some(end) => (rest.get(..end)?, rest.get(end + 2..)?),
        None => (*rest, &[][..]),
    };
    *rest = more;
    Some(line)
}

/// `name: value`; the name is a token, so a folded or nameless line is refused.
fn header(line: &[u8]) -> Result<(&[u8], &[u8]), UpgradeError> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(UpgradeError::Malformed)?;
    let (name, value) = line.split_at_checked(colon).ok_or(UpgradeError::Malformed)?;
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    // No control bytes in a value: a lone CR or LF would be a line end to others.
    let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    if name.is_empty() || !name.iter().all(is_token) || !value.iter().all(is_text) {
        return Err(UpgradeError::Malformed);
    }
    Ok((name, value))
}

/// Whether a comma-separated list holds a token, in any case.
pub(super) fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}
