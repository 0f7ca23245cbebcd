//! Pushes to users, by their ids.

use halley_wire::txchat::{Common, Op, Signal};
use tonic::Code;

use crate::support::{World, envelope, message, proto, pushed, said, silent};

/// `source`, `reference` and a field that nobody knows.
const ONLY_TXCHAT: &[u8] = &[0x4a, 0x02, 0x08, 0x01, 0x52, 0x02, 0x08, 0x07, 0xa0, 0x06, 0x07];

#[test]
fn a_complete_message_arrives_byte_for_byte_online_and_later() {
    let mut world = World::new();
    let mut bob = world.login("bob");
    // An id and a time of a day long ago: 2020-06-01, milliseconds since 2020-01-01 in the upper bits.
    let common = Common {
        mid: 13_132_800_000 << 22 | 9,
        seq: "11111111-2222-3333-4444-555555555555",
        from: "alice",
        target: "bob",
        msg_type: 99,
        msg: &[0, 0xff, 0x80],
        datetime: 1_590_940_800_000,
        unknown: ONLY_TXCHAT.into(),
        ..Common::default()
    };
    let body = envelope(&common);
    let reply = world
        .push_by_mids(&["bob", "carol", "bob"], &proto(Op::RECEIVE_MSG, body.clone()))
        .expect("is taken");
    assert!(reply.is_ok && reply.msg.is_empty(), "an empty index: the numbers of its pushes are not known");
    let frame = pushed(&mut bob);
    assert_eq!(&frame.body[..], &body[..]);
    assert_eq!((frame.header.ver, frame.header.op, frame.header.ack), (1, Op::RECEIVE_MSG, 0));
    silent(&mut bob);
    let mut carol = world.login("carol");
    assert_eq!(&pushed(&mut carol).body[..], &body[..], "she was never here before");
    world.crash();
    let entries =
        world.admin.call("GET", "/v1/apps/demo/timelines/user/carol?after=0", &serde_json::Value::Null);
    assert_eq!(entries["entries"].as_array().map(Vec::len), Some(1), "it survives a crash: {entries}");
}

#[test]
fn what_is_missing_is_given_by_the_server() {
    let mut world = World::new();
    let mut bob = world.login("2");
    world.push_by_mids(&["2"], &message(false, "", "2", "hello")).expect("is taken");
    let frame = pushed(&mut bob);
    let common = Common::parse(&frame.body).expect("a message");
    assert!(common.mid > 0 && common.datetime > 1_700_000_000_000, "{common:?}");
    assert_eq!((common.from, common.target, common.seq), ("", "2", "hello"));
}

#[test]
fn a_signal_arrives_and_keeps_its_id() {
    let mut world = World::new();
    let mut bob = world.login("2");
    for sid in [0, 77] {
        let mut body = Vec::new();
        Signal { kind: 13, body: b"\x08\x05", sid, reliable: true }.put(&mut body);
        world.push_by_mids(&["2"], &proto(Op::RECEIVE_MSG, body.clone())).expect("is taken");
        let frame = pushed(&mut bob);
        let signal = Signal::parse(&frame.body).expect("a signal");
        assert_eq!((signal.kind, signal.body, signal.reliable), (13, &b"\x08\x05"[..], true));
        if sid == 0 {
            assert!(signal.sid > 77, "it got one");
        } else {
            assert_eq!(&frame.body[..], &body[..]);
        }
    }
}

#[test]
fn pushes_to_users_keep_their_order_and_a_repetition_with_its_id_is_the_same_message() {
    let mut world = World::new();
    for count in 0..30 {
        world.push_by_mids(&["2"], &message(false, "shop", "2", &format!("m{count}"))).expect("is taken");
    }
    let mut bob = world.login("2");
    for count in 0..30 {
        assert_eq!(said(&mut bob), ("shop".to_owned(), format!("m{count}")));
    }
}

#[test]
fn an_id_of_the_future_is_refused() {
    let mut world = World::new();
    for mid in [i64::MAX, -1] {
        let common = Common { mid, from: "1", target: "2", msg_type: 1, msg: b"x", ..Common::default() };
        let status =
            world.push_by_mids(&["2"], &proto(Op::RECEIVE_MSG, envelope(&common))).expect_err("is refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
    let mut bob = world.login("2");
    silent(&mut bob);
}
