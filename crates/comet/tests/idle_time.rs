//! A gateway with nothing to do sleeps. Alone in its file, because it measures the process.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Server, client, frame};
use halley_comet::Config;

#[test]
fn idle_sessions_cost_no_processor_time() {
    let server = Server::start(Config::default(), 2);
    let streams: Vec<TcpStream> = (1..=50)
        .map(|user| {
            let mut stream = TcpStream::connect(server.tcp).expect("connects");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("is a socket");
            stream
                .write_all(&frame(1, 1, 0, &client::auth_body(&user.to_string(), "phone")))
                .expect("writes");
            stream.read_exact(&mut [0; 20]).expect("reads");
            stream
        })
        .collect();
    let (cpu, began) = (halley_sys::usage().cpu, Instant::now());
    while began.elapsed() < Duration::from_millis(500) {
        std::thread::park_timeout(Duration::from_millis(500));
    }
    let spent = halley_sys::usage().cpu - cpu;
    assert!(spent < Duration::from_millis(25), "{spent:?} in {:?}", began.elapsed());
    drop(streams);
    server.stop(Duration::from_secs(10));
}
