//! Clients that mean harm, and an environment that fails. After each, a well-behaved pair still talks, nothing that was
//! acknowledged is missing, and the process lives (or ended as designed, with a clear error).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw, auth, text_of};
use halley_testkit::rng::Rng;
use halley_testkit::scratch::Scratch;
use halley_wire::txchat::{Ack, Op};
use serde_json::{Value, json};

fn start_with(data: &Path, options: &Options) -> (Server, Admin, SocketAddr) {
    let server = Server::start(data, options);
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let address = server.address("txchat_tcp");
    (server, admin, address)
}

fn set(lines: &[&str]) -> Options {
    Options { set: lines.iter().map(|line| (*line).to_owned()).collect(), ..Options::default() }
}

/// A pair that talks; panics when it does not get through.
struct Witness {
    alice: Raw,
    bob: Raw,
    said: u32,
}

impl Witness {
    fn new(address: SocketAddr) -> Self {
        let login = |user: &str| Raw::login(address, "demo", user, Some("w"));
        Self { alice: login("witness-a"), bob: login("witness-b"), said: 0 }
    }

    fn talks(&mut self) {
        self.said += 1;
        let text = self.said.to_string();
        self.alice.say(false, "witness-b", &text, &text);
        assert_eq!(self.alice.answer().1.code, 0);
        assert_eq!(self.bob.text().text, text);
    }
}

#[test]
fn garbage_of_every_kind_closes_its_own_connection_only() {
    let scratch = Scratch::new();
    let (mut server, _admin, address) = start_with(&scratch.path().join("data"), &Options::default());
    let ws = server.address("txchat_ws");
    let mut witness = Witness::new(address);
    let seed = Rng::seed();
    let mut rng = Rng::new(seed);
    for round in 0..200 {
        let target = if rng.below(2) == 0 { address } else { ws };
        let mut raw =
            if rng.below(3) == 0 { Raw::login(address, "demo", "666", None) } else { Raw::connect(target) };
        let length = rng.below(600);
        let mut bytes: Vec<u8> = (0..length).map(|_| rng.bits() as u8).collect();
        match rng.below(4) {
            // A header that lies about its length.
            0 => bytes.splice(0..0, (rng.bits() as u32).to_be_bytes()).for_each(drop),
            // The right header, the wrong body.
            1 => {
                let mut frame = ((20 + bytes.len()) as u32).to_be_bytes().to_vec();
                frame.extend([0, 20, 0, 1, 0, 0, 0, rng.below(17) as u8, 0, 0, 0, 1, 0, 0, 0, 1]);
                bytes.splice(0..0, frame).for_each(drop);
            }
            2 => bytes.splice(0..0, *b"GET /sub HTTP/1.1\r\nUpgrade: websocket\r\n").for_each(drop),
            _ => {}
        }
        raw.send_bytes(&bytes);
        if round % 20 == 0 {
            witness.talks();
        }
    }
    assert!(server.is_running(), "seed {seed}");
    assert!(!server.log().contains("panic"), "seed {seed}: {}", server.log());
    witness.talks();
}

#[test]
fn a_slow_or_silent_client_is_closed_at_the_handshake_timeout() {
    let scratch = Scratch::new();
    let options = set(&["txchat.handshake_timeout=500ms"]);
    let (_server, _admin, address) = start_with(&scratch.path().join("data"), &options);
    let mut witness = Witness::new(address);
    let began = Instant::now();
    let mut silent = Raw::connect(address);
    let mut dripping = Raw::connect(address);
    let login = auth("demo", "1", None);
    let mut frame = ((20 + login.len()) as u32).to_be_bytes().to_vec();
    frame.extend([0, 20, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
    for byte in frame.iter().take(5) {
        dripping.send_bytes(&[*byte]);
        witness.talks();
    }
    assert_eq!(silent.next(Duration::from_secs(20)), Came::Closed);
    assert_eq!(dripping.next(Duration::from_secs(20)), Came::Closed);
    assert!(began.elapsed() >= Duration::from_millis(450), "not before its time");
    witness.talks();
}

#[test]
fn a_reader_that_stopped_reading_gets_all_five_thousand_once_it_reads() {
    const MESSAGES: usize = 5_000;
    let scratch = Scratch::new();
    let (server, _admin, address) = start_with(&scratch.path().join("data"), &Options::default());
    let mut witness = Witness::new(address);
    let mut reader = Raw::login(address, "demo", "2", Some("r"));
    let mut alice = Raw::login(address, "demo", "1", None);
    let text = "x".repeat(1_000);
    let mut acked = 0;
    for count in 0..MESSAGES {
        alice.say(false, "2", &format!("m-{count}"), &text);
        while count - acked > 200 {
            assert_eq!(alice.answer().1.code, 0);
            acked += 1;
        }
    }
    while acked < MESSAGES {
        assert_eq!(alice.answer().1.code, 0);
        acked += 1;
    }
    witness.talks();
    for count in 0..MESSAGES {
        assert_eq!(reader.text().client_id, format!("m-{count}"));
    }
    assert!(server.stop().success());
}

#[test]
fn two_hundred_logins_of_one_user_all_hear_everything() {
    let scratch = Scratch::new();
    let (_server, admin, address) =
        start_with(&scratch.path().join("data"), &set(&["limits.sessions_per_user=0"]));
    let mut devices: Vec<Raw> = (0..200).map(|_| Raw::login(address, "demo", "2", None)).collect();
    let mut alice = Raw::login(address, "demo", "1", None);
    for count in 0..10 {
        alice.say(false, "2", &format!("m-{count}"), "x");
    }
    for device in &mut devices {
        for count in 0..10 {
            assert_eq!(device.text().client_id, format!("m-{count}"));
        }
    }
    let sessions = admin.call("GET", "/v1/apps/demo/users/2/sessions", &Value::Null);
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(200), "{sessions}");
    let _kicked = admin.call("DELETE", "/v1/apps/demo/users/2/sessions", &Value::Null);
    for device in &mut devices {
        loop {
            match device.next(Duration::from_secs(20)) {
                Came::Closed => break,
                Came::Frame(_) => {}
                Came::Nothing => panic!("a kicked device is closed"),
            }
        }
    }
}

#[test]
fn a_push_without_an_answer_is_sent_again_as_it_was() {
    let scratch = Scratch::new();
    let options = set(&["txchat.retransmit_timeout=200ms"]);
    let (_server, _admin, address) = start_with(&scratch.path().join("data"), &options);
    let mut bob = Raw::login(address, "demo", "2", Some("b"));
    let mut alice = Raw::login(address, "demo", "1", None);
    alice.say(false, "2", "m", "x");
    let first = bob.until(Op::RECEIVE_MSG, |_| {});
    let again = bob.until(Op::RECEIVE_MSG, |_| {});
    assert_eq!(first, again);
    bob.receipt(first.header.seq);
    assert_eq!(text_of(&again).client_id, "m");
}

#[test]
fn a_full_disk_refuses_messages_with_an_answer_and_recovers() {
    let scratch = Scratch::new();
    // The twentieth write meets ENOSPC once; what it held is tried again.
    let options = set(&["debug.failpoint=write:20:enospc"]);
    let data = scratch.path().join("data");
    let (server, _admin, address) = start_with(&data, &options);
    let mut witness = Witness::new(address);
    for _ in 0..30 {
        witness.talks();
    }
    assert!(server.stop().success());
}

#[test]
fn a_failed_sync_ends_the_server_with_status_1_and_nothing_acknowledged_is_lost() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (mut server, _admin, address) = start_with(&data, &set(&["debug.failpoint=sync:12:eio"]));
    let mut alice = Raw::login(address, "demo", "1", None);
    let (mut said, mut acked) = (HashMap::new(), Vec::new());
    for count in 0.. {
        assert!(count < 10_000, "the failpoint was never met");
        let client_id = format!("m-{count}");
        said.insert(alice.say(false, "2", &client_id, "x"), client_id);
        match alice.next(Duration::from_secs(20)) {
            Came::Frame(frame) if frame.header.op == Op::SEND_MSG_REPLY => {
                // Once the journal is lost, sends are refused until the process ends.
                if Ack::parse(&frame.body).expect("an acknowledgement").code == 0 {
                    acked.extend(said.remove(&frame.header.ack));
                }
            }
            Came::Frame(_) => {}
            Came::Closed | Came::Nothing => break,
        }
    }
    assert_eq!(server.wait_end(Duration::from_secs(20)).code(), Some(1));
    assert!(server.log().contains("the journal failed"), "{}", server.log());
    let (_server, admin, _address) = start_with(&data, &Options::default());
    let page = admin.call("GET", "/v1/apps/demo/timelines/user/2?after=0&limit=500", &Value::Null);
    let listed: Vec<&str> = page["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|entry| entry["message"]["client_id"].as_str())
        .collect();
    assert!(acked.iter().all(|client_id| listed.contains(&client_id.as_str())), "{acked:?} in {listed:?}");
}

#[test]
fn without_descriptors_new_clients_are_turned_away_and_old_ones_talk_on() {
    let scratch = Scratch::new();
    let options = Options { descriptors_max: Some(128), ..Options::default() };
    let (mut server, _admin, address) = start_with(&scratch.path().join("data"), &options);
    let mut witness = Witness::new(address);
    let crowd: Vec<Raw> = (0..200).map(|_| Raw::connect(address)).collect();
    witness.talks();
    drop(crowd);
    witness.talks();
    let mut late = Raw::login(address, "demo", "3", None);
    late.say(false, "3", "m", "to myself");
    assert_eq!(late.answer().1.code, 0);
    assert!(server.is_running());
}

#[test]
fn a_data_directory_of_a_newer_version_is_refused_with_a_clear_message() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, _admin, _address) = start_with(&data, &Options::default());
    assert!(server.stop().success());
    std::fs::write(data.join("VERSION"), "999\n").expect("written");
    let (status, log) = Server::try_start(&data, &Options::default()).expect_err("refused");
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("newer") && log.contains("999"), "{log}");
}
