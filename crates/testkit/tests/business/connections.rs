//! Pushes to connections, by their keys.

use halley_grpc::comet::{BroadcastReq, PushMsgReq};
use halley_wire::txchat::{Ack, Op};
use tonic::{Code, Response};

use crate::support::{World, message, proto, pushed, said, silent, strings};

#[test]
fn a_push_is_sent_as_it_is_and_the_reply_says_under_which_number() {
    let mut world = World::new();
    let (mut one, mut two) = (world.login("1"), world.login("2"));
    let (key, other) = (world.key("1"), world.key("2"));
    let push = message(false, "x", "anybody", "as it is");
    let reply = world.push_by_keys(&[&key, "0.0.999", "nonsense"], &push).expect("is sent");
    let frame = pushed(&mut one);
    assert_eq!(&frame.body[..], &push.body[..], "no id, no time: nothing is added");
    assert_eq!(reply.index.len(), 1, "unknown keys are skipped: {reply:?}");
    assert_eq!(reply.index.get(&key), Some(&frame.header.seq));
    silent(&mut two);
    drop(one);
    // Kept for nobody: the next connection does not get it.
    let mut again = world.login("1");
    silent(&mut again);

    let request = PushMsgReq { keys: vec![other.clone()], proto_op: 9, proto: Some(push) };
    let reply =
        world.runtime.block_on(world.comet.push_msg(request)).map(Response::into_inner).expect("is sent");
    assert!(reply.index.contains_key(&other), "{reply:?}");
    assert_eq!(said(&mut two).1, "as it is");
}

#[test]
fn an_answer_to_a_send_arrives_with_its_number() {
    let mut world = World::new();
    let mut one = world.login("1");
    let key = world.key("1");
    let ack = Ack { mid: 7, datetime: 8, code: 0 };
    let reply =
        world.push_by_keys(&[&key], &proto(Op::SEND_MSG_REPLY, ack.encode().to_vec())).expect("is sent");
    assert_eq!(reply.index.get(&key), Some(&5));
    assert_eq!(one.answer(), (5, ack));
}

#[test]
fn a_full_window_is_said_and_who_has_room_gets_it() {
    let mut world = World::with(&["txchat.window=3"]);
    let (mut full, mut free) = (world.login("1"), world.login("2"));
    let (full_key, free_key) = (world.key("1"), world.key("2"));
    // The session acknowledges nothing.
    let mut sent = 0;
    let status = loop {
        match world.push_by_keys(&[&full_key], &message(false, "x", "y", "z")) {
            Ok(reply) => sent += reply.index.len(),
            Err(status) => break status,
        }
        assert!(sent <= 3, "the window is three");
    };
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains(&full_key), "{status:?}");
    let status = world
        .push_by_keys(&[&full_key, &free_key], &message(false, "x", "y", "both"))
        .expect_err("one is full");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let named = |key: &str| status.details().windows(key.len()).any(|part| part == key.as_bytes());
    assert!(named(&free_key), "the details hold the reply for who was sent it");
    assert_eq!(said(&mut free).1, "both");
    for _ in 0..sent {
        pushed(&mut full);
    }
    // A heartbeat behind the acknowledgements: they have been handled when it is answered.
    full.send(Op::HEARTBEAT, 0, &[]);
    full.until(Op::HEARTBEAT_REPLY, |_| {});
    world.push_by_keys(&[&full_key], &message(false, "x", "y", "room again")).expect("there is room");
}

#[test]
fn a_broadcast_reaches_every_connection_of_every_app() {
    let mut world = World::new();
    let _app = world.admin.call("PUT", "/v1/apps/second", &serde_json::json!({ "auth": ["dev"] }));
    let address = world.server().address("txchat_tcp");
    let mut clients = vec![world.login("1"), world.login("2")];
    clients.push(halley_testkit::raw::Raw::login(address, "second", "1", None));
    let request = BroadcastReq { proto_op: 9, proto: Some(message(false, "x", "all", "to all")) };
    world.runtime.block_on(world.comet.broadcast(request)).expect("is sent");
    for client in &mut clients {
        assert_eq!(said(client).1, "to all");
    }
}

#[test]
fn more_keys_than_a_call_takes_are_refused() {
    let mut world = World::new();
    for keys in [vec![], strings(&vec!["0.0.1"; 10_001])] {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let status = world.push_by_keys(&keys, &message(false, "x", "y", "z")).expect_err("is refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
}
