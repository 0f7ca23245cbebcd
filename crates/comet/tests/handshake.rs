//! From accept to authenticated (spec 1.4), on the simulated driver. A failure means that a client of the original
//! cannot log in, or that one which may not can.

mod common;

use std::time::Duration;

use common::{Client, World, client, frame, hex};

#[test]
fn an_accepted_login_is_answered_with_an_empty_body_that_echoes_the_header() {
    let mut world = World::new();
    let client = world.tcp();
    client.auth(42, "phone");
    world.settle();
    assert_eq!(client.end.read(), hex("00000014 0014 0001 00000002 00000007 00000009"));
    assert_eq!(world.metrics.logins.get(), 1);
    assert_eq!(world.metrics.sessions.get(), 1);
    let online = world.backend.lock().online.clone();
    assert_eq!((online.len(), online[0].user.0), (1, 42));
}

#[test]
fn frames_before_auth_are_ignored_and_counted() {
    let mut world = World::new();
    let client = world.tcp();
    for op in [3, 7, 10, 14, 5, 99, -1] {
        client.send(op, 1, 1, b"x");
    }
    world.settle();
    assert_eq!(client.end.read(), b"");
    assert!(!client.end.is_closed());
    assert_eq!(world.metrics.drops.frame_before_auth.get(), 7);
}

#[test]
fn a_refused_login_is_closed_without_a_reply() {
    let mut world = World::new();
    let bodies = [client::auth_body("not a user", ""), b"\xff\xff".to_vec(), {
        // An `ext` that is no Login.
        let mut body = client::auth_body("42", "");
        body.extend_from_slice(&[0x1a, 0x02, 0x0a, 0x7f]);
        body
    }];
    for (index, body) in bodies.iter().enumerate() {
        let client = world.tcp();
        client.send(1, 0, 0, body);
        world.settle();
        assert!(client.end.is_closed(), "{index}");
        assert_eq!(client.end.read(), b"");
    }
    assert_eq!(world.metrics.closes.auth_refused.get(), 3);
    assert_eq!(world.metrics.connections.get(), 0);
}

#[test]
fn the_handshake_timer_is_not_extended_by_anything() {
    let mut world = World::new();
    let slow = world.tcp();
    let bytes = frame(1, 0, 0, &client::auth_body("42", ""));
    // A slowloris: a byte every 300 ms never gets there.
    for byte in bytes.iter().take(26) {
        slow.end.write(&[*byte]);
        world.pass(Duration::from_millis(300));
    }
    assert!(!slow.end.is_closed());
    world.pass(Duration::from_millis(199));
    assert!(!slow.end.is_closed(), "7.999 s");
    world.pass(Duration::from_millis(1));
    assert!(slow.end.is_closed(), "8 s");
    assert_eq!(world.metrics.closes.handshake_timeout.get(), 1);
}

#[test]
fn a_second_auth_is_ignored_and_counted() {
    let mut world = World::new();
    let mut client = world.login(42, "");
    client.auth(43, "");
    world.settle();
    assert_eq!(client.frames(), []);
    assert_eq!(world.metrics.drops.frame_op_ignored.get(), 1);
    assert_eq!(world.metrics.logins.get(), 1);
}

#[test]
fn input_waits_while_logic_decides() {
    let mut world = World::new();
    world.backend.lock().gate = Some(Vec::new());
    let mut client = world.tcp();
    client.auth(42, "");
    client.send(3, 8, 3, &[]);
    world.settle();
    assert_eq!(client.frames(), []);
    world.backend.release();
    world.settle();
    let ops: Vec<i32> = client.frames().iter().map(|frame| frame.header.op.0).collect();
    assert_eq!(ops, [2, 4]);
    assert_eq!(world.metrics.drops.frame_before_auth.get(), 0);
}

#[test]
fn a_login_that_is_decided_after_its_client_has_gone_changes_nothing() {
    let mut world = World::new();
    world.backend.lock().gate = Some(Vec::new());
    let gone = world.tcp();
    gone.auth(42, "");
    world.settle();
    gone.end.cut();
    world.settle();
    assert!(gone.end.is_closed());
    // The slot has another tenant by now.
    let mut next = world.tcp();
    next.send(3, 1, 1, &[]);
    world.settle();
    world.backend.release();
    world.settle();
    assert_eq!(world.metrics.logins.get(), 0);
    assert_eq!(next.frames(), []);
    assert!(!next.end.is_closed());
}

#[test]
fn the_login_timer_holds_while_logic_decides() {
    let mut world = World::new();
    world.backend.lock().gate = Some(Vec::new());
    let client = world.tcp();
    client.auth(42, "");
    world.pass(Duration::from_secs(8));
    assert!(client.end.is_closed());
    world.backend.release();
    world.settle();
    assert_eq!(world.metrics.logins.get(), 0);
}

#[test]
fn a_login_without_a_device_starts_at_the_head_and_keeps_no_cursor() {
    let mut world = World::new();
    world.backend.deliver(42, "old");
    let mut client: Client = world.login(42, "");
    assert_eq!(client.pushes(), []);
    world.backend.deliver(42, "new");
    world.settle();
    assert_eq!(client.pushes(), [(1, "new".to_owned())]);
    client.ack(1);
    world.pass(Duration::from_secs(60));
    client.end.cut();
    world.settle();
    let state = world.backend.lock();
    assert!(state.cursor_saves.is_empty());
    assert!(state.offline[0].1.is_none());
}
