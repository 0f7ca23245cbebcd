//! PROXY headers, byte by byte (PROXY protocol 2.1 and 2.2). A failure means that a client is taken for another one, or
//! that a load balancer cannot be served.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::net::SocketAddr;

use halley_wire::limits::{PROXY_HEADER_BYTES_MAX, PROXY_LINE_BYTES_MAX};
use halley_wire::proxy::{ProxyError, ProxyHeader, parse};
use proptest::prelude::*;

const SIGNATURE: [u8; 12] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

fn v2(fixed: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&SIGNATURE[..], &fixed, body].concat()
}

fn complete(source: Option<&str>, consumed: usize) -> Result<ProxyHeader, ProxyError> {
    let source = source.map(|text| text.parse().unwrap());
    Ok(ProxyHeader::Complete { source, consumed })
}

#[test]
fn a_line_names_the_client() {
    for (line, source) in [
        ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", Some("192.0.2.7:56324")),
        ("PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n", Some("[2001:db8::7]:65535")),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ff:: 1 2 3 4\r\n", None),
    ] {
        let bytes = [line.as_bytes(), b"and more"].concat();
        assert_eq!(parse(&bytes), complete(source, line.len()), "{line}");
    }
}

#[test]
fn a_line_of_another_form_is_refused() {
    for (line, error) in [
        ("PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n", ProxyError::Line),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 1\r\n", ProxyError::Line),
        ("PROXY  TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", ProxyError::Line),
        ("PROXY UDP4 192.0.2.7 198.51.100.1 56324 443\r\n", ProxyError::Line),
        ("PROXY TCP4 192.0.2.256 198.51.100.1 56324 443\r\n", ProxyError::Address),
        ("PROXY TCP4 2001:db8::7 198.51.100.1 56324 443\r\n", ProxyError::Address),
        ("PROXY TCP6 192.0.2.7 2001:db8::1 56324 443\r\n", ProxyError::Address),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n", ProxyError::Address),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 +1 443\r\n", ProxyError::Address),
        ("PROXY TCP4 192.0.2.7 198.51.100.1 01 443\r\n", ProxyError::Address),
        ("proxy TCP4 192.0.2.7 198.51.100.1 1 443\r\n", ProxyError::NotAHeader),
        ("PROXYTCP4", ProxyError::NotAHeader),
    ] {
        assert_eq!(parse(line.as_bytes()), Err(error), "{line}");
    }
}

#[test]
fn a_line_ends_in_time() {
    let longest = format!("PROXY UNKNOWN{:>1$}", "\r\n", PROXY_LINE_BYTES_MAX - 13);
    assert_eq!(parse(longest.as_bytes()), complete(None, PROXY_LINE_BYTES_MAX));
    let longer = format!("PROXY UNKNOWN{:>1$}", "\r\n", PROXY_LINE_BYTES_MAX - 12);
    assert_eq!(parse(longer.as_bytes()), Err(ProxyError::Line));
    let without_end = &longest.as_bytes()[..PROXY_LINE_BYTES_MAX - 1];
    assert_eq!(parse(without_end), Ok(ProxyHeader::Incomplete { needed: PROXY_LINE_BYTES_MAX }));
}

#[test]
fn a_binary_header_names_the_client() {
    let inet = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
    let bytes = v2([0x21, 0x11, 0, 12], &inet);
    assert_eq!(parse(&[&bytes[..], b"rest"].concat()), complete(Some("192.0.2.7:56324"), 28));
    // Extensions are skipped.
    let bytes = v2([0x21, 0x11, 0, 17], &[&inet[..], &[0x01, 0, 2, b'h', b'2']].concat());
    assert_eq!(parse(&bytes), complete(Some("192.0.2.7:56324"), 33));
    let mut inet6 = [0; 36];
    inet6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    inet6[15] = 7;
    inet6[32..34].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(parse(&v2([0x21, 0x21, 0, 36], &inet6)), complete(Some("[2001:db8::7]:65535"), 52));
}

#[test]
fn a_binary_header_without_a_client_on_the_network_keeps_the_sockets_address() {
    for (fixed, body) in [
        ([0x20, 0x00, 0, 0], &[][..]),
        // A proxy's own connection, whatever else it says.
        ([0x20, 0xff, 0, 3], &[1, 2, 3]),
        ([0x21, 0x00, 0, 0], &[]),
        ([0x21, 0x12, 0, 12], &[1; 12]),
        ([0x21, 0x31, 0, 216], &[1; 216]),
    ] {
        assert_eq!(parse(&v2(fixed, body)), complete(None, 16 + body.len()), "{fixed:02x?}");
    }
}

#[test]
fn a_binary_header_of_another_form_is_refused_as_soon_as_it_shows() {
    for (fixed, error) in [
        ([0x31, 0x11, 0, 12], ProxyError::Command),
        ([0x22, 0x11, 0, 12], ProxyError::Command),
        ([0x21, 0x41, 0, 12], ProxyError::Family),
        ([0x21, 0x13, 0, 12], ProxyError::Family),
        ([0x21, 0x11, 0, 11], ProxyError::TooShort),
        ([0x21, 0x21, 0, 35], ProxyError::TooShort),
        ([0x21, 0x31, 0, 215], ProxyError::TooShort),
        ([0x21, 0x11, 0xff, 0xff], ProxyError::TooLong),
    ] {
        assert_eq!(parse(&v2(fixed, &[])), Err(error), "{fixed:02x?}");
    }
    assert_eq!(parse(&[&SIGNATURE[..], &[0x11]].concat()), Err(ProxyError::Command));
    let mut other = SIGNATURE;
    other[11] = 0x0b;
    assert_eq!(parse(&other), Err(ProxyError::NotAHeader));
    let claimed = u16::try_from(PROXY_HEADER_BYTES_MAX - 16).unwrap().to_be_bytes();
    let largest = v2([0x21, 0x11, claimed[0], claimed[1]], &[]);
    assert_eq!(parse(&largest), Ok(ProxyHeader::Incomplete { needed: PROXY_HEADER_BYTES_MAX }));
}

fn written(source: SocketAddr, destination: SocketAddr) -> [Vec<u8>; 2] {
    let (family, octets): (_, fn(SocketAddr) -> Vec<u8>) = match source {
        SocketAddr::V4(_) => (4, |address| match address {
            SocketAddr::V4(address) => address.ip().octets().to_vec(),
            SocketAddr::V6(_) => unreachable!("both are of one family"),
        }),
        SocketAddr::V6(_) => (6, |address| match address {
            SocketAddr::V6(address) => address.ip().octets().to_vec(),
            SocketAddr::V4(_) => unreachable!("both are of one family"),
        }),
    };
    let (from, to) = (source.port(), destination.port());
    let line = format!("PROXY TCP{family} {} {} {from} {to}\r\n", source.ip(), destination.ip());
    let mut body = [octets(source), octets(destination)].concat();
    body.extend([from.to_be_bytes(), to.to_be_bytes()].concat());
    let fixed = [0x21, if family == 4 { 0x11 } else { 0x21 }, 0, u8::try_from(body.len()).unwrap()];
    [line.into_bytes(), v2(fixed, &body)]
}

proptest! {
    #[test]
    fn every_address_is_read_as_it_was_written(
        (source, destination) in prop_oneof![
            (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, b)| (a.into(), b.into())),
            (any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(|(a, b)| (a.into(), b.into())),
        ],
        ports in any::<(u16, u16)>(),
        rest in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let source = SocketAddr::new(source, ports.0);
        for header in written(source, SocketAddr::new(destination, ports.1)) {
            let consumed = header.len();
            let bytes = [header, rest.clone()].concat();
            prop_assert_eq!(parse(&bytes), Ok(ProxyHeader::Complete { source: Some(source), consumed }));
        }
    }

    #[test]
    fn any_bytes_hold_the_properties(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        halley_wire::fuzzing::proxy_header(&data);
    }
}
