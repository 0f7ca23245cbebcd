//! A scripted client over one TCP or WebSocket connection: it does only what the test says, and may do it wrongly.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use halley_wire::txchat::pb::{AuthMsg, Login, MsgType, SignalEndpointLogin, SignalType, TextMsg};
use halley_wire::txchat::{Ack, Common, Decoded, Frame, Header, Op, Signal, decode, put_frame};
use prost::Message as _;

/// How long an answer may take on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Came {
    /// A frame.
    Frame(Frame),
    /// The server closed the connection.
    Closed,
    /// Nothing in time.
    Nothing,
}

/// A message as a push carries it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// The push's sequence.
    pub push: i32,
    /// The message id.
    pub message_id: i64,
    /// The sender's client id.
    pub client_id: String,
    /// Who sent it.
    pub from: String,
    /// The text.
    pub text: String,
}

/// A signal EndpointLogin: a device of the user has logged in.
#[derive(Clone, PartialEq, Debug)]
pub struct DeviceLogin {
    /// The push's sequence.
    pub push: i32,
    /// The signal's id.
    pub signal_id: i64,
    /// Whether it says that it is kept for offline delivery.
    pub reliable: bool,
    /// Its body.
    pub login: SignalEndpointLogin,
}

/// One connection.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    /// Messages of a WebSocket that are not whole yet; `None` on TCP.
    web: Option<Vec<u8>>,
    /// Of the close frame that came, on a WebSocket.
    close_code: Option<u16>,
    /// Logins of the user's devices that came and were not asked for.
    logins: VecDeque<DeviceLogin>,
    input: Vec<u8>,
    next_seq: i32,
}

impl Raw {
    /// Connects.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN).expect("the server accepts");
        stream.set_nodelay(true).expect("a TCP option");
        Self { stream, web: None, close_code: None, logins: VecDeque::new(), input: Vec::new(), next_seq: 1 }
    }

    /// Connects to a WebSocket listener and upgrades.
    ///
    /// # Panics
    /// When it cannot.
    #[must_use]
    pub fn connect_web(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address);
        let request = "GET /sub HTTP/1.1\r\nHost: halley\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        raw.send_bytes(request.as_bytes());
        raw.stream.set_read_timeout(Some(ANSWER_WITHIN)).expect("a TCP option");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            raw.stream.read_exact(&mut byte).expect("an answer to the upgrade");
            head.extend_from_slice(&byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        raw.web = Some(Vec::new());
        raw
    }

    /// The code of the close frame that came, on a WebSocket.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        self.close_code
    }

    /// Connects and logs in with `dev` authentication.
    ///
    /// # Panics
    /// When the login is not accepted.
    #[must_use]
    pub fn login(address: SocketAddr, app: &str, user: &str, uuid: Option<&str>) -> Self {
        Self::connect(address).logged_in(app, user, uuid)
    }

    /// As [`Raw::login`], over a WebSocket.
    ///
    /// # Panics
    /// When the login is not accepted.
    #[must_use]
    pub fn login_web(address: SocketAddr, app: &str, user: &str, uuid: Option<&str>) -> Self {
        Self::connect_web(address).logged_in(app, user, uuid)
    }

    fn logged_in(mut self, app: &str, user: &str, uuid: Option<&str>) -> Self {
        self.log_in(app, user, uuid);
        self
    }

    /// Logs in with `dev` authentication.
    ///
    /// # Panics
    /// When the login is not accepted.
    pub fn log_in(&mut self, app: &str, user: &str, uuid: Option<&str>) {
        self.send(Op::AUTH, 0, &auth(app, user, uuid));
        let Came::Frame(reply) = self.next(ANSWER_WITHIN) else { panic!("{user} was not let in") };
        assert_eq!((reply.header.op, reply.body.len()), (Op::AUTH_REPLY, 0), "{user} was not let in");
    }

    /// Sends a frame; answers its sequence. A closed connection is not an error: the next read tells.
    pub fn send(&mut self, op: Op, ack: i32, body: &[u8]) -> i32 {
        let seq = self.next_seq;
        self.next_seq += 1;
        let mut bytes = Vec::new();
        put_frame(&mut bytes, Header { ver: 1, op, seq, ack }, body).expect("tests send frames that fit");
        if self.web.is_some() {
            let length = u16::try_from(bytes.len()).expect("a frame is short").to_be_bytes();
            bytes.splice(0..0, [0x82, 126, length[0], length[1]]);
        }
        self.send_bytes(&bytes);
        seq
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _closed = self.stream.write_all(bytes);
    }

    /// Sends a text to a user or a group; answers the frame's sequence.
    pub fn say(&mut self, to_group: bool, target: &str, client_id: &str, text: &str) -> i32 {
        self.send(Op::SEND_MSG, 0, &message(to_group, target, client_id, text))
    }

    /// Acknowledges a push.
    pub fn receipt(&mut self, push: i32) {
        let _seq = self.send(Op::RECEIVE_MSG_REPLY, push, &[]);
    }

    /// So many bytes as they come from the socket, before any that are read as frames.
    ///
    /// # Panics
    /// When they do not come.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.stream.set_read_timeout(Some(ANSWER_WITHIN)).expect("a TCP option");
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("the server sends something");
        bytes
    }

    /// The next frame within this time. Logins of the user's devices are acknowledged and kept aside for
    /// [`Raw::login_signal`]: they may come at any time.
    ///
    /// # Panics
    /// When the server sends what is no frame.
    pub fn next(&mut self, within: Duration) -> Came {
        let end = Instant::now() + within;
        loop {
            match decode(&self.input).expect("the server sends frames") {
                Decoded::Complete { frame, consumed } => {
                    let frame = frame.to_frame();
                    self.input.drain(..consumed);
                    let Some(login) = login_of(&frame) else { return Came::Frame(frame) };
                    self.receipt(login.push);
                    self.logins.push_back(login);
                    continue;
                }
                Decoded::Incomplete { .. } => {}
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Came::Nothing;
            }
            self.stream.set_read_timeout(Some(left)).expect("a TCP option");
            let mut chunk = [0; 64 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Came::Closed,
                Ok(count) => match &mut self.web {
                    None => self.input.extend_from_slice(&chunk[..count]),
                    Some(unread) => {
                        unread.extend_from_slice(&chunk[..count]);
                        if let Some(code) = unwrap_messages(unread, &mut self.input) {
                            self.close_code = Some(code);
                            return Came::Closed;
                        }
                    }
                },
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Came::Nothing;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Came::Closed,
            }
        }
    }

    /// Reads on until a frame with this op; others are given to `aside`.
    ///
    /// # Panics
    /// When it does not come.
    pub fn until(&mut self, op: Op, mut aside: impl FnMut(Frame)) -> Frame {
        loop {
            match self.next(ANSWER_WITHIN) {
                Came::Frame(frame) if frame.header.op == op => return frame,
                Came::Frame(frame) => aside(frame),
                other => panic!("waited for {op:?}, and it was {other:?}"),
            }
        }
    }

    /// The acknowledgement of the next send.
    ///
    /// # Panics
    /// When it does not come.
    pub fn answer(&mut self) -> (i32, Ack) {
        let frame = self.until(Op::SEND_MSG_REPLY, |_| {});
        (frame.header.ack, Ack::parse(&frame.body).expect("an acknowledgement"))
    }

    /// The acknowledgement of this send; those of earlier ones are passed over.
    ///
    /// # Panics
    /// When it does not come.
    pub fn answer_to(&mut self, seq: i32) -> Ack {
        loop {
            let (acked, ack) = self.answer();
            if acked == seq {
                return ack;
            }
        }
    }

    /// The next push, acknowledged.
    ///
    /// # Panics
    /// When it does not come.
    pub fn push(&mut self) -> Frame {
        let frame = self.until(Op::RECEIVE_MSG, |_| {});
        self.receipt(frame.header.seq);
        frame
    }

    /// The next text, acknowledged like the signals and notices before it.
    ///
    /// # Panics
    /// When it does not come.
    pub fn text(&mut self) -> Text {
        loop {
            let frame = self.push();
            if Common::parse(&frame.body).is_ok_and(|common| common.msg_type == i32::from(MsgType::Text)) {
                return text_of(&frame);
            }
        }
    }

    /// The next login of a device of the user; other frames that come before it are lost.
    ///
    /// # Panics
    /// When none comes.
    pub fn login_signal(&mut self) -> DeviceLogin {
        let end = Instant::now() + ANSWER_WITHIN;
        while self.logins.is_empty() && Instant::now() < end {
            let _other = self.next(Duration::from_millis(20));
        }
        self.logins.pop_front().expect("a login signal")
    }

    /// Whether a login of a device of the user has come and was not taken.
    #[must_use]
    pub fn has_login_signal(&self) -> bool {
        !self.logins.is_empty()
    }

    /// Stops sending; the server sees the end of the stream.
    pub fn half_close(&mut self) {
        let _closed = self.stream.shutdown(std::net::Shutdown::Write);
    }
}

/// Takes whole WebSocket messages, as this server sends them (short, unfragmented, unmasked, binary); answers the code of
/// a close frame behind them.
fn unwrap_messages(unread: &mut Vec<u8>, into: &mut Vec<u8>) -> Option<u16> {
    loop {
        let (start, length) = match unread[..] {
            [0x88, 2, high, low] => return Some(u16::from_be_bytes([high, low])),
            [0x82, length @ 0..126, ..] => (2, usize::from(length)),
            [0x82, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
            [] | [0x82] | [0x82, 126, ..] | [0x88, ..] => return None,
            ref other => panic!("no binary message of a server: {:?}", &other[..2]),
        };
        if unread.len() < start + length {
            return None;
        }
        into.extend_from_slice(&unread[start..start + length]);
        unread.drain(..start + length);
    }
}

fn login_of(frame: &Frame) -> Option<DeviceLogin> {
    let signal = Signal::parse(&frame.body).ok().filter(|_| frame.header.op == Op::RECEIVE_MSG)?;
    let is_login = signal.kind == SignalType::EndpointLogin as i32;
    let login = SignalEndpointLogin::decode(signal.body).ok().filter(|_| is_login)?;
    Some(DeviceLogin { push: frame.header.seq, signal_id: signal.sid, reliable: signal.reliable, login })
}

/// The text that a push carries.
///
/// # Panics
/// When it carries none.
#[must_use]
pub fn text_of(frame: &Frame) -> Text {
    let common = Common::parse(&frame.body).expect("a message");
    Text {
        push: frame.header.seq,
        message_id: common.mid,
        client_id: common.seq.to_owned(),
        from: common.from.to_owned(),
        text: TextMsg::decode(common.msg).expect("a text").content,
    }
}

/// The body of an Auth frame with `dev` authentication.
#[must_use]
pub fn auth(app: &str, user: &str, uuid: Option<&str>) -> Vec<u8> {
    let ext = uuid.map(|uuid| Login { uuid: uuid.to_owned(), ..Login::default() }.encode_to_vec());
    AuthMsg { app_id: app.to_owned(), token: user.to_owned(), ext: ext.unwrap_or_default().into() }
        .encode_to_vec()
}

/// The body of a SendMsg frame with a text.
#[must_use]
pub fn message(to_group: bool, target: &str, client_id: &str, text: &str) -> Vec<u8> {
    let text = TextMsg { content: text.to_owned(), mention: Vec::new() }.encode_to_vec();
    let common = Common {
        channel_type: i32::from(to_group),
        seq: client_id,
        target,
        msg_type: 1,
        msg: &text,
        ..Common::default()
    };
    let mut body = Vec::new();
    common.put(&mut body);
    body
}
