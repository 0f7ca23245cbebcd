//! Method: the client over WebSocket against a kept library as the other end. Failure means `ws://` does not work with others' servers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::net::TcpListener;
use std::time::Duration;

use bytes::BytesMut;
use halley_client::txchat::{Frame, Outcome, SessionConfig, Target, op};
use halley_client::{Client, ClientConfig, ClientEvent};
use tungstenite::Message;

fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

/// Serves one connection: logs in, answers each send with an answer and an echo of its text, pings before each.
fn serve(listener: &TcpListener) {
    let (stream, _) = listener.accept().unwrap();
    let mut socket = tungstenite::accept(stream).unwrap();
    let mut pushes = 0;
    while let Ok(message) = socket.read() {
        let Message::Binary(bytes) = message else { continue };
        let frame = Frame::decode(&mut BytesMut::from(&bytes[..])).unwrap().unwrap();
        match frame.op {
            op::AUTH => {
                socket.send(Message::binary(bytes_of(&Frame::new(op::AUTH_REPLY, frame.seq, 0)))).unwrap();
            }
            op::SEND_MSG => {
                pushes += 1;
                let said = support::sent(&frame.body);
                let push = support::push(pushes, pushes.into(), "bob", "alice", "b", &said.text);
                socket.send(Message::Ping(vec![1, 2, 3].into())).unwrap();
                socket.send(Message::binary(bytes_of(&push))).unwrap();
                socket.send(Message::binary(bytes_of(&support::answer(frame.seq, 5, 6, 0)))).unwrap();
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_long_and_a_short_message_go_out_and_come_back_over_websocket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/sub", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || serve(&listener));
    let config = ClientConfig::new(url.parse().unwrap(), SessionConfig::new("demo", "alice", None));
    let (alice, mut events) = Client::connect(config).await.unwrap();
    for text in ["hi".to_owned(), "x".repeat(10_000)] {
        let receipt = alice.send_text(Target::User("bob".into()), &text).await.unwrap();
        assert_eq!(
            tokio::time::timeout(Duration::from_secs(10), receipt.answer()).await.expect("an answer in time"),
            Ok(Outcome::Acknowledged { message_id: 5, time_ms: 6 })
        );
        let came = loop {
            match tokio::time::timeout(Duration::from_secs(10), events.recv())
                .await
                .expect("an event in time")
            {
                Some(ClientEvent::Message(message)) => break message.text(),
                Some(_) => {}
                None => panic!("the client ended"),
            }
        };
        assert_eq!(came.as_ref(), Some(&text));
    }
    drop(alice);
    // The client's task must run for its end to be seen.
    tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap();
}
