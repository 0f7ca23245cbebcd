//! Which upgrade requests are accepted, to the byte (spec 1.1, ruling 11). A failure means that a client of the original
//! is turned away, or that something else than `/sub` answers.

use halley_wire::ws::{Accept, Upgrade, UpgradeError, UpgradeParser, client};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13";

fn request(first: &str, headers: &[&str]) -> String {
    format!("{first}\r\n{}\r\n\r\n", headers.join("\r\n"))
}

fn good() -> String {
    request("GET /sub HTTP/1.1", &["Host: h", "Upgrade: websocket", "Connection: Upgrade", VERSION, KEY])
}

fn parse(request: &str) -> Result<Upgrade, UpgradeError> {
    UpgradeParser::new().parse(request.as_bytes(), "/sub")
}

#[track_caller]
fn accepted(request: &str) {
    assert!(matches!(parse(request), Ok(Upgrade::Complete { .. })), "{:?} for {request:?}", parse(request));
}

#[track_caller]
fn refused(request: &str, error: UpgradeError) {
    assert_eq!(parse(request), Err(error), "{request:?}");
}

#[test]
fn the_sample_of_the_rfc_is_answered_as_it_says() {
    let request = good();
    let Ok(Upgrade::Complete { accept, consumed }) = parse(&request) else { panic!("{:?}", parse(&request)) };
    assert_eq!(consumed, request.len());
    assert_eq!(accept.as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(accept, Accept::of(b"dGhlIHNhbXBsZSBub25jZQ=="));
    let mut response = Vec::new();
    accept.put_response(&mut response);
    let wanted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(String::from_utf8(response).unwrap(), wanted);
}

#[test]
fn frames_behind_the_head_are_left() {
    let head = good();
    let Ok(Upgrade::Complete { consumed, .. }) = parse(&format!("{head}\u{2}\u{0}")) else {
        panic!("refused")
    };
    assert_eq!(consumed, head.len());
}

#[test]
fn names_and_tokens_are_compared_without_case_and_in_lists() {
    let headers =
        ["UPGRADE: WebSocket", "connection:keep-alive ,\tUPGRADE", "sec-websocket-VERSION:13 ", KEY];
    accepted(&request("GET /sub HTTP/1.1", &headers));
    let headers =
        ["Upgrade: h2c", "Upgrade: websocket", "Connection: close", "Connection: upgrade", VERSION, KEY];
    accepted(&request("GET /sub HTTP/1.1", &headers));
}

#[test]
fn anything_but_the_path_is_refused() {
    for first in [
        "GET / HTTP/1.1",
        "GET /sub/ HTTP/1.1",
        "GET /sub?x=1 HTTP/1.1",
        "GET /subs HTTP/1.1",
        "GET /su HTTP/1.1",
        "GET /SUB HTTP/1.1",
        "GET  /sub HTTP/1.1",
        "GET http://h/sub HTTP/1.1",
        "POST /sub HTTP/1.1",
        "get /sub HTTP/1.1",
        "GET /sub HTTP/1.0",
        "GET /sub HTTP/2",
        "GET /sub",
    ] {
        let headers = ["Upgrade: websocket", "Connection: Upgrade", VERSION, KEY];
        refused(&request(first, &headers), UpgradeError::FirstLine);
    }
}

#[test]
fn a_wrong_path_is_refused_before_the_head_ends() {
    for start in ["P", "GET /x", "GET /sub?", "GET /sub/", "GET /sub HTTP/1.0", "\u{16}\u{3}"] {
        refused(start, UpgradeError::FirstLine);
    }
    assert_eq!(parse("GET /su"), Ok(Upgrade::Incomplete));
    assert_eq!(parse(""), Ok(Upgrade::Incomplete));
}

#[test]
fn the_path_is_a_parameter() {
    let request = good().replace("/sub", "/ws");
    assert!(UpgradeParser::new().parse(request.as_bytes(), "/ws").is_ok());
    refused(&request, UpgradeError::FirstLine);
}

#[test]
fn a_header_that_is_missing_or_wrong_is_refused() {
    for (from, to, error) in [
        ("Upgrade: websocket\r\n", "", UpgradeError::Upgrade),
        ("Upgrade: websocket", "Upgrade: websockets", UpgradeError::Upgrade),
        ("Connection: Upgrade\r\n", "", UpgradeError::Connection),
        ("Connection: Upgrade", "Connection: keep-alive", UpgradeError::Connection),
        ("Version: 13", "Version: 8", UpgradeError::Version),
        ("Version: 13", "Version: 13, 8", UpgradeError::Version),
        ("Sec-WebSocket-Version: 13\r\n", "", UpgradeError::Version),
        (VERSION, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13", UpgradeError::Version),
        ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key:", UpgradeError::Key),
        ("Sec-WebSocket-Key", "Sec-WebSocket-Kay", UpgradeError::Key),
        ("Host: h", "Sec-WebSocket-Key: x", UpgradeError::Key),
        ("Host: h", "Host : h", UpgradeError::Malformed),
        ("Host: h", "Host", UpgradeError::Malformed),
        ("Host: h", ": h", UpgradeError::Malformed),
        ("Host: h", "Host: h\r\n folded: x", UpgradeError::Malformed),
        ("Host: h", "Host: h\u{1}", UpgradeError::Malformed),
        ("Host: h", "Host: a\nb", UpgradeError::Malformed),
    ] {
        let changed = good().replace(from, to);
        assert_ne!(changed, good());
        refused(&changed, error);
    }
}

#[test]
fn a_head_is_bounded() {
    let filler = |length: usize| good().replace("Host: h", &format!("Host: {}", "h".repeat(length)));
    let fits = 8_192 - filler(0).len();
    accepted(&filler(fits));
    refused(&filler(fits + 1), UpgradeError::TooLong);
    let endless = format!("GET /sub HTTP/1.1\r\nX: {}", "y".repeat(9_000));
    refused(&endless, UpgradeError::TooLong);
    assert_eq!(parse(&endless[..8_191]), Ok(Upgrade::Incomplete));
    refused(&endless[..8_192], UpgradeError::TooLong);
}

#[test]
fn every_cut_gives_the_same_verdict() {
    for request in [good(), good().replace("13", "12"), good().replace("/sub", "/sbu")] {
        halley_wire::fuzzing::ws_upgrade(request.as_bytes());
    }
}

#[test]
fn our_client_refuses_what_is_no_answer_to_its_key() {
    let key = [7; 16];
    let mut request = Vec::new();
    client::put_request(&mut request, "h:1", "/sub", key);
    let Ok(Upgrade::Complete { accept, .. }) = UpgradeParser::new().parse(&request, "/sub") else {
        panic!("refused")
    };
    let mut response = Vec::new();
    accept.put_response(&mut response);
    assert_eq!(client::check_response(&response, key), Ok(Some(response.len())));
    assert_eq!(client::check_response(&response, [8; 16]), Err(UpgradeError::Accept));
    assert_eq!(client::check_response(b"HTTP/1.1 404", key), Err(UpgradeError::FirstLine));
    let text = String::from_utf8(response).unwrap();
    let without = text.replace("Upgrade: websocket\r\n", "");
    assert_eq!(client::check_response(without.as_bytes(), key), Err(UpgradeError::Upgrade));
}
