//! The target over PROXY headers.

use crate::limits::PROXY_HEADER_BYTES_MAX;
use crate::proxy::{ProxyError, ProxyHeader, parse};

/// Headers: the same verdict however the bytes come, asked for no more than is needed, never beyond the bound, and
/// nothing behind the header matters.
pub fn proxy_header(data: &[u8]) {
    let whole = parse(data);
    match whole {
        Ok(ProxyHeader::Incomplete { needed }) => {
            assert!(needed > data.len() && needed <= PROXY_HEADER_BYTES_MAX, "{needed} of {}", data.len());
        }
        Ok(ProxyHeader::Complete { consumed, .. }) => {
            assert!((8..=PROXY_HEADER_BYTES_MAX).contains(&consumed));
            assert_eq!(parse(&data[..consumed]), whole, "what follows matters");
            let short = parse(&data[..consumed - 1]);
            assert!(matches!(short, Ok(ProxyHeader::Incomplete { needed }) if needed == consumed));
        }
        Err(_) => {}
    }
    assert_eq!(in_pieces(data), whole);
}

/// The verdict when the bytes come one by one.
fn in_pieces(data: &[u8]) -> Result<ProxyHeader, ProxyError> {
    for end in 0..data.len() {
        match parse(&data[..end]) {
            Ok(ProxyHeader::Incomplete { .. }) => {}
            decided => return decided,
        }
    }
    parse(data)
}
