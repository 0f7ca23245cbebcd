//! Targets over the WebSocket codec.

use crate::limits::{TXCHAT_FRAME_BYTES_MAX, WS_FRAME_HEADER_BYTES_MAX, WS_HEAD_BYTES_MAX};
use crate::ws::{Decoder, Step, Upgrade, UpgradeError, UpgradeParser, WsError, client, encode};

const PATH: &str = "/sub";
const MESSAGE_BYTES_MAX: u32 = 16_404;

/// What a connection saw, cut free from its buffer.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Fragment,
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    Error(WsError),
}

/// Frames: the same events however the stream is cut, nothing over the limit, and what was read can be written again.
pub fn ws_server(data: &[u8]) {
    let whole = run(data, data.len().max(1));
    // The input also says where it is cut; 1 is the hardest.
    let cut = data.last().map_or(1, |byte| usize::from(byte % 32) + 1);
    assert_eq!(run(data, cut), whole, "cut every {cut} bytes");
    for seen in &whole {
        let Seen::Message(payload) = seen else { continue };
        assert!(payload.len() <= TXCHAT_FRAME_BYTES_MAX);
        let (mut server, mut masked) = (Vec::new(), Vec::new());
        encode::put_message(&mut server, payload);
        client::put_message(&mut masked, [1, 2, 3, 4], payload);
        for frame in [server, masked] {
            let again = run(&frame, frame.len());
            assert!(matches!(&again[..], [Seen::Message(again)] if again == payload));
        }
    }
}

/// Feeds `data` in pieces and collects what happens, up to the end of the stream.
fn run(data: &[u8], piece_bytes: usize) -> Vec<Seen> {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let (mut seen, mut buf) = (Vec::new(), Vec::new());
    for piece in data.chunks(piece_bytes) {
        buf.extend_from_slice(piece);
        loop {
            let before = buf.clone();
            let (event, consumed) = match decoder.decode(&mut buf) {
                Ok(Step::Incomplete { needed }) => {
                    assert!(
                        needed > before.len() && needed <= TXCHAT_FRAME_BYTES_MAX + WS_FRAME_HEADER_BYTES_MAX
                    );
                    assert_eq!(buf, before, "an incomplete frame was touched");
                    break;
                }
                Ok(Step::Fragment { consumed }) => (Seen::Fragment, consumed),
                Ok(Step::Message { payload, consumed }) => (Seen::Message(payload.into_owned()), consumed),
                Ok(Step::Ping { payload, consumed }) => (Seen::Ping(payload.to_vec()), consumed),
                Ok(Step::Pong { payload, consumed }) => (Seen::Pong(payload.to_vec()), consumed),
                Ok(Step::Close { code, .. }) => {
                    seen.push(Seen::Close(code));
                    return seen;
                }
                Err(error) => {
                    seen.push(Seen::Error(error));
                    return seen;
                }
            };
            if let Seen::Ping(payload) = &event {
                encode::put_pong(&mut Vec::new(), payload).expect("a ping's payload fits a pong");
            }
            seen.push(event);
            buf.drain(..consumed);
        }
    }
    seen
}

/// Upgrades: the same verdict however the head is cut, never beyond the bound; our own client's request is accepted.
pub fn ws_upgrade(data: &[u8]) {
    let whole = UpgradeParser::new().parse(data, PATH);
    assert_eq!(in_pieces(data), whole);
    if let Ok(Upgrade::Complete { consumed, .. }) = whole {
        assert!(consumed <= WS_HEAD_BYTES_MAX);
        assert!(data.starts_with(b"GET /sub HTTP/1.1\r\n"));
        assert!(data[..consumed].ends_with(b"\r\n\r\n"));
    }
    if whole == Ok(Upgrade::Incomplete) {
        assert!(data.len() < WS_HEAD_BYTES_MAX);
    }

    let mut key = [0; 16];
    for (slot, byte) in key.iter_mut().zip(data) {
        *slot = *byte;
    }
    let _ = client::check_response(data, key);
    let mut request = Vec::new();
    client::put_request(&mut request, "localhost", PATH, key);
    let Ok(Upgrade::Complete { accept, consumed }) = UpgradeParser::new().parse(&request, PATH) else {
        panic!("our own request was refused");
    };
    assert_eq!(consumed, request.len());
    let mut response = Vec::new();
    accept.put_response(&mut response);
    assert_eq!(client::check_response(&response, key), Ok(Some(response.len())));
}

/// The verdict when the bytes come one by one.
fn in_pieces(data: &[u8]) -> Result<Upgrade, UpgradeError> {
    let mut parser = UpgradeParser::new();
    for end in 0..=data.len() {
        match parser.parse(&data[..end], PATH) {
            Ok(Upgrade::Incomplete) => {}
            decided => return decided,
        }
    }
    Ok(Upgrade::Incomplete)
}
