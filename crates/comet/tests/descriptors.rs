//! No descriptors left: the listener neither spins nor dies, clients there are stay served, and new ones are welcome
//! again once there is room. Runs itself in a child process, whose limit it lowers.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

use common::server::wait_for;
use common::{Server, client, frame};
use halley_comet::Config;

const CHILD: &str = "HALLEY_TEST_WITHOUT_DESCRIPTORS";

#[test]
fn without_descriptors_accepting_pauses_and_recovers() {
    if std::env::var_os(CHILD).is_some() {
        return without_descriptors();
    }
    // The shell lowers the limit: nothing in the workspace does.
    let program = std::env::current_exe().expect("known");
    let output = Command::new("sh")
        .arg("-c")
        .arg("ulimit -n 64 && exec \"$0\" --exact without_descriptors_accepting_pauses_and_recovers --nocapture")
        .arg(program)
        .env(CHILD, "1")
        .output()
        .expect("starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", String::from_utf8_lossy(&output.stdout));
}

fn without_descriptors() {
    let server = Server::start(Config { connections_max: 1_000, ..Config::default() }, 1);
    let mut served = TcpStream::connect(server.tcp).expect("connects");
    served.set_read_timeout(Some(Duration::from_secs(20))).expect("is a socket");
    served.write_all(&frame(1, 1, 0, &client::auth_body("1", ""))).expect("writes");
    served.read_exact(&mut [0; 20]).expect("reads");
    let mut clients = Vec::new();
    // One more connection than there are descriptors for its other end.
    let mut hoard: Vec<OwnedFd> = Vec::new();
    while let Ok(spare) = halley_sys::spare_descriptor() {
        hoard.push(spare);
    }
    for _ in 0..3 {
        hoard.pop();
        clients.push(TcpStream::connect(server.tcp).expect("connects"));
        wait_for(|| server.metrics.accept_errors.get(), |errors| *errors as usize >= clients.len());
    }
    let (errors, began, cpu) = (server.metrics.accept_errors.get(), Instant::now(), halley_sys::usage().cpu);
    // Who is there is served meanwhile; ten round trips are some time.
    while began.elapsed() < Duration::from_millis(300) {
        served.write_all(&frame(3, 1, 0, &[])).expect("writes");
        served.read_exact(&mut [0; 24]).expect("reads");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let spent = halley_sys::usage().cpu - cpu;
    assert!(spent < Duration::from_millis(150), "spins: {spent:?} of {:?}", began.elapsed());
    assert!(server.metrics.accept_errors.get() <= errors + 10, "one attempt a pause");
    // The spare descriptor was spent on telling clients: each is closed rather than left waiting.
    for client in &mut clients {
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("is a socket");
        assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
    }
    hoard.clear();
    clients.clear();
    let mut next = TcpStream::connect(server.tcp).expect("connects");
    next.set_read_timeout(Some(Duration::from_secs(20))).expect("is a socket");
    next.write_all(&frame(1, 1, 0, &client::auth_body("2", ""))).expect("writes");
    next.read_exact(&mut [0; 20]).expect("is welcome again");
    server.stop(Duration::from_secs(10));
}
