//! Method: real clients over loopback TCP against a scripted server that loses answers and cuts connections.
//! Failure means: a message was lost, shown twice or out of order, or a caller was not told what became of its send.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use halley_client::txchat::{Login, Outcome, SessionConfig, Target};
use halley_client::{Client, ClientConfig, ClientEvent, ConnectError, Direction, Events, Tap};
use support::fake_server::{FakeServer, Faults};

const DEADLINE: Duration = Duration::from_secs(30);

fn config(server: &FakeServer, user: &str) -> ClientConfig {
    let mut session = SessionConfig::new("demo", user, Some(Login::default()));
    session.resend_after = Some(Duration::from_millis(50));
    let mut config = ClientConfig::new(server.url().parse().unwrap(), session);
    config.retry_first = Duration::from_millis(5);
    config.retry_longest = Duration::from_millis(20);
    config
}

async fn texts(events: &mut Events, from: &str, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let event = tokio::time::timeout(DEADLINE, events.recv()).await;
        match event.unwrap_or_else(|_| panic!("{} of {count} messages came", texts.len())) {
            Some(ClientEvent::Message(message)) if message.from == from => {
                texts.push(message.text().unwrap());
            }
            Some(_) => {}
            None => panic!("the client ended"),
        }
    }
    texts
}

#[tokio::test]
async fn a_thousand_messages_arrive_once_and_in_order_over_lost_answers_and_cut_connections() {
    let server = FakeServer::start(Faults {
        lose_answer_every: 7,
        double_push_every: 5,
        cut_every: 97,
        ..Faults::default()
    });
    let (alice, mut alice_events) = Client::connect(config(&server, "alice")).await.unwrap();
    let (_bob, mut bob_events) = Client::connect(config(&server, "bob")).await.unwrap();
    let sending = tokio::spawn(async move {
        let mut receipts = Vec::new();
        for number in 0..1000 {
            receipts.push(alice.send_text(Target::User("bob".into()), &number.to_string()).await.unwrap());
        }
        for receipt in receipts {
            let outcome =
                tokio::time::timeout(DEADLINE, receipt.answer()).await.expect("an answer in time").unwrap();
            assert!(matches!(outcome, Outcome::Acknowledged { .. }));
        }
    });
    let expected: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let (at_bob, at_alice) =
        tokio::join!(texts(&mut bob_events, "alice", 1000), texts(&mut alice_events, "alice", 1000));
    sending.await.unwrap();
    assert_eq!(server.stored(), 1000);
    assert_eq!(at_bob, expected);
    assert_eq!(at_alice, expected, "the echo to the sender");
}

#[tokio::test]
async fn a_refusal_is_told_to_its_sender_with_the_code() {
    let server = FakeServer::start(Faults::default());
    let (alice, _events) = Client::connect(config(&server, "alice")).await.unwrap();
    let receipt = alice.send_text(Target::User("bob".into()), "refuse this").await.unwrap();
    assert_eq!(receipt.answer().await, Ok(Outcome::Refused { code: 7 }));
}

#[tokio::test]
async fn a_login_that_is_refused_and_a_server_that_is_not_there_are_told_apart() {
    let server = FakeServer::start(Faults { refuse_token: "mallory", ..Faults::default() });
    let refused = Client::connect(config(&server, "mallory")).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, ConnectError::LoginRefused { .. }), "{refused:?}");
    let mut nowhere = config(&server, "alice");
    // Bound and closed: nobody listens there now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    nowhere.endpoint = format!("tcp://{port}").parse().unwrap();
    let unreachable = Client::connect(nowhere).await.map(|_| ()).unwrap_err();
    assert!(matches!(unreachable, ConnectError::Unreachable { .. }), "{unreachable:?}");
}

#[tokio::test]
async fn a_cut_is_told_and_mended_and_the_tap_sees_every_frame() {
    let server = FakeServer::start(Faults::default());
    let seen = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&seen);
    let mut config = config(&server, "alice");
    config.tap = Some(Tap::new(move |direction, frame| {
        assert!(frame.len() >= 20);
        counted[usize::from(direction == Direction::Sent)].fetch_add(1, Ordering::Relaxed);
    }));
    let (_alice, mut events) = Client::connect(config).await.unwrap();
    assert_eq!(events.recv().await, Some(ClientEvent::Connected));
    server.cut_all();
    assert!(matches!(events.recv().await, Some(ClientEvent::Disconnected { .. })));
    assert_eq!(events.recv().await, Some(ClientEvent::Connected));
    let [received, sent] = &*seen;
    assert_eq!(
        (received.load(Ordering::Relaxed), sent.load(Ordering::Relaxed)),
        (2, 2),
        "two logins, two answers"
    );
}

#[tokio::test]
async fn a_caller_that_takes_no_events_still_gets_its_answers() {
    let server = FakeServer::start(Faults::default());
    let mut config = config(&server, "alice");
    config.events_max = 1;
    let (alice, mut events) = Client::connect(config).await.unwrap();
    for number in 0..300 {
        let receipt = alice.send_text(Target::User("alice".into()), &number.to_string()).await.unwrap();
        tokio::time::timeout(DEADLINE, receipt.answer()).await.expect("an answer in time").unwrap();
    }
    let texts = texts(&mut events, "alice", 300).await;
    assert_eq!(texts.last().map(String::as_str), Some("299"));
}
