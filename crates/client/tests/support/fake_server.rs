//! A scripted txchat server on loopback TCP: users' inboxes with cursors, dedup by client id, resends by reconnect. One thread per
//! connection; just enough truth to test a client and the bench against. Shared by both crates' tests.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::BytesMut;
use halley_client::txchat::{Frame, Target, codec, op};

use super::{answer, push, sent};

/// What the server does wrong on purpose.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Every n-th answer is not sent.
    pub(crate) lose_answer_every: u64,
    /// Every n-th push is sent twice under a second number.
    pub(crate) double_push_every: u64,
    /// Every n-th message is acknowledged and delivered to nobody.
    pub(crate) lose_message_every: u64,
    /// The connection is cut after every n-th send.
    pub(crate) cut_every: u64,
    /// Logins of these tokens are refused by closing.
    pub(crate) refuse_token: &'static str,
}

/// From, to, client id, text.
type Said = (String, String, String, String);

struct Link {
    user: String,
    stream: TcpStream,
    next_push: i32,
    on_wire: HashMap<i32, i64>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    next_link: u64,
    links: BTreeMap<u64, Link>,
    next_mid: i64,
    by_client_id: HashMap<(String, String), i64>,
    /// By user: what no device has acknowledged, by mid: (from, to, client id, text).
    inboxes: HashMap<String, BTreeMap<i64, Said>>,
    sends: u64,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct FakeServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FakeServer {
    pub(crate) fn start(faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { faults, ..State::default() }));
        let server = Self { address, state };
        let accepting = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (accepting.clone(), stream.unwrap());
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// Cuts every connection.
    pub(crate) fn cut_all(&self) {
        for link in self.lock().links.values() {
            let _gone = link.stream.shutdown(Shutdown::Both);
        }
    }

    /// Messages that were stored.
    pub(crate) fn stored(&self) -> usize {
        self.lock().by_client_id.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let (mut input, mut buffer) = (BytesMut::new(), [0; 16 * 1024]);
        let mut link = None;
        while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
            input.extend_from_slice(&buffer[..bytes]);
            while let Some(frame) = Frame::decode(&mut input).unwrap() {
                if !self.lock().handle(&frame, &mut link, &stream) {
                    let _gone = stream.shutdown(Shutdown::Both);
                }
            }
        }
        if let Some(link) = link {
            self.lock().links.remove(&link);
        }
    }
}

fn write(mut stream: &TcpStream, frame: &Frame) {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    let _gone = stream.write_all(&bytes);
}

fn is_nth(count: u64, n: u64) -> bool {
    n > 0 && count.is_multiple_of(n)
}

impl State {
    /// `false` closes the connection.
    fn handle(&mut self, frame: &Frame, link: &mut Option<u64>, stream: &TcpStream) -> bool {
        match (frame.op, *link) {
            (op::AUTH, None) => {
                // AuthMsg has its token where an envelope has its bytes; the user is the token.
                let user = token_of(&frame.body);
                if user == self.faults.refuse_token {
                    return false;
                }
                self.next_link += 1;
                *link = Some(self.next_link);
                write(stream, &Frame::new(op::AUTH_REPLY, frame.seq, frame.ack));
                let stream = stream.try_clone().unwrap();
                let new = Link { user: user.clone(), stream, next_push: 0, on_wire: HashMap::new() };
                self.links.insert(self.next_link, new);
                let mids: Vec<i64> = self.inboxes.entry(user).or_default().keys().copied().collect();
                mids.into_iter().for_each(|mid| self.push(self.next_link, mid));
            }
            (op::HEARTBEAT, Some(_)) => write(stream, &Frame::new(op::HEARTBEAT_REPLY, frame.seq, frame.ack)),
            (op::RECEIVE_MSG_REPLY, Some(id)) => {
                let link = self.links.get_mut(&id).unwrap();
                if let Some(mid) = link.on_wire.remove(&frame.ack) {
                    self.inboxes.get_mut(&link.user).unwrap().remove(&mid);
                }
            }
            (op::SEND_MSG, Some(id)) => return self.send(frame, id, stream),
            _ => {}
        }
        true
    }

    fn send(&mut self, frame: &Frame, id: u64, stream: &TcpStream) -> bool {
        let (user, said) = (self.links[&id].user.clone(), sent(&frame.body));
        if said.text.starts_with("refuse") {
            write(stream, &answer(frame.seq, 0, 0, 7));
            return true;
        }
        let (Target::User(target) | Target::Group(target)) = said.target;
        self.sends += 1;
        let mid = match self.by_client_id.get(&(user.clone(), said.client_id.clone())) {
            Some(mid) => *mid,
            None => {
                self.next_mid += 1;
                let mid = self.next_mid;
                self.by_client_id.insert((user.clone(), said.client_id.clone()), mid);
                if !is_nth(mid.cast_unsigned(), self.faults.lose_message_every) {
                    for owner in [&user, &target] {
                        let entry = (user.clone(), target.clone(), said.client_id.clone(), said.text.clone());
                        self.inboxes.entry(owner.clone()).or_default().insert(mid, entry);
                    }
                    let views: Vec<u64> = self
                        .links
                        .iter()
                        .filter(|(_, link)| link.user == user || link.user == target)
                        .map(|(id, _)| *id)
                        .collect();
                    for view in views {
                        self.push(view, mid);
                        if is_nth(mid.cast_unsigned(), self.faults.double_push_every) {
                            self.push(view, mid);
                        }
                    }
                }
                mid
            }
        };
        if !is_nth(self.sends, self.faults.lose_answer_every) {
            write(stream, &answer(frame.seq, mid, 1_700_000_000_000 + mid, 0));
        }
        !is_nth(self.sends, self.faults.cut_every)
    }

    fn push(&mut self, link: u64, mid: i64) {
        let link = self.links.get_mut(&link).unwrap();
        let Some((from, to, client_id, text)) =
            self.inboxes.get(&link.user).and_then(|inbox| inbox.get(&mid))
        else {
            return;
        };
        link.next_push += 1;
        link.on_wire.insert(link.next_push, mid);
        write(&link.stream, &push(link.next_push, mid, from, to, client_id, text));
    }
}

/// Field 2 of `AuthMsg`.
fn token_of(body: &bytes::Bytes) -> String {
    // Its shape is that of an envelope whose kind is no number, so it is read by hand: field 1, field 2, both short.
    let app = usize::from(body[1]);
    let token = usize::from(body[3 + app]);
    String::from_utf8(body[4 + app..4 + app + token].to_vec()).unwrap()
}

/// Silences "unused" where a test uses only part of the codec.
pub(crate) const TEXT: i32 = codec::MSG_TEXT;
