//! What a message costs in the gateway: pairs of clients (in a child process) with messages in flight, everything
//! acknowledged; prints messages a second and processor time of this process each. The server behind the gateway is
//! the in-memory one of the tests: no journal, no fsync, no decision.
//!
//! `cargo run --release -p halley-comet --example pairs [pairs] [in flight] [messages per client]`.
#![allow(clippy::print_stdout, unreachable_pub, missing_docs, reason = "prints a figure")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use common::server::wait_for;
use common::{Server, client, frame};
use halley_comet::Config;
use halley_wire::txchat::{Decoded, decode};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        arguments.get(index).map_or(default, |text| text.parse().expect("a number"))
    };
    if arguments.first().is_some_and(|role| role == "clients") {
        let address = arguments[1].parse().expect("an address");
        return clients(address, number(2, 0), number(3, 0), number(4, 0));
    }
    let (pairs, in_flight, messages) = (number(0, 50), number(1, 8), number(2, 4_000));
    let server = Server::start(Config::default(), 2);
    let (before, began) = (halley_sys::usage().cpu, Instant::now());
    let program = std::env::current_exe().expect("known");
    let mut child = Command::new(program)
        .arg("clients")
        .args([server.tcp.to_string(), pairs.to_string(), in_flight.to_string(), messages.to_string()])
        .spawn()
        .expect("starts");
    assert!(child.wait().expect("ends").success());
    let (took, cpu) = (began.elapsed(), halley_sys::usage().cpu - before);
    let total = (pairs * 2 * messages) as f64;
    wait_for(|| server.gateway.connections(), |connections| *connections == 0);
    println!(
        "{total} messages in {took:.2?}: {:.0}/s, {:.2} us of processor time each, {} pushes, {} resends",
        total / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / total,
        server.metrics.pushes.get(),
        server.metrics.resends.get(),
    );
    server.stop(Duration::from_secs(10));
}

fn clients(address: SocketAddr, pairs: usize, in_flight: usize, messages: usize) {
    let all = (0..pairs * 2).map(|index| {
        // 1 and 2 are a pair, 3 and 4, …
        let (user, other) = (index + 1, (index ^ 1) + 1);
        std::thread::spawn(move || client(address, user, other, in_flight, messages))
    });
    let all: Vec<_> = all.collect();
    for thread in all {
        thread.join().expect("ends well");
    }
}

fn client(address: SocketAddr, user: usize, other: usize, in_flight: usize, messages: usize) {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_nodelay(true).expect("is a socket");
    let body = client::send_body(&other.to_string(), "c", &"x".repeat(100));
    let mut out = frame(1, 1, 0, &client::auth_body(&user.to_string(), "phone"));
    for _ in 0..in_flight {
        out.extend(frame(7, 1, 0, &body));
    }
    stream.write_all(&out).expect("writes");
    let (mut sent, mut acked, mut got) = (in_flight, 0, 0);
    let (mut input, mut chunk) = (Vec::new(), vec![0; 65_536]);
    // One's own messages come back as pushes too.
    while acked < messages || got < 2 * messages {
        let length = stream.read(&mut chunk).expect("reads");
        assert!(length > 0, "closed");
        input.extend_from_slice(&chunk[..length]);
        out.clear();
        let mut at = 0;
        while let Decoded::Complete { frame: came, consumed } = decode(&input[at..]).expect("frames") {
            at += consumed;
            if came.header.op.0 == 8 {
                acked += 1;
                if sent < messages {
                    sent += 1;
                    out.extend(frame(7, 1, 0, &body));
                }
            } else if came.header.op.0 == 9 {
                got += 1;
                out.extend(frame(10, 1, came.header.seq, &[]));
            }
        }
        input.drain(..at);
        stream.write_all(&out).expect("writes");
    }
}
