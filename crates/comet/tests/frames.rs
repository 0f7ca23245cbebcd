//! What each frame of a session does, byte for byte as the original's transcripts show it, on both transports.

mod common;

use std::time::Duration;

use common::{World, client, frame, hex};
use halley_core::command::{Refusal, SendOutcome, Target};
use halley_core::ids::{GroupId, MsgId, UserId};
use halley_core::ports::gateways::Gateways;

#[test]
fn a_heartbeat_is_answered_with_four_zero_bytes() {
    let mut world = World::new();
    let client = world.login(42, "");
    client.end.write(&hex("00000014 0014 0001 00000003 00000008 00000003"));
    world.settle();
    assert_eq!(client.end.read(), hex("00000018 0014 0001 00000004 00000008 00000003 00000000"));
}

#[test]
fn a_sync_request_is_answered_with_its_body() {
    let mut world = World::new();
    let client = world.login(42, "");
    client.end.write(&hex("00000016 0014 0001 0000000e 0000001f 00000006 0805"));
    world.settle();
    assert_eq!(client.end.read(), hex("00000016 0014 0001 0000000f 0000001f 00000006 0805"));
}

#[test]
fn three_hundred_pipelined_requests_get_three_hundred_answers_in_one_write() {
    let mut world = World::new();
    let mut client = world.login(42, "");
    let requests: Vec<u8> = (0..300).flat_map(|seq: i32| frame(14, seq, 0, &seq.to_be_bytes())).collect();
    client.end.write(&requests);
    world.sim.turn();
    let answers = client.frames();
    assert_eq!(answers.len(), 300, "in one turn (D3, D5)");
    for (seq, answer) in (0i32..).zip(&answers) {
        assert_eq!((answer.header.seq, &answer.body[..]), (seq, &seq.to_be_bytes()[..]));
    }
}

#[test]
fn a_private_message_is_translated_and_its_outcome_answers_the_clients_sequence() {
    let mut world = World::new();
    let client = world.login(7, "phone");
    // The transcript's message: header seq 21, ack 55 is ignored.
    client.end.write(&hex(
        "0000004a 0014 0001 00000007 00000015 00000037 12341a03632d312a2231397555547464427068384d536f58\
         6f37746e6763446e5a71355470564e7841426730013a070a0568656c6c6f",
    ));
    world.sim.settle();
    let command = world.backend.lock().inbound.pop_front().expect("was sent");
    assert_eq!(command.from, UserId(7));
    let target = "19uUTtdBph8MSoXo7tngcDnZq5TpVNxABg";
    assert_eq!(command.target, Target::UserNamed(target.into()));
    assert_eq!(&command.client_id[..], b"c-1");
    assert_eq!(&command.device[..], b"id:phone");
    assert_eq!((command.content.kind, &command.content.bytes[..]), (1, &b"\x0a\x05hello"[..]));
    let accepted = SendOutcome::Accepted { id: MsgId(857_195_401_508_294_656), time_ms: 1_795_312_109_640 };
    assert!(world.sim.gateway().reply(command.reply_to, accepted));
    world.settle();
    assert_eq!(
        client.end.read(),
        hex("00000029 0014 0001 00000008 00000015 00000015 080112111080a08090d1d5d7f20b40c890c387a034")
    );
}

#[test]
fn a_refusal_is_answered_with_mid_zero_and_its_code() {
    let mut world = World::new();
    let mut client = world.login(7, "");
    client.message(3, 8, "hi");
    world.sim.settle();
    let command = world.backend.lock().inbound.pop_front().expect("was sent");
    world.sim.gateway().reply(command.reply_to, SendOutcome::Refused(Refusal::NotMember));
    world.settle();
    let frames = client.frames();
    let ack = halley_wire::txchat::Ack::parse(&frames[0].body).expect("is an ack");
    assert_eq!((frames[0].header.ack, ack.mid, ack.code), (3, 0, 6));
}

#[test]
fn a_malformed_message_is_refused_and_the_connection_stays() {
    let mut world = World::new();
    let mut client = world.login(7, "");
    for (seq, body) in [(1, &b"\xff\xff\xff"[..]), (2, b"\x08\x02\x12\x00"), (3, b"\x12\x02\x08\x09")] {
        client.send(7, seq, 0, body);
    }
    world.settle();
    let frames = client.frames();
    assert_eq!(frames.len(), 3);
    for (seq, frame) in (1..).zip(&frames) {
        let ack = halley_wire::txchat::Ack::parse(&frame.body).expect("is an ack");
        assert_eq!((frame.header.seq, ack.mid, ack.code), (seq, 0, 2));
    }
    assert_eq!(world.metrics.refusals.malformed.get(), 3);
    assert!(world.backend.lock().inbound.is_empty());
}

#[test]
fn a_group_target_that_no_group_can_have_is_told_apart() {
    let mut world = World::new();
    let client = world.login(7, "");
    for (seq, target) in [(1, "abc"), (2, "12")] {
        let mut body = Vec::new();
        let common =
            halley_wire::txchat::Common { channel_type: 1, target, ..halley_wire::txchat::Common::default() };
        common.put(&mut body);
        client.send(7, seq, 0, &body);
    }
    world.sim.settle();
    let targets: Vec<Target> =
        world.backend.lock().inbound.iter().map(|command| command.target.clone()).collect();
    assert_eq!(targets, [Target::NoGroup, Target::Group(GroupId(12))]);
}

#[test]
fn other_operations_are_ignored_and_counted_and_never_echoed() {
    let mut world = World::new();
    let mut client = world.login(7, "");
    for op in [0, 1, 2, 4, 6, 8, 9, 11, 12, 13, 15, 16, 17, 1_000_000, -1] {
        client.send(op, 1, 1, b"body");
    }
    world.settle();
    assert_eq!(client.frames(), []);
    assert_eq!(world.metrics.drops.frame_op_ignored.get(), 15);
    assert!(world.backend.lock().inbound.is_empty());
    client.send(5, 1, 1, b"");
    world.settle();
    assert!(client.end.is_closed(), "Disconnect");
}

#[test]
fn any_frame_keeps_a_session_and_silence_ends_it() {
    let mut world = World::new();
    let client = world.login(7, "");
    for op in [3, 14, 10, 99] {
        world.pass(Duration::from_secs(479));
        assert!(!client.end.is_closed());
        client.send(op, 1, 1, b"");
    }
    world.pass(Duration::from_millis(480_000 - 1));
    assert!(!client.end.is_closed());
    world.pass(Duration::from_millis(1));
    assert!(client.end.is_closed(), "8 min after the last frame");
    assert_eq!(world.metrics.closes.idle_timeout.get(), 1);
    assert_eq!(world.backend.lock().offline.len(), 1);
}

#[test]
fn answers_to_a_connection_that_has_gone_are_counted() {
    let mut world = World::new();
    let client = world.login(7, "");
    client.message(1, 8, "hi");
    world.sim.settle();
    client.end.cut();
    world.sim.settle();
    let command = world.backend.lock().inbound.pop_front().expect("was sent");
    let next = world.login(9, "");
    world.sim.gateway().reply(command.reply_to, SendOutcome::Refused(Refusal::Muted));
    world.settle();
    assert_eq!(world.metrics.drops.reply_without_connection.get(), 1);
    assert_eq!(next.end.read(), b"", "the slot's next tenant is not told");
}

#[test]
fn a_kicked_connection_that_still_has_bytes_to_write_is_shown_nothing_more() {
    let mut world = World::new();
    let client = world.login(42, "phone");
    client.end.set_room(0);
    world.backend.deliver(42, "before");
    world.settle();
    let addr = world.backend.lock().online[0].addr;
    assert!(world.sim.gateway().kick(addr, halley_core::session::KickReason::Operator));
    world.settle();
    world.backend.deliver(42, "after");
    let transient =
        halley_core::ports::gateways::Transient::TxchatPush(bytes::Bytes::from_static(b"after too"));
    let _told = world.sim.gateway().push(addr, transient);
    world.settle();
    assert!(!client.end.is_closed(), "what was said before is still to be written");
    client.end.set_room(1 << 20);
    world.settle();
    let bytes = client.end.read();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(has(b"before") && !has(b"after"));
    assert!(client.end.is_closed());
}

#[test]
fn a_kicked_connection_is_closed_and_others_stay() {
    let mut world = World::new();
    let (first, second) = (world.login(7, ""), world.login(7, ""));
    let addr = world.backend.lock().online[0].addr;
    let reason = halley_core::session::KickReason::Operator;
    assert!(world.sim.gateway().kick(addr, reason));
    world.settle();
    assert!(first.end.is_closed());
    assert!(!second.end.is_closed());
    assert_eq!(world.metrics.closes.kicked.get(), 1);
    world.sim.gateway().kick(addr, reason);
    world.settle();
    assert_eq!(world.metrics.closes.kicked.get(), 1);
}

#[test]
fn a_client_that_ends_its_side_is_answered_and_closed() {
    let mut world = World::new();
    let mut client = world.login(7, "");
    client.send(3, 1, 0, b"");
    client.end.end();
    world.settle();
    assert_eq!(client.frames().len(), 1);
    assert!(client.end.is_closed());
}

#[test]
fn a_web_socket_carries_one_frame_a_message_both_ways() {
    let mut world = World::new();
    let mut client = world.web_socket();
    client.auth(42, "web");
    client.send(3, 8, 3, &[]);
    world.settle();
    let ops: Vec<i32> = client.frames().iter().map(|frame| frame.header.op.0).collect();
    assert_eq!(ops, [2, 4]);
    // Fragmented, text, not masked: all the same (ruling 11).
    let bytes = frame(14, 5, 6, b"body");
    client.end.write(&[0x01, 10]);
    client.end.write(&bytes[..10]);
    client.end.write(&[0x80, 14]);
    client.end.write(&bytes[10..]);
    world.settle();
    assert_eq!(client.frames()[0].body, "body");
}

#[test]
fn a_ping_is_answered_at_once_and_a_close_is_answered_and_closed() {
    let mut world = World::new();
    let mut client = world.web_socket();
    client.end.write(&client::masked(9, b"are you there"));
    world.settle();
    assert_eq!(client.frames(), []);
    assert_eq!(client.controls, [(10, b"are you there".to_vec())]);
    client.end.write(&client::masked(8, &1000u16.to_be_bytes()));
    world.settle();
    assert_eq!(client.frames(), []);
    assert_eq!(client.controls[1], (8, 1000u16.to_be_bytes().to_vec()));
    assert!(client.end.is_closed());
}

#[test]
fn a_wrong_path_is_closed_without_an_answer() {
    let mut world = World::new();
    for request in ["GET /sub/ HTTP/1.1\r\n", "GET /sub?x HTTP/1.1\r\n", "POST /sub HTTP/1.1\r\n"] {
        let end = world
            .sim
            .connect(halley_core::ids::BucketId(0), halley_core::session::Transport::TxchatWebSocket);
        end.write(request.as_bytes());
        world.settle();
        assert!(end.is_closed(), "{request}");
        assert_eq!(end.read(), b"");
    }
    assert_eq!(world.metrics.closes.malformed.get(), 3);
}

#[test]
fn a_lying_length_in_a_web_socket_message_is_closed_and_reveals_nothing() {
    let mut world = World::new();
    let mut client = world.web_socket();
    client.auth(42, "");
    world.settle();
    client.frames();
    let mut lie = frame(14, 1, 1, b"");
    lie[..4].copy_from_slice(&16_404u32.to_be_bytes());
    client.end.write(&client::masked(2, &lie));
    world.settle();
    assert_eq!(client.frames(), [], "D1");
    assert_eq!(client.controls, [(8, 1002u16.to_be_bytes().to_vec())]);
    assert!(client.end.is_closed());
}
