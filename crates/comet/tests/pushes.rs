//! Pushes, acknowledgements, resends and cursors (spec 1.7, design 5). A failure means that a message is lost, comes
//! twice without need, or is forgotten as read.

mod common;

use std::time::Duration;

use common::{World, client, hex};
use halley_core::ids::UserId;
use halley_core::key::SyncKey;
use halley_core::message::{Content, Conversation, EntryKind};

fn key(raw: i64) -> SyncKey {
    SyncKey::from_raw(raw).expect("positive")
}

fn numbered(from: i32, to: i32) -> Vec<(i32, String)> {
    (from..=to).map(|seq| (seq, format!("m{seq}"))).collect()
}

#[test]
fn a_push_has_version_one_its_own_sequence_and_no_ack() {
    let mut world = World::new();
    let client = world.login(42, "phone");
    world.backend.deliver(42, "hi");
    world.settle();
    // envelope{common{mid 1000, from "1", target "42", msgType 1, msg "hi", datetime 5}}
    let expected =
        "00000028 0014 0001 00000009 00000001 00000000 1212 10e807 220131 2a023432 3001 3a026869 4005";
    assert_eq!(client.end.read(), hex(expected));
}

#[test]
fn what_is_not_acknowledged_is_sent_again_at_exact_times_and_then_the_session_is_closed() {
    let mut world = World::new();
    let client = world.login(42, "phone");
    world.backend.deliver(42, "hi");
    world.settle();
    let first = client.end.read();
    for delay in [2, 4, 8, 16, 30, 30, 30, 30] {
        world.pass(Duration::from_millis(delay * 1_000 - 1));
        assert_eq!(client.end.read(), b"", "before {delay} s");
        world.pass(Duration::from_millis(1));
        assert_eq!(client.end.read(), first, "after {delay} s, the same bytes");
    }
    world.pass(Duration::from_millis(29_999));
    assert!(!client.end.is_closed());
    world.pass(Duration::from_millis(1));
    assert!(client.end.is_closed());
    assert_eq!(world.metrics.closes.resend_exhausted.get(), 1);
    assert_eq!(world.metrics.resends.get(), 8);
    let state = world.backend.lock();
    let cursor = state.offline[0].1.as_ref().expect("has a device");
    assert_eq!(cursor.position, SyncKey::START, "the cursor stays");
}

#[test]
fn progress_starts_the_resends_over() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    world.backend.deliver(42, "m1");
    world.backend.deliver(42, "m2");
    world.settle();
    assert_eq!(client.pushes(), numbered(1, 2));
    world.pass(Duration::from_secs(2));
    assert_eq!(client.pushes(), numbered(1, 2));
    world.pass(Duration::from_secs(1));
    client.ack(1);
    world.pass(Duration::from_millis(1_999));
    assert_eq!(client.pushes(), []);
    world.pass(Duration::from_millis(1));
    assert_eq!(client.pushes(), numbered(2, 2), "2 s after the progress");
    client.ack(2);
    world.pass(Duration::from_secs(300));
    assert_eq!(client.pushes(), []);
    assert!(!client.end.is_closed());
}

#[test]
fn only_the_contiguous_prefix_moves_the_cursor_and_unknown_acks_are_counted() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    for text in ["m1", "m2", "m3"] {
        world.backend.deliver(42, text);
    }
    world.settle();
    assert_eq!(client.pushes(), numbered(1, 3));
    for ack in [3, 2, 2, 4, 0, -1, i32::MIN] {
        client.ack(ack);
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(world.metrics.push_acks.get(), 2);
    assert_eq!(world.metrics.drops.ack_unknown.get(), 5);
    client.ack(1);
    world.pass(Duration::from_secs(5));
    let saves = world.backend.lock().cursor_saves.clone();
    let positions: Vec<SyncKey> = saves.iter().map(|save| save.position).collect();
    assert_eq!(positions.last(), Some(&key(3)));
    assert!(!positions.contains(&key(2)), "{positions:?}");
}

#[test]
fn a_moving_cursor_is_saved_at_most_every_five_seconds_and_at_the_end() {
    let mut world = World::new();
    let client = world.login(42, "phone");
    world.pass(Duration::from_secs(10));
    let before = world.backend.lock().cursor_saves.len();
    for count in 1..=120 {
        world.backend.deliver(42, "m");
        world.settle();
        client.ack(count);
        world.pass(Duration::from_millis(100));
    }
    let saves = world.backend.lock().cursor_saves.len() - before;
    assert!((2..=3).contains(&saves), "{saves} in 12 s");
    client.end.cut();
    world.settle();
    let state = world.backend.lock();
    assert_eq!(state.offline[0].1.as_ref().expect("has a device").position, key(120));
}

#[test]
fn a_login_gets_what_it_missed_in_order_and_then_what_is_new() {
    let mut world = World::new();
    for count in 1..=10 {
        world.backend.deliver(42, &format!("m{count}"));
        world.backend.deliver(43, "not mine");
    }
    let mut client = world.login(42, "phone");
    assert_eq!(client.pushes(), numbered(1, 10));
    world.backend.deliver(42, "m11");
    world.settle();
    assert_eq!(client.pushes(), numbered(11, 11));
    for ack in 1..=5 {
        client.ack(ack);
    }
    world.settle();
    // Its sender has the receipt by then; before that the cursor is not saved.
    world.pass(Duration::from_millis(50));
    client.end.cut();
    world.settle();
    let mut again = world.login(42, "phone");
    let texts: Vec<String> = again.pushes().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["m6", "m7", "m8", "m9", "m10", "m11"], "from the cursor on");
}

#[test]
fn entries_the_dialect_cannot_show_are_skipped_and_do_not_hold_the_cursor() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    let hidden = |world: &World| {
        let mut message = common::backend::message(5, 1, Conversation::User(UserId(42)), Content::default());
        message.kind = EntryKind::GROUP_CHANGE;
        world.backend.append(message, &[42], None)
    };
    world.backend.deliver(42, "m1");
    hidden(&world);
    world.settle();
    assert_eq!(client.pushes(), numbered(1, 1));
    client.ack(1);
    world.settle();
    hidden(&world);
    world.pass(Duration::from_secs(5));
    assert_eq!(client.pushes(), []);
    let saved = world.backend.lock().cursor_saves.last().expect("was saved").position;
    assert_eq!(saved, key(3));
}

#[test]
fn a_name_that_comes_later_delays_its_entry_and_nothing_is_lost_or_reordered() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    let alias = UserId::ALIAS_FIRST;
    world.backend.lock().names.insert(alias, "bob".into());
    world.backend.deliver(42, "m1");
    let content = Content { kind: 1, bytes: "m2".into() };
    let mut message = common::backend::message(6, 0, Conversation::User(UserId(42)), content);
    message.from = alias;
    world.backend.append(message, &[42], None);
    world.backend.deliver(42, "m3");
    world.backend.lock().gate = Some(Vec::new());
    world.settle();
    assert_eq!(client.pushes(), numbered(1, 1));
    for _ in 0..10 {
        world.backend.release();
        world.settle();
    }
    assert_eq!(client.pushes(), numbered(2, 3).as_slice());
}

#[test]
fn every_session_of_a_user_has_its_own_cursor_and_window() {
    let mut world = World::new();
    let (mut phone, mut desktop) = (world.login(42, "phone"), world.login(42, "desktop"));
    world.backend.deliver(42, "m1");
    world.settle();
    assert_eq!(phone.pushes(), numbered(1, 1));
    assert_eq!(desktop.pushes(), numbered(1, 1));
    phone.ack(1);
    world.pass(Duration::from_secs(2));
    assert_eq!(phone.pushes(), []);
    assert_eq!(desktop.pushes(), numbered(1, 1));
    phone.end.cut();
    world.settle();
    world.backend.deliver(42, "m2");
    world.settle();
    assert_eq!(desktop.pushes(), numbered(2, 2));
}

#[test]
fn a_web_socket_client_is_pushed_to_and_acknowledges() {
    let mut world = World::new();
    let mut client = world.web_socket();
    client.auth(42, "web");
    world.settle();
    client.frames();
    let long = "x".repeat(5_000);
    world.backend.deliver(42, &long);
    world.settle();
    assert_eq!(client::pushes_of(&client.frames()), [(1, long)]);
    client.ack(1);
    world.pass(Duration::from_secs(60));
    assert_eq!(client.frames(), []);
    assert_eq!(world.metrics.push_acks.get(), 1);
}
