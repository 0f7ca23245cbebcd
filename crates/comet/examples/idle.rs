//! What an idle connection costs: connects many clients (from a child process), each of which authenticates, sends a
//! message to itself, receives and acknowledges it; then reads the resident memory of this process. The in-memory
//! server behind the gateway is part of it, with a record of every message and an entry for every session.
//!
//! `cargo run --release -p halley-comet --example idle [connections] [tls]` (default 10,000, without TLS).
#![allow(clippy::print_stdout, unreachable_pub, missing_docs, reason = "prints a figure")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::server::wait_for;
use common::{Identity, Server, client, frame};
use halley_comet::Config;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    halley_sys::raise_descriptor_limit().expect("may raise the limit");
    if let [_, role, address, count, der] = &arguments[..]
        && role == "clients"
    {
        let address = address.parse().expect("an address");
        return clients(address, count.parse().expect("a number"), &common::hex(der));
    }
    let count: usize = arguments.get(1).map_or(10_000, |count| count.parse().expect("a number"));
    let config = Config::default();
    let server = Server::start(config, 2);
    let (address, der) = match arguments.get(2) {
        None => (server.tcp, String::new()),
        Some(_) => {
            let identity = Identity::new();
            server.gateway.set_tls(identity.server());
            (server.tls, identity.der.iter().map(|byte| format!("{byte:02x}")).collect())
        }
    };
    // One connection first, so that what is paid once is not counted.
    let warm = run_clients(address, 1, &der);
    wait_for(|| server.gateway.connections(), |connections| *connections == 1);
    let before = halley_sys::usage().rss_bytes;
    let mut child = run_clients(address, count, &der);
    wait_for(|| server.metrics.push_acks.get(), |acks| *acks as usize == count + 1);
    wait_for(|| server.gateway.connections(), |connections| *connections == count + 1);
    let after = halley_sys::usage().rss_bytes;
    let growth = (after - before) as f64 / count as f64 / 1024.0;
    println!("{count} connections, {before} -> {after} bytes resident: {growth:.2} KB each");
    child.stdin.take();
    child.wait().expect("ends");
    drop(warm);
    let report = server.stop(Duration::from_secs(20));
    println!("drained: {report:?}");
    std::process::exit(0);
}

fn run_clients(address: SocketAddr, count: usize, der: &str) -> std::process::Child {
    let program = std::env::current_exe().expect("known");
    let mut child = Command::new(program)
        .args(["clients", &address.to_string(), &count.to_string(), der])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut line = [0; 1];
    child.stdout.as_mut().expect("is piped").read_exact(&mut line).expect("says that all are there");
    child
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn clients(address: SocketAddr, count: usize, der: &[u8]) {
    let config = (!der.is_empty()).then(|| Identity::client_of_der(der));
    let mut streams = Vec::with_capacity(count);
    for index in 0..count {
        let user = (count * 10 + index).to_string();
        let stream = TcpStream::connect(address).expect("connects");
        stream.set_nodelay(true).expect("is a socket");
        let mut stream: Box<dyn Stream> = match &config {
            None => Box::new(stream),
            Some(config) => {
                let tls = common::tls::connection(Arc::clone(config));
                Box::new(rustls::StreamOwned::new(tls, stream))
            }
        };
        let mut bytes = frame(1, 1, 0, &client::auth_body(&user, &format!("device-of-{user}")));
        bytes.extend(frame(7, 2, 0, &client::send_body(&user, "c", "hello")));
        stream.write_all(&bytes).expect("writes");
        // AuthReply, SendMsgReply and the push, in this order or with the last two swapped.
        for _ in 0..3 {
            let mut length = [0; 4];
            stream.read_exact(&mut length).expect("reads");
            let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
            stream.read_exact(&mut rest).expect("reads");
        }
        stream.write_all(&frame(10, 3, 1, &[])).expect("writes");
        streams.push(stream);
    }
    print!("ok");
    std::io::stdout().flush().expect("writes");
    // Until the parent closes the pipe.
    let _ = std::io::stdin().read(&mut [0; 1]);
}
