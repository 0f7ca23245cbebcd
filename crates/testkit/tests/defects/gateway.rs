//! Gateway and wire: D1 to D11.

use std::time::Duration;

use halley_testkit::raw::{Came, Raw, auth};
use halley_wire::txchat::Op;
use serde_json::Value;

use crate::support::{SOON, World, header, say};

#[test]
fn d01_a_length_beyond_its_message_crashes_nothing_and_discloses_nothing() {
    let mut world = World::start();
    let mut bob = world.login("2");
    let claims = header(16_404, Op::SYNC_MSG_REQ);
    let whole = [&[0x82, 20][..], &claims].concat();
    let pieces = [&[0x02, 10][..], &claims[..10], &[0x80, 10], &claims[10..]].concat();
    for bytes in [whole, pieces] {
        let strangers = (0..20).map(|_| Raw::connect_web(world.web()));
        let users = (0..20).map(|_| world.login_web("1"));
        for mut raw in strangers.chain(users).collect::<Vec<_>>() {
            // Tokens and messages of others pass through the same buffers meanwhile.
            assert!(say(&mut bob, false, "2", "").is_ok());
            raw.send_bytes(&bytes);
            assert_eq!(raw.next(SOON), Came::Closed, "nothing is given back");
            assert_eq!(raw.close_code(), Some(1_002));
        }
    }
    for length in [-1, 0, 19, 16_405, i32::MAX, i32::MIN] {
        let mut raw = world.login("1");
        raw.send_bytes(&header(length, Op::SYNC_MSG_REQ));
        assert_eq!(raw.next(SOON), Came::Closed, "{length}");
    }
    assert!(say(&mut bob, false, "2", "").is_ok());
    world.is_well();
}

#[test]
fn d02_what_clients_may_not_send_is_neither_echoed_nor_taken_for_an_event() {
    let world = World::start();
    let ignored = world.metric("halley_drops_total{reason=\"frame_op_ignored\"}");
    for (mut raw, text) in [(world.login("1"), "one"), (world.login_web("4"), "two")] {
        let ops = [0, 2, 4, 6, 8, 9, 11, 12, 13, 15, 16, 17, 999, -1, i32::MIN];
        for op in ops {
            raw.send(Op(op), 7, b"echo me");
        }
        raw.send(Op::AUTH, 0, &auth("demo", "2", Some("another phone")));
        let beat = raw.send(Op::HEARTBEAT, 0, &[]);
        let Came::Frame(reply) = raw.next(SOON) else { panic!("the connection lives") };
        assert_eq!(
            (reply.header.op, reply.header.seq),
            (Op::HEARTBEAT_REPLY, beat),
            "nothing else is answered"
        );
        assert!(say(&mut raw, false, "3", text).is_ok());
        assert_eq!(world.sessions("2"), 0, "nobody becomes somebody else");
        raw.send(Op::DISCONNECT, 0, &[]);
        while raw.next(SOON) != Came::Closed {}
    }
    assert_eq!(world.metric("halley_drops_total{reason=\"frame_op_ignored\"}") - ignored, 32.0);
    assert_eq!(world.timeline("2"), Vec::<String>::new());
    assert_eq!(world.timeline("3"), ["one", "two"], "nothing but the messages is kept");
    let page = world.admin.call("GET", "/v1/apps/demo/timelines/user/3?after=0", &Value::Null);
    assert_eq!(page["entries"][0]["message"]["from"], "1", "{page}");
    let mut alice = world.login("1");
    assert_eq!(alice.next(Duration::from_millis(100)), Came::Nothing);
}
