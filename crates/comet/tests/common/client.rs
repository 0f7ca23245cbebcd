//! A scripted client: frames out, frames in.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};

use bytes::Bytes;
use halley_comet::driver::sim::SimClient;
use halley_wire::txchat::{Common, Decoded, Frame, Header, Op, decode, pb};
use prost::Message as _;
use rustls::ClientConnection;

/// A right upgrade request.
pub(crate) const UPGRADE: &[u8] =
    b"GET /sub HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

pub(crate) struct Client {
    pub(crate) end: SimClient,
    tls: Option<RefCell<ClientConnection>>,
    input: Vec<u8>,
    kept: VecDeque<Frame>,
    is_web_socket: bool,
    /// WebSocket control frames that came: opcode and payload.
    pub(crate) controls: Vec<(u8, Vec<u8>)>,
}

/// The bytes of a frame.
pub(crate) fn frame(op: i32, seq: i32, ack: i32, body: &[u8]) -> Vec<u8> {
    let frame = Frame { header: Header { ver: 1, op: Op(op), seq, ack }, body: Bytes::copy_from_slice(body) };
    let mut bytes = Vec::new();
    frame.put(&mut bytes).expect("is small");
    bytes
}

/// An AuthMsg for the backend of the tests.
pub(crate) fn auth_body(user: &str, device: &str) -> Vec<u8> {
    let login = pb::Login { uuid: device.into(), device_name: "test".into(), ..pb::Login::default() };
    let ext = if device.is_empty() { Bytes::new() } else { login.encode_to_vec().into() };
    let auth = pb::AuthMsg { app_id: "demo".into(), token: user.into(), ext };
    auth.encode_to_vec()
}

/// An envelope with a message to a user.
pub(crate) fn send_body(target: &str, client_id: &str, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let common = Common { seq: client_id, target, msg_type: 1, msg: text.as_bytes(), ..Common::default() };
    common.put(&mut body);
    body
}

/// A client's WebSocket frame, masked.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Bytes from hex digits, spaces ignored.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("is hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

impl Client {
    pub(crate) fn tcp(end: SimClient) -> Self {
        Self {
            end,
            tls: None,
            input: Vec::new(),
            kept: VecDeque::new(),
            is_web_socket: false,
            controls: Vec::new(),
        }
    }

    /// Speaks through this from now on.
    pub(crate) fn over(self, tls: ClientConnection) -> Self {
        Self { tls: Some(RefCell::new(tls)), ..self }
    }

    /// Speaks WebSocket from now on.
    pub(crate) fn upgraded(self) -> Self {
        Self { is_web_socket: true, ..self }
    }

    pub(crate) fn tls(&self) -> &RefCell<ClientConnection> {
        self.tls.as_ref().expect("is a TLS client")
    }

    /// Sends bytes, encrypted where that is spoken.
    pub(crate) fn write(&self, bytes: &[u8]) {
        let Some(tls) = &self.tls else { return self.end.write(bytes) };
        tls.borrow_mut().writer().write_all(bytes).expect("takes it");
        self.flush_tls();
    }

    /// Sends what TLS itself has to say.
    pub(crate) fn flush_tls(&self) {
        let mut bytes = Vec::new();
        while self.tls().borrow().wants_write() {
            self.tls().borrow_mut().write_tls(&mut bytes).expect("writes to memory");
        }
        if !bytes.is_empty() {
            self.end.write(&bytes);
        }
    }

    /// Takes at most so many bytes that have come, decrypted where that is spoken.
    pub(crate) fn read_up_to(&self, bytes_max: usize) -> Vec<u8> {
        let came = self.end.read_up_to(bytes_max);
        let Some(tls) = &self.tls else { return came };
        let (mut tls, mut rest, mut plain) = (tls.borrow_mut(), &came[..], Vec::new());
        while !rest.is_empty() {
            tls.read_tls(&mut rest).expect("reads from memory");
            let state = tls.process_new_packets().expect("the server speaks TLS");
            let before = plain.len();
            plain.resize(before + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut plain[before..]).expect("is there");
        }
        plain
    }

    pub(crate) fn web_socket(end: SimClient) -> Self {
        Self { is_web_socket: true, ..Self::tcp(end) }
    }

    /// Sends a frame.
    pub(crate) fn send(&self, op: i32, seq: i32, ack: i32, body: &[u8]) {
        let bytes = frame(op, seq, ack, body);
        if self.is_web_socket {
            self.write(&masked(2, &bytes));
        } else {
            self.write(&bytes);
        }
    }

    pub(crate) fn auth(&self, user: i64, device: &str) {
        self.send(1, 7, 9, &auth_body(&user.to_string(), device));
    }

    pub(crate) fn message(&self, seq: i32, target: i64, text: &str) {
        self.send(7, seq, 0, &send_body(&target.to_string(), &format!("c-{seq}"), text));
    }

    pub(crate) fn ack(&self, push: i32) {
        self.send(10, 1, push, &[]);
    }

    /// Puts frames back, to be read first.
    pub(crate) fn keep(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.kept.extend(frames);
    }

    /// The frames that have come.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        self.frames_up_to(usize::MAX)
    }

    /// The frames in the next so many bytes.
    pub(crate) fn frames_up_to(&mut self, bytes_max: usize) -> Vec<Frame> {
        let came = self.read_up_to(bytes_max);
        self.input.extend(came);
        let mut frames: Vec<Frame> = self.kept.drain(..).collect();
        loop {
            let (payload, used) = if self.is_web_socket {
                match self.next_message() {
                    Some(found) => found,
                    None => return frames,
                }
            } else {
                (self.input.clone(), 0)
            };
            match decode(&payload).expect("the server sends frames") {
                Decoded::Complete { frame, consumed } => {
                    frames.push(frame.to_frame());
                    self.input.drain(..if used > 0 { used } else { consumed });
                }
                Decoded::Incomplete { .. } => {
                    assert_eq!(used, 0, "one frame a message");
                    return frames;
                }
            }
        }
    }

    /// The next binary message, unmasked; control frames are put aside.
    fn next_message(&mut self) -> Option<(Vec<u8>, usize)> {
        loop {
            let first = *self.input.first()?;
            let (header, length) = match *self.input.get(1)? {
                126 => {
                    let bytes = self.input.get(2..4)?;
                    (4, usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
                }
                short => (2, usize::from(short)),
            };
            let payload = self.input.get(header..header + length)?.to_vec();
            if first == 0x82 {
                return Some((payload, header + length));
            }
            self.controls.push((first & 0x0f, payload));
            self.input.drain(..header + length);
        }
    }

    /// The texts and sequences of the pushes among the frames that have come.
    pub(crate) fn pushes(&mut self) -> Vec<(i32, String)> {
        let frames = self.frames();
        pushes_of(&frames)
    }
}

pub(crate) fn pushes_of(frames: &[Frame]) -> Vec<(i32, String)> {
    let pushes = frames.iter().filter(|frame| frame.header.op == Op::RECEIVE_MSG);
    pushes
        .map(|frame| {
            let common = Common::parse(&frame.body).expect("is a message");
            (frame.header.seq, String::from_utf8_lossy(common.msg).into_owned())
        })
        .collect()
}
