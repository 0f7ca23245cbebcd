//! The server codec against the client of `tungstenite`, and our client half against its server, over pipes in memory:
//! upgrade, random messages in random fragments, pings between them, the close handshake, bytes cut anywhere. A failure
//! means that a browser or a library at the other end would close the connection or see other bytes.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

use halley_wire::ws::{Decoder, Step, Upgrade, UpgradeParser, client, encode};
use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{Error, HandshakeError, Message, WebSocket};

const MESSAGE_BYTES_MAX: u32 = 16_404;

/// One end of a pipe that never blocks; what the library writes is in `output`.
#[derive(Clone, Default)]
struct Pipe {
    input: Rc<RefCell<VecDeque<u8>>>,
    output: Rc<RefCell<Vec<u8>>>,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut input = self.input.borrow_mut();
        if input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        input.read(buf)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.borrow_mut().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn send(&self, bytes: &[u8]) {
        self.input.borrow_mut().extend(bytes);
    }

    fn sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.output.borrow_mut())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// Our side: decodes what arrives in pieces, answers pings and closes.
struct Ours {
    decoder: Decoder,
    buf: Vec<u8>,
    seen: Vec<Seen>,
    /// What goes back.
    out: Vec<u8>,
    /// A client masks its answers.
    mask: Option<[u8; 4]>,
}

impl Ours {
    fn new(mask: Option<[u8; 4]>) -> Self {
        let decoder = Decoder::new(MESSAGE_BYTES_MAX);
        Self { decoder, buf: Vec::new(), seen: Vec::new(), out: Vec::new(), mask }
    }

    fn feed(&mut self, bytes: &[u8], piece_bytes: usize) {
        for piece in bytes.chunks(piece_bytes) {
            self.buf.extend_from_slice(piece);
            while self.step() {}
        }
    }

    fn step(&mut self) -> bool {
        let (seen, consumed) = match self.decoder.decode(&mut self.buf).unwrap() {
            Step::Incomplete { .. } => return false,
            Step::Fragment { consumed } => (None, consumed),
            Step::Message { payload, consumed } => (Some(Seen::Message(payload.into_owned())), consumed),
            Step::Ping { payload, consumed } => {
                match self.mask {
                    None => encode::put_pong(&mut self.out, payload).unwrap(),
                    Some(mask) => client::put_pong(&mut self.out, mask, payload).unwrap(),
                }
                (Some(Seen::Ping(payload.to_vec())), consumed)
            }
            Step::Pong { payload, consumed } => (Some(Seen::Pong(payload.to_vec())), consumed),
            Step::Close { code, consumed } => {
                match self.mask {
                    None => encode::put_close(&mut self.out, code),
                    Some(mask) => client::put_close(&mut self.out, mask, code),
                }
                (Some(Seen::Close(code)), consumed)
            }
        };
        self.seen.extend(seen);
        self.buf.drain(..consumed);
        true
    }
}

/// A tungstenite client that has upgraded against our parser, the request cut into pieces.
fn upgraded(piece_bytes: usize) -> (WebSocket<Pipe>, Pipe) {
    let pipe = Pipe::default();
    let Err(HandshakeError::Interrupted(waiting)) = tungstenite::client("ws://localhost/sub", pipe.clone())
    else {
        panic!("the handshake must wait for an answer");
    };
    let (request, mut parser) = (pipe.sent(), UpgradeParser::new());
    let mut end = 0;
    let accept = loop {
        end = (end + piece_bytes).min(request.len());
        match parser.parse(&request[..end], "/sub").unwrap() {
            Upgrade::Complete { accept, consumed } => {
                assert_eq!(consumed, request.len());
                break accept;
            }
            Upgrade::Incomplete => assert!(end < request.len()),
        }
    };
    let mut response = Vec::new();
    accept.put_response(&mut response);
    pipe.send(&response);
    let Ok((socket, response)) = waiting.handshake() else { panic!("our answer was refused") };
    assert_eq!(response.headers().len(), 3, "only Upgrade, Connection and Sec-WebSocket-Accept");
    (socket, pipe)
}

/// A client that fragments as it likes: pieces of a message with pings between them.
fn send_in_fragments(socket: &mut WebSocket<Pipe>, payload: &[u8], cuts: &[usize], text: bool) -> Vec<Seen> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (payload.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(payload.len());
    let (mut from, mut expected) = (0, Vec::new());
    for (place, end) in ends.iter().enumerate() {
        let opcode = match (place, text) {
            (0, true) => Data::Text,
            (0, false) => Data::Binary,
            _ => Data::Continue,
        };
        let is_last = place + 1 == ends.len();
        let frame = Frame::message(payload[from..*end].to_vec(), OpCode::Data(opcode), is_last);
        socket.write(Message::Frame(frame)).unwrap();
        from = *end;
        if !is_last {
            let ping = vec![u8::try_from(place).unwrap(); place];
            socket.write(Message::Frame(Frame::ping(ping.clone()))).unwrap();
            expected.push(Seen::Ping(ping));
        }
    }
    socket.flush().unwrap();
    expected.push(Seen::Message(payload.to_vec()));
    expected
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..130),
        prop::collection::vec(any::<u8>(), 120..400),
        prop::collection::vec(any::<u8>(), 16_300..=16_404),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_their_client_sends_our_server_sees(
        messages in prop::collection::vec((payload(), prop::collection::vec(any::<usize>(), 0..6), any::<bool>()), 1..5),
        piece_bytes in 1_usize..3_000,
    ) {
        let (mut socket, pipe) = upgraded(piece_bytes.min(50));
        let mut server = Ours::new(None);
        let mut expected = Vec::new();
        for (payload, cuts, text) in &messages {
            expected.extend(send_in_fragments(&mut socket, payload, cuts, *text));
        }
        server.feed(&pipe.sent(), piece_bytes);
        prop_assert_eq!(&server.seen, &expected);
        prop_assert!(!server.decoder.is_mid_message());

        // Its pings were answered with the same payloads, in order.
        pipe.send(&server.out);
        for seen in &expected {
            if let Seen::Ping(ping) = seen {
                prop_assert_eq!(socket.read().unwrap(), Message::Pong(ping.clone().into()));
            }
        }
    }

    #[test]
    fn what_our_server_sends_their_client_sees(
        messages in prop::collection::vec(payload(), 1..5),
        big in 65_500_usize..65_600,
    ) {
        let (mut socket, pipe) = upgraded(7);
        let mut out = Vec::new();
        for message in &messages {
            encode::put_message_header(&mut out, message.len());
            out.extend_from_slice(message);
        }
        encode::put_ping(&mut out, b"there?").unwrap();
        encode::put_message(&mut out, &vec![5; big]);
        pipe.send(&out);
        for message in &messages {
            prop_assert_eq!(socket.read().unwrap(), Message::Binary(message.clone().into()));
        }
        prop_assert_eq!(socket.read().unwrap(), Message::Ping(b"there?"[..].into()));
        prop_assert_eq!(socket.read().unwrap().len(), big);
        socket.flush().unwrap();
        let mut server = Ours::new(None);
        server.feed(&pipe.sent(), 3);
        prop_assert_eq!(server.seen, vec![Seen::Pong(b"there?".to_vec())]);
    }

    #[test]
    fn our_client_and_their_server_understand_each_other(
        messages in prop::collection::vec(payload(), 1..5), mask: [u8; 4], key: [u8; 16], piece_bytes in 1_usize..3_000,
    ) {
        let pipe = Pipe::default();
        let mut request = Vec::new();
        client::put_request(&mut request, "localhost:3102", "/sub", key);
        pipe.send(&request);
        let Ok(mut socket) = tungstenite::accept(pipe.clone()) else { panic!("our request was refused") };
        let response = pipe.sent();
        for end in 0..response.len() {
            prop_assert_eq!(client::check_response(&response[..end], key), Ok(None));
        }
        prop_assert_eq!(client::check_response(&response, key), Ok(Some(response.len())));

        let mut out = Vec::new();
        for message in &messages {
            client::put_message(&mut out, mask, message);
        }
        pipe.send(&out);
        let mut ours = Ours::new(Some(mask));
        for message in &messages {
            let echoed = socket.read().unwrap();
            prop_assert_eq!(&echoed, &Message::Binary(message.clone().into()));
            socket.write(echoed).unwrap();
        }
        socket.send(Message::Ping(b"hi"[..].into())).unwrap();
        ours.feed(&pipe.sent(), piece_bytes);
        let mut expected: Vec<Seen> = messages.into_iter().map(Seen::Message).collect();
        expected.push(Seen::Ping(b"hi".to_vec()));
        prop_assert_eq!(&ours.seen, &expected);
        pipe.send(&ours.out);
        prop_assert_eq!(socket.read().unwrap(), Message::Pong(b"hi"[..].into()));

        // The close handshake, begun by us.
        let mut close = Vec::new();
        client::put_close(&mut close, mask, Some(1000));
        pipe.send(&close);
        prop_assert!(matches!(socket.read().unwrap(), Message::Close(Some(frame)) if frame.code == CloseCode::Normal));
        prop_assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
        ours.feed(&pipe.sent(), 1);
        prop_assert_eq!(ours.seen.last(), Some(&Seen::Close(Some(1000))));
    }
}

#[test]
fn their_close_is_answered_with_its_code() {
    for (frame, code) in [
        (None, None),
        (Some(CloseFrame { code: CloseCode::Away, reason: "tab closed".into() }), Some(1001)),
        (Some(CloseFrame { code: CloseCode::Library(3456), reason: "".into() }), Some(3456)),
    ] {
        let (mut socket, pipe) = upgraded(1);
        socket.close(frame).unwrap();
        let mut server = Ours::new(None);
        server.feed(&pipe.sent(), 1);
        assert_eq!(server.seen, [Seen::Close(code)]);
        pipe.send(&server.out);
        let Ok(Message::Close(answer)) = socket.read() else { panic!("no close frame came back") };
        assert_eq!(answer.map(|frame| u16::from(frame.code)), code);
    }
}

#[test]
fn our_refusal_reaches_them_as_a_close_code() {
    let (mut socket, pipe) = upgraded(100);
    socket.send(Message::Binary(vec![0; 16_405].into())).unwrap();
    let mut bytes = pipe.sent();
    let error = Decoder::new(MESSAGE_BYTES_MAX).decode(&mut bytes[..4]).unwrap_err();
    let mut out = Vec::new();
    encode::put_close(&mut out, Some(error.close_code()));
    pipe.send(&out);
    assert!(matches!(socket.read(), Ok(Message::Close(Some(frame))) if frame.code == CloseCode::Size));
}

#[test]
fn a_wrong_path_is_refused_by_our_parser() {
    let pipe = Pipe::default();
    let _waiting = tungstenite::client("ws://localhost/sub?token=1", pipe.clone());
    assert!(UpgradeParser::new().parse(&pipe.sent(), "/sub").is_err());
}

#[test]
fn control_opcodes_are_those_of_the_library() {
    let mut out = Vec::new();
    encode::put_pong(&mut out, b"").unwrap();
    encode::put_ping(&mut out, b"").unwrap();
    encode::put_close(&mut out, None);
    let opcodes: Vec<OpCode> = out.chunks(2).map(|frame| OpCode::from(frame[0] & 0x0f)).collect();
    assert_eq!(opcodes, [Control::Pong, Control::Ping, Control::Close].map(OpCode::Control));
}
