//! Receipts: the sender of a private message learns that it has reached its reader (ruling 9). A failure means that a sender
//! is told too early, twice without need, or never.

mod common;

use std::time::Duration;

use common::{APP, World, client, hex};
use halley_core::command::Receipt;
use halley_core::event::receipt_content;
use halley_core::ids::{MsgId, UserId};
use halley_core::message::{Content, Conversation, EntryKind};

const GATHERED: Duration = Duration::from_millis(50);

fn receipt(reader: i64, messages: &[i64]) -> Receipt {
    let messages = messages.iter().copied().map(MsgId).collect();
    Receipt { app: APP, reader: UserId(reader), sender: UserId(1), messages }
}

/// Acknowledges everything that has come.
fn ack_all(world: &mut World, client: &mut client::Client) {
    world.settle();
    for (seq, _) in client.pushes() {
        client.ack(seq);
    }
    world.settle();
}

#[test]
fn what_reaches_a_reader_within_a_moment_becomes_one_receipt() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    for count in 0..3 {
        world.backend.deliver(42, &format!("m{count}"));
    }
    ack_all(&mut world, &mut client);
    world.pass(Duration::from_millis(49));
    assert_eq!(world.backend.lock().receipts, []);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.backend.lock().receipts, [receipt(42, &[1_000, 1_001, 1_002])]);
    world.backend.deliver(42, "later");
    ack_all(&mut world, &mut client);
    world.pass(GATHERED);
    assert_eq!(world.backend.lock().receipts[1..], [receipt(42, &[1_003])]);
    assert_eq!(world.metrics.receipts.get(), 2);
}

#[test]
fn only_the_contiguous_prefix_is_received() {
    let mut world = World::new();
    let client = world.login(42, "phone");
    world.backend.deliver(42, "m0");
    world.backend.deliver(42, "m1");
    world.settle();
    client.ack(2);
    world.settle();
    world.pass(GATHERED);
    assert_eq!(world.backend.lock().receipts, []);
    client.ack(1);
    world.settle();
    world.pass(GATHERED);
    assert_eq!(world.backend.lock().receipts, [receipt(42, &[1_000, 1_001])]);
}

#[test]
fn two_devices_owe_one_receipt_and_one_that_is_far_behind_owes_none() {
    let mut world = World::new();
    let mut phone = world.login(42, "phone");
    let mut tablet = world.login(42, "tablet");
    world.backend.deliver(42, "m0");
    ack_all(&mut world, &mut phone);
    ack_all(&mut world, &mut tablet);
    world.pass(GATHERED);
    assert_eq!(world.backend.lock().receipts, [receipt(42, &[1_000])]);
    // Both go; a third, which has seen nothing, comes alone.
    world.pass(Duration::from_secs(5));
    phone.end.cut();
    tablet.end.cut();
    world.settle();
    let mut old = world.login(42, "old");
    ack_all(&mut world, &mut old);
    world.pass(GATHERED);
    assert_eq!(world.backend.lock().receipts.len(), 1);
}

#[test]
fn nobody_is_owed_for_what_no_other_user_said_in_private() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    let content = Content { kind: 1, bytes: "x".into() };
    let own = common::backend::message(1, 42, Conversation::User(UserId(43)), content.clone());
    world.backend.append(own, &[42, 43], None);
    let system = common::backend::message(2, 0, Conversation::User(UserId(42)), content.clone());
    world.backend.append(system, &[42], None);
    world.backend.deliver_to_group(7, &[42], "group");
    let mut other = common::backend::message(3, 1, Conversation::User(UserId(1)), content);
    other.kind = EntryKind::RECEIPT;
    world.backend.append(other, &[42], None);
    world.settle();
    for push in 1..=4 {
        client.ack(push);
    }
    world.settle();
    client.frames();
    world.pass(GATHERED);
    assert_eq!(world.backend.lock().receipts, []);
}

#[test]
fn no_cursor_passes_a_message_whose_receipt_is_not_durable() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    world.backend.deliver(42, "m0");
    ack_all(&mut world, &mut client);
    world.pass(Duration::from_secs(6));
    world.backend.lock().failing_receipts = 2;
    let owed = world.backend.deliver(42, "m1");
    world.backend.deliver(42, "m2");
    ack_all(&mut world, &mut client);
    client.end.cut();
    world.settle();
    let saved = |world: &World| world.backend.lock().cursors[&(UserId(42), "id:phone".to_owned())].position;
    assert_eq!(saved(&world).raw(), owed.raw() - 1);
    world.pass(Duration::from_millis(2_049));
    assert_eq!(saved(&world).raw(), owed.raw() - 1, "it failed twice");
    world.pass(Duration::from_millis(1));
    assert_eq!(world.backend.lock().receipts[1..], [receipt(42, &[1_001, 1_002])]);
    assert_eq!(saved(&world).raw(), owed.raw() + 1, "the session's cursor, though it has gone");
}

#[test]
fn who_comes_back_before_a_receipt_is_written_is_not_shown_again_what_was_confirmed() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    world.backend.deliver(42, "m0");
    ack_all(&mut world, &mut client);
    world.pass(Duration::from_secs(6));
    world.backend.lock().failing_receipts = 2;
    world.backend.deliver(42, "m1");
    ack_all(&mut world, &mut client);
    client.end.cut();
    world.settle();
    let mut client = world.login(42, "phone");
    world.backend.deliver(42, "m2");
    world.settle();
    let texts: Vec<String> = client.pushes().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["m2"]);
    client.ack(1);
    world.settle();
    world.pass(Duration::from_secs(3));
    assert_eq!(world.backend.lock().receipts[1..], [receipt(42, &[1_001, 1_002])], "each once");
}

#[test]
fn a_reader_that_comes_back_after_a_crash_repeats_what_was_not_durable() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    world.backend.lock().failing_receipts = usize::MAX;
    world.backend.deliver(42, "m0");
    ack_all(&mut world, &mut client);
    world.pass(Duration::from_secs(10));
    client.end.cut();
    world.settle();
    // What a crash leaves is what was saved; another gateway starts over it.
    let cursors = world.backend.lock().cursors.clone();
    let mut next = World::new();
    next.backend.lock().cursors = cursors;
    next.backend.deliver(42, "m0");
    let mut client = next.login(42, "phone");
    ack_all(&mut next, &mut client);
    next.pass(GATHERED);
    assert_eq!(next.backend.lock().receipts, [receipt(42, &[1_000])]);
}

#[test]
fn a_receipt_is_at_most_a_thousand_messages_and_what_waits_is_bounded() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    world.backend.lock().failing_receipts = usize::MAX;
    for count in 0..34_000 {
        world.backend.deliver(42, "m");
        if count % 64 == 63 {
            ack_all(&mut world, &mut client);
        }
    }
    for _ in 0..8 {
        ack_all(&mut world, &mut client);
    }
    let pushed = world.metrics.pushes.get();
    assert!((32_768..=32_768 + 64).contains(&pushed), "{pushed}");
    world.backend.lock().failing_receipts = 0;
    world.pass(Duration::from_secs(2));
    for _ in 0..100 {
        ack_all(&mut world, &mut client);
    }
    world.pass(GATHERED);
    let state = world.backend.lock();
    let messages: usize = state.receipts.iter().map(|receipt| receipt.messages.len()).sum();
    assert!(state.receipts.iter().all(|receipt| receipt.messages.len() <= 1_000));
    assert_eq!(messages, 34_000, "each once");
}

#[test]
fn a_receipt_is_the_signal_received_with_its_message_ids() {
    let mut world = World::new();
    let client = world.login(1, "phone");
    // The transcript of the original, "B (iOS) acknowledges", but for the push sequence.
    let content = Content { kind: 0, bytes: receipt_content(&[MsgId(857_195_401_508_294_656)]) };
    let of_reader = Conversation::User(UserId(42));
    let mut message = common::backend::message(857_195_423_327_064_064, 42, of_reader, content);
    message.kind = EntryKind::RECEIPT;
    world.backend.append(message, &[1], None);
    world.settle();
    let expected = "00000031 0014 0001 00000009 00000001 00000000
        08021219120b0a0980a08090d1d5d7f20b1880a080b4a2d6d7f20b2001";
    assert_eq!(client.end.read(), hex(expected));
}
