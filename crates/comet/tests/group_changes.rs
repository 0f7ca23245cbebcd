//! Entries that take several frames: group changes and what they tell (spec 8.3, design 5). A failure means that a member
//! is told a part of a change, or is told it twice, or that a change stands in the way of what is said after it.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Client, World, backend};
use halley_comet::Config;
use halley_core::group::{ANNOUNCED, GroupChange, ProfileChange, SILENT, parts};
use halley_core::ids::{GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_wire::txchat::{Frame, Op, Pushed};

/// A change by user 1 with these parts: 25, notice, 26.
fn change(kind: i32) -> Message {
    let set = ProfileChange { name: Some("n".into()), avatar: Some("a".into()), ..Default::default() };
    of(&GroupChange::ProfileSet(set), kind)
}

fn of(change: &GroupChange, kind: i32) -> Message {
    let bytes = serde_json::to_vec(change).expect("serialises").into();
    let content = Content { kind, bytes };
    let ids = parts(change, UserId(1), UserId(1)).len();
    Message {
        kind: EntryKind::GROUP_CHANGE,
        ext: Bytes::from(format!(r#"{{"ids":{ids},"owner":1}}"#)),
        ..backend::message(5_000, 1, Conversation::Group(GroupId(7)), content)
    }
}

/// What was pushed: sequence, and the signal's type, `n` for a notice, `m` for a message.
fn told(client: &mut Client) -> Vec<(i32, String)> {
    let pushed = |frame: &Frame| match Pushed::parse(&frame.body).expect("an envelope") {
        Pushed::Signal(signal) => signal.kind.to_string(),
        Pushed::Common(common) if common.msg_type == 7 => "n".to_owned(),
        _ => "m".to_owned(),
    };
    let frames = client.frames();
    let pushes = frames.iter().filter(|frame| frame.header.op == Op::RECEIVE_MSG);
    pushes.map(|frame| (frame.header.seq, pushed(frame))).collect()
}

fn list(from: i32, told: &[&str]) -> Vec<(i32, String)> {
    (from..).zip(told.iter().map(|what| (*what).to_owned())).collect()
}

fn world(window: usize) -> World {
    World::with(Config { window, ..Config::default() }, 1, 0)
}

#[test]
fn a_change_is_told_part_by_part_between_the_messages_around_it() {
    for window in [1, 2, 3, 64] {
        let mut world = world(window);
        let mut client = world.login(42, "phone");
        world.backend.deliver(42, "before");
        world.backend.append(change(ANNOUNCED), &[42], None);
        world.backend.deliver(42, "after");
        world.settle();
        let mut all = Vec::new();
        for _ in 0..5 {
            let came = told(&mut client);
            assert!(came.len() <= window, "window {window}: {came:?}");
            for (seq, _) in &came {
                client.ack(*seq);
            }
            all.extend(came);
            world.settle();
        }
        assert_eq!(all, list(1, &["m", "25", "n", "26", "m"]), "window {window}");
        world.pass(Duration::from_secs(300));
        assert_eq!(told(&mut client), [], "window {window}");
        let saved = world.backend.lock().cursor_saves.last().expect("saved").position;
        assert_eq!(saved.raw(), 3, "window {window}");
    }
}

#[test]
fn a_change_that_is_acknowledged_in_part_is_told_again_as_a_whole() {
    let mut world = world(64);
    let mut client = world.login(42, "phone");
    world.backend.append(change(ANNOUNCED), &[42], None);
    world.settle();
    assert_eq!(told(&mut client), list(1, &["25", "n", "26"]));
    client.ack(1);
    client.ack(2);
    world.settle();
    client.end.end();
    world.settle();
    let position = world.backend.lock().offline[0].1.as_ref().expect("has a device").position;
    assert_eq!(position, SyncKey::START, "the last part covers the change");
    let mut client = world.login(42, "phone");
    assert_eq!(told(&mut client), list(1, &["25", "n", "26"]));
    for seq in [3, 1, 2] {
        client.ack(seq);
    }
    world.settle();
    client.end.end();
    world.settle();
    let mut client = world.login(42, "phone");
    assert_eq!(told(&mut client), []);
}

#[test]
fn a_silent_change_is_shown_to_nobody_and_passed() {
    let mut world = world(64);
    let mut client = world.login(42, "phone");
    world.backend.append(change(SILENT), &[42], None);
    world.settle();
    world.backend.deliver(42, "after");
    world.settle();
    assert_eq!(told(&mut client), list(1, &["m"]));
}

#[test]
fn a_long_list_waits_for_room_and_names() {
    let mut world = world(2);
    let known: Vec<i64> = (0..400).map(|n| UserId::ALIAS_FIRST.0 + n).collect();
    for user in &known {
        world.backend.lock().names.insert(UserId(*user), format!("user-{user}").into());
    }
    world.backend.lock().gate = Some(Vec::new());
    let mut client = world.tcp();
    client.auth(42, "phone");
    let added = of(&GroupChange::MembersAdded { members: known.clone() }, ANNOUNCED);
    world.backend.append(added, &[42], None);
    let (mut named, mut frames) = (Vec::new(), 0);
    // Every read and every name is asked for, and answered, one by one.
    for _ in 0..10_000 {
        world.settle();
        world.backend.release();
        world.settle();
        for frame in client.frames().iter().filter(|frame| frame.header.op == Op::RECEIVE_MSG) {
            if let Ok(Pushed::Signal(signal)) = Pushed::parse(&frame.body) {
                let body: halley_wire::txchat::pb::SignalSignInGroup =
                    prost::Message::decode(signal.body).expect("is a SignInGroup");
                named.extend(body.uid);
            }
            frames += 1;
            client.ack(frame.header.seq);
        }
        if frames == 8 {
            break;
        }
    }
    assert_eq!(frames, 8, "four lists twice");
    assert_eq!(named, known.iter().map(|user| format!("user-{user}")).collect::<Vec<_>>());
}
