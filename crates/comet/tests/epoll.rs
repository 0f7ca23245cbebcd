//! The epoll driver on real sockets. A failure that the simulated driver does not show is in the driver.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::server::wait_for;
use common::{Server, client, frame};
use halley_comet::{Config, DrainReport};
use halley_wire::txchat::{Decoded, Frame, decode};

/// A blocking client.
struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Peer {
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.tcp).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("is a socket");
        stream.set_nodelay(true).expect("is a socket");
        Self { stream, input: Vec::new() }
    }

    fn login(server: &Server, user: i64, device: &str) -> Self {
        let mut peer = Self::connect(server);
        peer.send(1, 7, 9, &client::auth_body(&user.to_string(), device));
        assert_eq!(peer.next().header.op.0, 2);
        peer
    }

    fn send(&mut self, op: i32, seq: i32, ack: i32, body: &[u8]) {
        self.stream.write_all(&frame(op, seq, ack, body)).expect("writes");
    }

    fn next(&mut self) -> Frame {
        loop {
            if let Decoded::Complete { frame, consumed } = decode(&self.input).expect("frames") {
                let frame = frame.to_frame();
                self.input.drain(..consumed);
                return frame;
            }
            let mut chunk = [0; 4096];
            let length = self.stream.read(&mut chunk).expect("reads");
            assert!(length > 0, "closed");
            self.input.extend_from_slice(&chunk[..length]);
        }
    }

    /// The next frame of this op; others are dropped.
    fn next_of(&mut self, op: i32) -> Frame {
        loop {
            let frame = self.next();
            if frame.header.op.0 == op {
                return frame;
            }
        }
    }
}

#[test]
fn a_message_goes_from_one_bucket_to_another_and_is_acknowledged() {
    let server = Server::start(Config::default(), 4);
    let mut peers: Vec<Peer> = (1..=8).map(|user| Peer::login(&server, user, "d")).collect();
    for user in 1..=8usize {
        let target = user % 8 + 1;
        peers[user - 1].send(7, 21, 55, &client::send_body(&target.to_string(), "c", "hello"));
        let reply = peers[user - 1].next_of(8);
        assert_eq!((reply.header.seq, reply.header.ack), (21, 21));
        let push = loop {
            let push = peers[target - 1].next_of(9);
            let (_, text) = client::pushes_of(std::slice::from_ref(&push)).remove(0);
            peers[target - 1].send(10, 0, push.header.seq, &[]);
            if text == "hello" {
                break push;
            }
        };
        assert!(push.header.seq > 0);
    }
    drop(peers);
    let report = server.stop(Duration::from_secs(10));
    assert_eq!(report.forced, 0);
}

#[test]
fn two_hundred_connections_of_one_user_all_get_every_message_in_order() {
    let server = Server::start(Config { sessions_per_user: 0, ..Config::default() }, 2);
    let mut peers: Vec<Peer> =
        (0..200).map(|device| Peer::login(&server, 42, &format!("device-{device}"))).collect();
    let mut sender = Peer::login(&server, 1, "s");
    for round in 0..20 {
        sender.send(7, round, 0, &client::send_body("42", &format!("c-{round}"), &format!("m{round}")));
    }
    for peer in &mut peers {
        for round in 0..20 {
            let push = peer.next_of(9);
            peer.send(10, 0, push.header.seq, &[]);
            assert_eq!(client::pushes_of(&[push]), [(round + 1, format!("m{round}"))]);
        }
    }
    wait_for(|| server.metrics.push_acks.get(), |acks| *acks == 200 * 20);
    let clean = DrainReport { clean: 201, forced: 0 };
    assert_eq!(server.stop(Duration::from_secs(10)), clean);
}

#[test]
fn a_web_socket_is_upgraded_and_speaks_the_same_frames() {
    let server = Server::start(Config::default(), 2);
    let mut stream = TcpStream::connect(server.web_socket).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("is a socket");
    stream.write_all(client::UPGRADE).expect("writes");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("reads");
        head.push(byte[0]);
    }
    stream.write_all(&client::masked(2, &frame(1, 7, 9, &client::auth_body("42", "")))).expect("writes");
    let mut reply = [0; 22];
    stream.read_exact(&mut reply).expect("reads");
    assert_eq!(reply[..2], [0x82, 20]);
    assert_eq!(reply[2..], frame(2, 7, 9, &[])[..]);
    server.stop(Duration::from_secs(10));
}

#[test]
fn a_connection_over_the_limit_is_closed_and_counted_and_the_next_is_welcome() {
    let config = Config { connections_max: 3, ..Config::default() };
    let server = Server::start(config, 1);
    let mut peers: Vec<Peer> = (1..=3).map(|user| Peer::login(&server, user, "")).collect();
    let mut extra = Peer::connect(&server);
    let mut byte = [0];
    assert!(matches!(extra.stream.read(&mut byte), Ok(0) | Err(_)));
    assert_eq!(server.metrics.closes.connection_limit.get(), 1);
    peers.pop();
    wait_for(|| server.gateway.connections(), |count| *count == 2);
    peers.push(Peer::login(&server, 4, ""));
    server.stop(Duration::from_secs(10));
}

#[test]
fn a_large_backlog_is_read_by_a_client_that_reads_late() {
    let server = Server::start(Config::default(), 1);
    let text = "x".repeat(10_000);
    for _ in 0..2_000 {
        server.backend.deliver(42, &text);
    }
    let mut peer = Peer::login(&server, 42, "phone");
    for expected in 1..=2_000 {
        let push = peer.next_of(9);
        assert_eq!(push.header.seq, expected);
        peer.send(10, 0, push.header.seq, &[]);
    }
    server.stop(Duration::from_secs(10));
}
