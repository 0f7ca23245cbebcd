//! Pushes that are in no timeline: what a business server says to one connection, or to everybody online. A failure means
//! that such a push disturbs what is durable, is lost without a count, or reaches somebody it was not for.

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use common::{Client, World};
use halley_comet::Config;
use halley_core::clock::Clock;
use halley_core::ids::{AppId, BucketId, ConnId, NodeId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Content, Conversation};
use halley_core::ports::gateways::{Gateways, Pushed, Transient};
use halley_core::reply::Reply;
use halley_core::session::ConnAddr;
use halley_wire::limits::TXCHAT_BODY_BYTES_MAX;
use halley_wire::txchat::Op;

fn text(said: &str) -> Transient {
    let content = Content { kind: 1, bytes: Bytes::copy_from_slice(said.as_bytes()) };
    let mut message = common::backend::message(500, 0, Conversation::System, content);
    message.from = UserId::SYSTEM;
    Transient::Message(Arc::new(message))
}

/// What a gateway answers once the buckets have had their turns.
fn answer<T>(world: &mut World, reply: Reply<T>) -> T {
    world.settle();
    let mut reply = pin!(reply);
    match reply.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the gateway did not answer"),
    }
}

fn push(world: &mut World, addr: ConnAddr, what: Transient) -> Pushed {
    let reply = world.sim.gateway().push(addr, what);
    answer(world, reply)
}

fn broadcast(world: &mut World, app: AppId, what: Transient) -> usize {
    let reply = world.sim.gateway().broadcast(app, what);
    answer(world, reply)
}

/// Where the session that logged in last is.
fn last_addr(world: &World) -> ConnAddr {
    world.backend.lock().online.last().expect("somebody is online").addr
}

fn texts(client: &mut Client) -> Vec<(i32, String)> {
    client.pushes()
}

fn small_window() -> Config {
    Config { window: 2, ..Config::default() }
}

#[test]
fn a_push_takes_its_sequence_is_resent_and_acknowledged_and_moves_no_cursor() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    let addr = last_addr(&world);
    world.backend.deliver(42, "m1");
    world.settle();
    assert_eq!(push(&mut world, addr, text("note")), Pushed::Sent(2));
    world.backend.deliver(42, "m2");
    world.settle();
    let expected = [(1, "m1"), (2, "note"), (3, "m2")].map(|(seq, said)| (seq, said.to_owned()));
    assert_eq!(texts(&mut client), expected);
    client.ack(2);
    world.pass(Duration::from_secs(2));
    let missing = [(1, "m1"), (3, "m2")].map(|(seq, said)| (seq, said.to_owned()));
    assert_eq!(texts(&mut client), missing, "what was acknowledged is not sent again");
    client.ack(3);
    world.pass(Duration::from_secs(6));
    let saves = world.backend.lock().cursor_saves.clone();
    assert!(saves.iter().all(|save| save.position == SyncKey::START), "m1 is missing still: {saves:?}");
    client.ack(1);
    world.pass(Duration::from_secs(6));
    let saved = world.backend.lock().cursor_saves.last().map(|save| save.position);
    assert_eq!(saved, SyncKey::from_raw(2), "the cursor is behind m2");
}

#[test]
fn an_acknowledged_push_alone_leaves_the_cursor_where_it_is() {
    let mut world = World::new();
    world.backend.deliver(42, "m1");
    let mut client = world.login(42, "phone");
    let addr = last_addr(&world);
    assert_eq!(push(&mut world, addr, text("note")), Pushed::Sent(2));
    assert_eq!(texts(&mut client).len(), 2);
    // Only the note: m1 is shown, and not acknowledged.
    client.ack(2);
    world.settle();
    client.end.cut();
    world.settle();
    let mut again = world.login(42, "phone");
    assert_eq!(texts(&mut again), [(1, "m1".to_owned())], "m1 comes again, the note is gone");
}

#[test]
fn a_full_window_refuses_and_counts_and_nothing_durable_is_lost() {
    let mut world = World::with(small_window(), 1, 0);
    let mut client = world.login(42, "phone");
    let addr = last_addr(&world);
    assert_eq!(push(&mut world, addr, text("n1")), Pushed::Sent(1));
    assert_eq!(push(&mut world, addr, text("n2")), Pushed::Sent(2));
    assert_eq!(push(&mut world, addr, text("n3")), Pushed::Full);
    assert_eq!(world.metrics.drops.transient_window_full.get(), 1);
    world.backend.deliver(42, "m1");
    world.settle();
    assert_eq!(texts(&mut client).len(), 2, "the entry waits in its timeline");
    client.ack(1);
    world.settle();
    assert_eq!(texts(&mut client), [(3, "m1".to_owned())]);
    client.ack(2);
    client.ack(3);
    world.settle();
    assert_eq!(push(&mut world, addr, text("n4")), Pushed::Sent(4), "there is room again");
}

#[test]
fn a_session_that_is_behind_is_given_it_too_and_then_reads_on_where_it_was() {
    let mut world = World::with(small_window(), 1, 0);
    for count in 1..=4 {
        world.backend.deliver(42, &format!("m{count}"));
    }
    let mut client = world.login(42, "phone");
    let addr = last_addr(&world);
    assert_eq!(texts(&mut client).len(), 2);
    client.ack(1);
    // The next read of the timeline waits, so the session stays behind.
    world.backend.lock().gate = Some(Vec::new());
    world.settle();
    assert_eq!(push(&mut world, addr, text("note")), Pushed::Sent(3));
    for _ in 0..4 {
        world.backend.release();
        world.settle();
    }
    assert_eq!(texts(&mut client), [(3, "note".to_owned())], "the window is full");
    client.ack(2);
    client.ack(3);
    for _ in 0..4 {
        world.settle();
        world.backend.release();
    }
    world.settle();
    assert_eq!(texts(&mut client), [(4, "m3".to_owned()), (5, "m4".to_owned())]);
}

#[test]
fn an_answer_made_elsewhere_is_no_push_and_takes_no_place() {
    let mut world = World::with(small_window(), 1, 0);
    let mut client = world.login(42, "phone");
    let addr = last_addr(&world);
    for seq in [7, 8, 9] {
        let body = Bytes::from_static(b"\x08\x01\x12\x02\x10\x05");
        assert_eq!(push(&mut world, addr, Transient::TxchatReply(seq, body)), Pushed::Sent(seq));
    }
    let frames = client.frames();
    let seen: Vec<_> = frames.iter().map(|f| (f.header.op, f.header.seq, f.header.ack)).collect();
    assert_eq!(seen, [7, 8, 9].map(|seq| (Op::SEND_MSG_REPLY, seq, seq)));
    assert_eq!(&frames[0].body[..], b"\x08\x01\x12\x02\x10\x05");
    assert_eq!(push(&mut world, addr, Transient::TxchatPush(Bytes::from_static(b"raw"))), Pushed::Sent(1));
    assert_eq!(&client.frames()[0].body[..], b"raw");
}

#[test]
fn who_is_not_there_or_cannot_be_shown_it_is_nobody() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    let addr = last_addr(&world);
    let large = Bytes::from(vec![0; TXCHAT_BODY_BYTES_MAX + 1]);
    assert_eq!(push(&mut world, addr, Transient::TxchatPush(large.clone())), Pushed::Nobody);
    assert_eq!(push(&mut world, addr, Transient::TxchatReply(1, large)), Pushed::Nobody);
    let other = ConnAddr { conn: ConnId(addr.conn.0 + 1), ..addr };
    assert_eq!(push(&mut world, other, text("x")), Pushed::Nobody);
    // A connection that has not logged in is no session.
    let stranger = world.tcp();
    world.settle();
    assert_eq!(push(&mut world, other, text("x")), Pushed::Nobody);
    client.end.cut();
    world.settle();
    assert_eq!(push(&mut world, addr, text("x")), Pushed::Nobody, "it is gone");
    let reply = world.sim.gateway().session(addr);
    assert_eq!(answer(&mut world, reply), None);
    assert!(texts(&mut client).is_empty() && !stranger.end.is_closed());
}

#[test]
fn other_processes_and_buckets_that_are_not_there_refuse() {
    let mut world = World::new();
    let _client = world.login(42, "phone");
    let addr = last_addr(&world);
    for addr in [ConnAddr { node: NodeId(9), ..addr }, ConnAddr { bucket: BucketId(7), ..addr }] {
        assert_eq!(push(&mut world, addr, text("x")), Pushed::Full);
        let reply = world.sim.gateway().session(addr);
        assert_eq!(answer(&mut world, reply), None);
    }
    assert_eq!(world.metrics.drops.transient_queue_full.get(), 2);
}

#[test]
fn a_full_queue_refuses_and_counts() {
    let config = Config { commands_max: 64, ..Config::default() };
    let mut world = World::with(config, 1, 0);
    let mut client = world.login(42, "phone");
    let addr = last_addr(&world);
    let gateway = world.sim.gateway();
    let replies: Vec<_> = (0..65).map(|_| gateway.push(addr, text("x"))).collect();
    let mut outcomes: Vec<_> = replies.into_iter().map(|reply| answer(&mut world, reply)).collect();
    assert_eq!(outcomes.pop(), Some(Pushed::Full));
    assert!(outcomes.iter().zip(1..).all(|(outcome, seq)| *outcome == Pushed::Sent(seq)), "{outcomes:?}");
    assert_eq!(world.metrics.drops.transient_queue_full.get(), 1);
    assert_eq!(texts(&mut client).len(), 64);
}

#[test]
fn a_broadcast_reaches_every_session_of_its_app_and_counts_who_was_sent_it() {
    let mut world = World::with(small_window(), 4, 5);
    let mut clients: Vec<_> = (1..=9).map(|user| world.login(user, "phone")).collect();
    let second = world.login(1, "desktop");
    clients.push(second);
    let stranger = world.tcp();
    assert_eq!(broadcast(&mut world, AppId(1), text("all")), 10);
    assert_eq!(broadcast(&mut world, AppId(2), text("others")), 0);
    for client in &mut clients {
        assert_eq!(texts(client), [(1, "all".to_owned())]);
    }
    // One acknowledges nothing: its window is full after the second.
    for client in &clients[1..] {
        client.ack(1);
    }
    assert_eq!(broadcast(&mut world, AppId(1), text("two")), 10);
    for client in &clients[1..] {
        client.ack(2);
    }
    assert_eq!(broadcast(&mut world, AppId(1), text("three")), 9);
    assert_eq!(world.metrics.drops.transient_window_full.get(), 1);
    let large = Bytes::from(vec![0; TXCHAT_BODY_BYTES_MAX + 1]);
    assert_eq!(broadcast(&mut world, AppId(1), Transient::TxchatPush(large)), 0);
    assert!(!stranger.end.is_closed());
}

#[test]
fn a_session_says_whose_it_is() {
    let mut world = World::with(Config::default(), 4, 5);
    let _client = world.login(42, "phone");
    let addr = last_addr(&world);
    let reply = world.sim.gateway().session(addr);
    let info = answer(&mut world, reply).expect("is there");
    assert_eq!((info.app, info.user, info.addr), (AppId(1), UserId(42), addr));
}

#[test]
fn while_the_gateway_ends_nothing_is_pushed_any_more() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    let addr = last_addr(&world);
    client.end.set_room(0);
    client.send(3, 1, 0, &[]);
    world.settle();
    let gateway = world.sim.gateway();
    let mut asked = None;
    let deadline = world.clock.now().mono + Duration::from_secs(2);
    world.sim.drain(deadline, || {
        asked.get_or_insert_with(|| gateway.push(addr, text("late")));
    });
    let outcome = answer(&mut world, asked.expect("was asked while it drained"));
    assert!(matches!(outcome, Pushed::Full | Pushed::Nobody), "{outcome:?}");
    client.end.set_room(usize::MAX);
    assert!(client.frames().iter().all(|frame| frame.header.op != Op::RECEIVE_MSG));
}
