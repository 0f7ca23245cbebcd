//! Answer: what clients send. D17 to D22 and D34 (D20 cannot exist, see `docs/design/0010`).

use std::collections::{HashMap, HashSet};

use halley_testkit::raw::{Came, Raw, message};
use halley_wire::txchat::pb::MsgType;
use halley_wire::txchat::{Ack, Common, Op, refusal_code};
use serde_json::{Value, json};

use crate::support::{SOON, World, frame, say, web_frame};

/// Says the next texts, one behind the acknowledgement of the other, until the server ends; the ids of those that were
/// acknowledged, and how many were said.
fn say_to_the_end(raw: &mut Raw, target: &str) -> (HashMap<String, i64>, usize) {
    let mut acked = HashMap::new();
    for count in 0..10_000 {
        let client_id = format!("m-{count}");
        let seq = raw.say(false, target, &client_id, "x");
        loop {
            match raw.next(SOON) {
                Came::Frame(frame) if frame.header.op == Op::SEND_MSG_REPLY && frame.header.ack == seq => {
                    let ack = Ack::parse(&frame.body).expect("an acknowledgement");
                    if ack.code == 0 {
                        acked.insert(client_id, ack.mid);
                    }
                    break;
                }
                Came::Frame(_) => {}
                Came::Closed | Came::Nothing => return (acked, count + 1),
            }
        }
    }
    panic!("the server did not end");
}

#[test]
fn d17_what_was_acknowledged_survives_a_kill_and_a_failed_disk() {
    // The fortieth write of the log fails, and all behind it.
    let mut world = World::with(&["debug.failpoint=write:40:eio"]);
    let mut alice = world.login("1");
    let (mut said, mut acked) = (HashMap::new(), Vec::new());
    for count in 0..10_000 {
        let client_id = format!("m-{count}");
        said.insert(alice.say(false, "2", &client_id, "x"), client_id);
        match alice.next(SOON) {
            Came::Frame(frame) if frame.header.op == Op::SEND_MSG_REPLY => {
                if Ack::parse(&frame.body).expect("an acknowledgement").code == 0 {
                    acked.extend(said.remove(&frame.header.ack));
                }
            }
            Came::Frame(_) => {}
            Came::Closed | Came::Nothing => break,
        }
    }
    assert_eq!(world.server.wait_end(SOON).code(), Some(1));
    let world = world.again_with(&[]);
    let kept = world.timeline("2");
    assert!(!acked.is_empty(), "the first were kept");
    assert!(acked.iter().all(|client_id| kept.contains(client_id)), "{acked:?} in {kept:?}");

    let mut carol = world.login("3");
    for count in 0..1_000 {
        carol.say(false, "4", &format!("c-{count}"), "x");
    }
    let acked = (0..300).map(|_| carol.answer()).filter(|(_, ack)| ack.code == 0).count();
    let world = world.killed();
    let kept = world.timeline("4");
    assert!(kept.len() >= acked, "{acked} were acknowledged, {} are kept", kept.len());
    let said: Vec<String> = (0..kept.len()).map(|count| format!("c-{count}")).collect();
    assert_eq!(kept, said, "in their order, none left out");
}

#[test]
fn d17_no_two_messages_of_one_user_change_places() {
    let world = World::start();
    let mut bob = world.login("2");
    let mut connections = [world.login("1"), world.login_web("1")];
    for count in 0..500 {
        connections[0].say(false, "2", &format!("m-{count}"), "x");
    }
    for count in 0..500 {
        assert_eq!(bob.text().client_id, format!("m-{count}"));
    }
    // One behind the acknowledgement of the other, from two connections.
    for count in 0..50 {
        let place = count % 2;
        assert!(say(&mut connections[place], false, "2", &format!("n-{count}")).is_ok());
    }
    for count in 0..50 {
        assert_eq!(bob.text().client_id, format!("n-{count}"));
    }
}

#[test]
fn d18_no_repetition_is_acknowledged_for_a_message_that_is_lost() {
    for fault in ["write:60:abort", "write:60:tear", "write:60:abort_after", "sync:60:abort", "sync:60:eio"] {
        let mut world = World::with(&[&format!("debug.failpoint={fault}")]);
        let (acked, said) = say_to_the_end(&mut world.login("1"), "2");
        assert!(!world.server.wait_end(SOON).success());
        let world = world.again_with(&[]);
        let mut alice = world.login("1");
        let said: Vec<String> = (0..said).map(|count| format!("m-{count}")).collect();
        for client_id in &said {
            let id = say(&mut alice, false, "2", client_id);
            assert!(id.is_ok_and(|id| acked.get(client_id).is_none_or(|acked| *acked == id)), "{client_id}");
            assert_eq!(say(&mut alice, false, "2", client_id), id, "{fault}: {client_id} again");
        }
        assert_eq!(world.timeline("2"), said, "{fault}: all that is acknowledged is there, once");
    }
}

#[test]
fn d19_copies_of_a_message_never_get_two_ids() {
    let world = World::start();
    let (mut tcp, mut web, mut bob) = (world.login("1"), world.login_web("1"), world.login("2"));
    let mut said = Vec::new();
    for round in 0..20 {
        let (five, three) = (format!("five-{round}"), format!("three-{round}"));
        let body = message(false, "2", &five, "x");
        tcp.send_bytes(&(0..5).flat_map(|seq| frame(Op::SEND_MSG, seq, &body)).collect::<Vec<u8>>());
        let mut ids: Vec<i64> = (0..5).map(|_| tcp.answer().1.mid).collect();
        assert!(ids[0] != 0 && ids.iter().all(|id| *id == ids[0]), "{five}: {ids:?}");

        let body = message(false, "2", &three, "x");
        web.send_bytes(&web_frame(Op::SEND_MSG, 0, &body));
        tcp.send_bytes(&[frame(Op::SEND_MSG, 0, &body), frame(Op::SEND_MSG, 1, &body)].concat());
        ids = vec![tcp.answer().1.mid, tcp.answer().1.mid, web.answer().1.mid];
        assert!(ids[0] != 0 && ids.iter().all(|id| *id == ids[0]), "{three}: {ids:?}");
        said.extend([five, three]);
    }
    for client_id in &said {
        assert_eq!(&bob.text().client_id, client_id, "once");
    }
    assert_eq!(world.timeline("2"), said);
}

#[test]
fn d21_no_muted_member_is_heard() {
    let world = World::start();
    world.group("7", "1", &["2", "3"]);
    let mut members = ["1", "2", "3"].map(|user| world.login(user));
    let mut listener = world.login("3");
    let mute = |body: &Value| {
        let _muted = world.admin.call("PUT", "/v1/apps/demo/groups/7/members/2/mute", body);
    };
    mute(&json!({ "muted": true }));
    assert_eq!(say(&mut members[1], true, "7", "muted"), Err(refusal_code::MUTED));
    assert!(say(&mut members[2], true, "7", "another").is_ok());
    mute(&json!({ "muted": false }));
    assert!(say(&mut members[1], true, "7", "no longer muted").is_ok());
    let _muted = world.admin.call("PATCH", "/v1/apps/demo/groups/7", &json!({ "muted": true }));
    assert_eq!(say(&mut members[1], true, "7", "all muted"), Err(refusal_code::GROUP_MUTED));
    assert!(say(&mut members[0], true, "7", "the owner").is_ok());
    let heard: Vec<String> = (0..3).map(|_| listener.text().client_id).collect();
    assert_eq!(heard, ["another", "no longer muted", "the owner"]);
}

#[test]
fn d21_nobody_unwanted_nor_too_large_nor_too_fast_is_heard() {
    let world = World::with(&["limits.user_messages_per_second=10", "limits.user_messages_burst=20"]);
    let (mut one, mut two) = (world.login("1"), world.login("2"));
    let _none = world.admin.call("PUT", "/v1/apps/demo/users/2/blacklist/1", &Value::Null);
    assert_eq!(say(&mut one, false, "2", "blacklisted"), Err(refusal_code::BLACKLISTED));
    let _none = world.admin.call("DELETE", "/v1/apps/demo/users/2/blacklist/1", &Value::Null);
    let _app = world.admin.call("PUT", "/v1/apps/demo", &json!({ "friends_only": true }));
    assert_eq!(say(&mut one, false, "2", "no friend"), Err(refusal_code::NOT_FRIEND));
    let _app = world.admin.call("PUT", "/v1/apps/demo", &json!({ "friends_only": false }));
    // It fits the frame that it comes in, but not with id, time and sender.
    let seq = one.say(false, "2", "large", &"x".repeat(16_355));
    assert_eq!(one.answer_to(seq).code, refusal_code::TOO_LARGE);
    assert!(say(&mut one, false, "2", "one").is_ok());
    assert_eq!(two.text().client_id, "one");

    let mut hasty = world.login("3");
    let body = message(false, "4", "", "x");
    hasty.send_bytes(&(0..400).flat_map(|seq| frame(Op::SEND_MSG, seq, &body)).collect::<Vec<u8>>());
    let codes: Vec<i32> = (0..400).map(|_| hasty.answer().1.code).collect();
    let accepted = codes.iter().filter(|code| **code == 0).count();
    assert!((20..400).contains(&accepted), "{accepted} of 400");
    assert!(codes.iter().all(|code| [0, refusal_code::RATE_LIMITED].contains(code)), "each is told");
    assert_eq!(world.timeline("4").len(), accepted);
    assert!(say(&mut one, false, "2", "two").is_ok(), "it is nobody else's fault");
}

#[test]
fn d22_no_two_messages_have_one_id() {
    let mut world = World::with(&["limits.user_messages_per_second=0"]);
    let (mut all, mut last) = (HashSet::new(), HashMap::new());
    for _life in 0..2 {
        let mut senders: Vec<Raw> = (1..=8).map(|user: i32| world.login(&user.to_string())).collect();
        let body = message(false, "20", "", "x");
        let burst: Vec<u8> = (0..1_000).flat_map(|seq| frame(Op::SEND_MSG, seq, &body)).collect();
        for sender in &mut senders {
            sender.send_bytes(&burst);
        }
        for (sender, user) in senders.iter_mut().zip(1..) {
            for _ in 0..1_000 {
                let ack = sender.answer().1;
                assert_eq!(ack.code, 0);
                assert!(all.insert(ack.mid), "{} is another's", ack.mid);
                let before = last.insert(user, ack.mid);
                assert!(before < Some(ack.mid), "{before:?} before {}", ack.mid);
            }
        }
        world = world.killed();
    }
}

#[test]
fn d34_no_group_target_stops_the_ingest() {
    let mut world = World::start();
    let targets =
        ["abc", "", "-1", "0", "1e3", "7 ", "0x7", "9223372036854775808", "99999999999999999999999"];
    for _life in 0..2 {
        for (mut raw, kind) in [(world.login("1"), "tcp"), (world.login_web("1"), "web")] {
            for target in targets {
                assert_eq!(say(&mut raw, true, target, "c"), Err(refusal_code::UNKNOWN_GROUP), "{target:?}");
                // One that may not be sent, to such a group.
                let mut body = Vec::new();
                let kind = MsgType::Notice.into();
                Common { channel_type: 1, target, msg_type: kind, ..Common::default() }.put(&mut body);
                let seq = raw.send(Op::SEND_MSG, 0, &body);
                assert_ne!(raw.answer_to(seq).code, 0, "{target:?}");
                let path = target.replace(' ', "%20");
                for (method, path) in [
                    ("GET", format!("/v1/apps/demo/groups/{path}")),
                    ("GET", format!("/v1/apps/demo/timelines/group/{path}")),
                    ("GET", format!("/v1/apps/demo/messages/{path}")),
                    ("DELETE", format!("/v1/apps/demo/groups/{path}")),
                ] {
                    let (status, answer) = world.admin.try_call(method, &path, None).expect("answers");
                    assert!((400..500).contains(&status), "{method} {path}: {status} {answer}");
                }
            }
            assert!(say(&mut raw, false, "2", kind).is_ok(), "and the next is kept");
        }
        world.is_well();
        world = world.killed();
    }
    assert_eq!(world.timeline("2"), ["tcp", "web"]);
}
