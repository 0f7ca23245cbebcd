//! The client half: upgrade request, check of the answer, masked frames. Kept as small as our own client needs.
//!
//! Frames of the server are read with [`super::Decoder`]. Random numbers are the caller's: a key of 16 bytes for each
//! connection, a mask of 4 for each frame.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::encode::{check_control, header};
use super::error::{ControlTooLong, UpgradeError};
use super::header::{BINARY, CLOSE, PING, PONG, apply_mask};
use super::upgrade::{Accept, find_head_end, has_token, headers};

/// Bit of the second byte that says that a mask follows.
const MASKED: u8 = 0x80;

/// Appends the upgrade request. `host` and `path` must be such that they can stand in a header line.
pub fn put_request(out: &mut Vec<u8>, host: &str, path: &str, key: [u8; 16]) {
    let key = STANDARD.encode(key);
    let parts = [
        "GET ",
        path,
        " HTTP/1.1\r\nHost: ",
        host,
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
        &key,
        "\r\n\r\n",
    ];
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Checks the answer to [`put_request`]; `Some(consumed)` is the length of its head, `None` asks for more bytes.
///
/// # Errors
/// Any [`UpgradeError`]: the server speaks no WebSocket at this path.
pub fn check_response(buf: &[u8], key: [u8; 16]) -> Result<Option<usize>, UpgradeError> {
    const STATUS: &[u8] = b"HTTP/1.1 101";
    let length = STATUS.len().min(buf.len());
    if buf.get(..length) != STATUS.get(..length) {
        return Err(UpgradeError::FirstLine);
    }
    let Some(consumed) = find_head_end(buf, &mut 0)? else {
        return Ok(None);
    };
    let wanted = Accept::of(STANDARD.encode(key).as_bytes());
    let (mut is_upgrade, mut is_connection, mut is_accepted) = (false, false, false);
    for line in headers(buf.get(..consumed).unwrap_or_default()) {
        let (name, value) = line?;
        is_upgrade |= name.eq_ignore_ascii_case(b"upgrade") && has_token(value, b"websocket");
        is_connection |= name.eq_ignore_ascii_case(b"connection") && has_token(value, b"upgrade");
        is_accepted |= name.eq_ignore_ascii_case(b"sec-websocket-accept") && value == wanted.as_bytes();
    }
    match (is_upgrade, is_connection, is_accepted) {
        (true, true, true) => Ok(Some(consumed)),
        (false, ..) => Err(UpgradeError::Upgrade),
        (_, false, _) => Err(UpgradeError::Connection),
        _ => Err(UpgradeError::Accept),
    }
}

/// Appends a binary message in one masked frame.
pub fn put_message(out: &mut Vec<u8>, mask: [u8; 4], payload: &[u8]) {
    put_masked(out, BINARY, mask, payload);
}

/// Appends a masked ping.
///
/// # Errors
/// [`ControlTooLong`] over 125 bytes.
pub fn put_ping(out: &mut Vec<u8>, mask: [u8; 4], payload: &[u8]) -> Result<(), ControlTooLong> {
    check_control(payload)?;
    put_masked(out, PING, mask, payload);
    Ok(())
}

/// Appends a masked pong. What [`super::Step::Ping`] carried always fits.
///
/// # Errors
/// [`ControlTooLong`] over 125 bytes.
pub fn put_pong(out: &mut Vec<u8>, mask: [u8; 4], payload: &[u8]) -> Result<(), ControlTooLong> {
    check_control(payload)?;
    put_masked(out, PONG, mask, payload);
    Ok(())
}

/// Appends a masked close frame, without a reason text.
pub fn put_close(out: &mut Vec<u8>, mask: [u8; 4], code: Option<u16>) {
    let payload = code.map(u16::to_be_bytes);
    put_masked(out, CLOSE, mask, payload.as_ref().map_or(&[], |bytes| &bytes[..]));
}

fn put_masked(out: &mut Vec<u8>, opcode: u8, mask: [u8; 4], payload: &[u8]) {
    out.extend_from_slice(&header(opcode, payload.len(), MASKED));
    out.extend_from_slice(&mask);
    let from = out.len();
    out.extend_from_slice(payload);
    if let Some(written) = out.get_mut(from..) {
        apply_mask(written, mask);
    }
}
