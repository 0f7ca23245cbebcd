//! Pusher and store: what clients are given, and when. D23 to D33 (D33 cannot exist, see `docs/design/0010`).

use std::thread;

use halley_testkit::raw::{Came, Raw};
use halley_testkit::wait::wait_for;
use halley_wire::txchat::pb::{
    AuthMsg, Device, Login, MsgType, NoticeMsg, NoticeMsgType, NoticeSignInGroup, SignalSignInGroup,
    SignalType, SignalUpdateGroupName,
};
use halley_wire::txchat::{Common, Op, Pushed, refusal_code};
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::{SOON, World, frame, say};

const GROUPS: &str = "/v1/apps/demo/groups";

/// What comes before this message, acknowledged: client ids of messages, and `signal N` and `notice N` for the rest.
fn heard_to(raw: &mut Raw, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let frame = raw.push();
        let word = match Pushed::parse(&frame.body).expect("an envelope") {
            Pushed::Signal(signal) => format!("signal {}", signal.kind),
            Pushed::Common(common) if common.msg_type == i32::from(MsgType::Notice) => {
                format!("notice {}", NoticeMsg::decode(common.msg).expect("a notice").r#type)
            }
            Pushed::Common(common) => common.seq.to_owned(),
            other => panic!("{other:?}"),
        };
        if word == last {
            return heard;
        }
        heard.push(word);
    }
}

/// Goes, and waits until the server has noticed: a login that comes sooner may be given again what is not yet kept of this
/// one's receipts.
fn leave(world: &World, user: &str, mut raw: Raw) {
    raw.send(Op::HEARTBEAT, 0, &[]);
    let _beat = raw.until(Op::HEARTBEAT_REPLY, |_| {});
    drop(raw);
    wait_for("the session to end", SOON, || (world.sessions(user) == 0).then_some(()));
}

/// The device is known from now on, and away.
fn known(world: &World, user: &str, uuid: &str) {
    leave(world, user, world.login_device(user, uuid));
}

fn login_as(world: &World, user: &str, login: &Login) -> Raw {
    let mut raw = Raw::connect(world.tcp());
    let ext = login.encode_to_vec().into();
    raw.send(Op::AUTH, 0, &AuthMsg { app_id: "demo".into(), token: user.into(), ext }.encode_to_vec());
    let Came::Frame(reply) = raw.next(SOON) else { panic!("{user} was not let in") };
    assert_eq!((reply.header.op, reply.body.len()), (Op::AUTH_REPLY, 0));
    raw
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|count| format!("m-{count}")).collect()
}

#[test]
fn d23_nothing_that_was_acknowledged_comes_again() {
    let world = World::start();
    world.group("7", "1", &["2"]);
    let (mut alice, mut bob) = (world.login("1"), world.login_device("2", "phone"));
    for count in 0..30 {
        assert!(say(&mut alice, count % 2 == 0, if count % 2 == 0 { "7" } else { "2" }, "").is_ok());
        if count % 10 == 0 {
            let name = json!({ "name": format!("{count}"), "operator": "1" });
            let _group = world.admin.call("PATCH", &format!("{GROUPS}/7"), &name);
        }
    }
    assert!(say(&mut alice, true, "7", "last").is_ok());
    let heard = heard_to(&mut bob, "last");
    let count = |word: &str| heard.iter().filter(|heard| *heard == word).count();
    assert_eq!((count(""), count("signal 25"), count("notice 0")), (30, 3, 3), "{heard:?}");
    leave(&world, "2", bob);
    let mut bob = world.login_device("2", "phone");
    assert!(say(&mut alice, true, "7", "new").is_ok());
    assert_eq!(heard_to(&mut bob, "new"), [""; 0]);
}

#[test]
fn d24_no_message_misses_a_login_right_behind_it_nor_is_shown_and_not_kept() {
    let world = World::start();
    known(&world, "2", "phone");
    let mut alice = world.login("1");
    for client_id in numbered(60) {
        assert!(say(&mut alice, false, "2", &client_id).is_ok());
        // Acknowledged at once, and gone.
        let mut bob = world.login_device("2", "phone");
        assert_eq!(heard_to(&mut bob, &client_id), [""; 0], "once");
        leave(&world, "2", bob);
    }
    let world = world.killed();
    assert_eq!(world.timeline("2"), numbered(60));
}

#[test]
fn d25_no_group_message_falls_between_backlog_and_live() {
    let world = World::start();
    world.group("7", "1", &["2"]);
    let mut bob = world.login_device("2", "phone");
    let mut alice = world.login("1");
    assert!(say(&mut alice, false, "2", "begin").is_ok());
    let _made = heard_to(&mut bob, "begin");
    leave(&world, "2", bob);
    let talk = thread::spawn(move || {
        for (count, client_id) in numbered(900).iter().enumerate() {
            let to_group = count % 3 != 0;
            assert!(say(&mut alice, to_group, if to_group { "7" } else { "2" }, client_id).is_ok());
        }
    });
    let mut heard = Vec::new();
    for takes in [90, 1, 200, 10, 150].into_iter().cycle() {
        let mut bob = world.login_device("2", "phone");
        heard.extend((0..takes.min(900 - heard.len())).map(|_| bob.text().client_id));
        leave(&world, "2", bob);
        if heard.len() == 900 {
            break;
        }
    }
    talk.join().expect("all are sent");
    assert_eq!(heard, numbered(900), "each once, in order");
}

#[test]
fn d25_no_backlog_comes_in_two_orders_or_twice_to_logins_at_once() {
    let world = World::start();
    world.group("7", "1", &["2"]);
    let devices = ["phone", "pad", "old phone"];
    for uuid in devices {
        let mut raw = world.login_device("2", uuid);
        // Whoever has read of the group's making has read all.
        let _made = raw.push();
        leave(&world, "2", raw);
    }
    let mut alice = world.login("1");
    let mut said = Vec::new();
    for client_id in numbered(200) {
        let to_group = said.len() % 3 == 0;
        assert!(say(&mut alice, to_group, if to_group { "7" } else { "2" }, &client_id).is_ok());
        said.push(client_id);
        if said.len() % 50 == 0 {
            let _group = world.admin.call(
                "PATCH",
                &format!("{GROUPS}/7"),
                &json!({ "join_type": 1 + said.len() / 50 % 2 }),
            );
            said.push("signal 20".to_owned());
        }
    }
    assert!(say(&mut alice, true, "7", "last").is_ok());
    let (tcp, said) = (world.tcp(), &said);
    thread::scope(|scope| {
        for uuid in devices {
            scope.spawn(move || {
                let mut raw = Raw::login(tcp, "demo", "2", Some(uuid));
                let heard = heard_to(&mut raw, "last");
                assert!(heard.ends_with(said), "{uuid}: {heard:?}");
                let again = heard[..heard.len() - said.len()].iter().any(|word| said.contains(word));
                assert!(!again, "{uuid}: {heard:?}");
            });
        }
    });
}

#[test]
fn d26_no_kind_of_device_goes_without_what_came_while_it_was_away() {
    let world = World::start();
    let devices = [Device::Windows, Device::Linux, Device::MacOs, Device::Web, Device::Ios, Device::Android];
    let logins = devices.map(|device| Login {
        device: device.into(),
        uuid: format!("{device:?}"),
        ..Login::default()
    });
    for login in &logins {
        leave(&world, "2", login_as(&world, "2", login));
    }
    let mut alice = world.login("1");
    for client_id in numbered(3) {
        assert!(say(&mut alice, false, "2", &client_id).is_ok());
    }
    for login in &logins {
        let mut raw = login_as(&world, "2", login);
        assert_eq!(heard_to(&mut raw, "m-2"), ["m-0", "m-1"], "{login:?}");
    }
}

#[test]
fn d26_history_has_no_gap_in_either_direction() {
    let world = World::start();
    world.group("7", "1", &["2"]);
    let mut alice = world.login("1");
    for (count, client_id) in numbered(100).iter().enumerate() {
        let to_group = count % 2 == 0;
        assert!(say(&mut alice, to_group, if to_group { "7" } else { "2" }, client_id).is_ok());
    }
    for (direction, start) in [("after", "0".to_owned()), ("before", i64::MAX.to_string())] {
        let (mut from, mut listed, mut keys) = (start, Vec::new(), Vec::new());
        loop {
            let path = format!("/v1/apps/demo/timelines/user/2?{direction}={from}&limit=7");
            let page = world.admin.call("GET", &path, &Value::Null);
            let entries = page["entries"].as_array().expect("a list");
            assert!(entries.len() <= 7);
            for entry in entries {
                keys.push((entry["key"].clone(), entry["prev"].clone()));
                listed.extend(entry["message"]["client_id"].as_str().map(str::to_owned));
            }
            page["complete_to"].as_str().expect("a key").clone_into(&mut from);
            if page["more"] == false {
                break;
            }
        }
        if direction == "before" {
            listed.reverse();
            keys.reverse();
        }
        listed.retain(|client_id| client_id.starts_with("m-"));
        assert_eq!(listed, numbered(100), "{direction}: private and of groups, in one order");
        assert_eq!(keys[0].1, Value::Null);
        assert!(keys.windows(2).all(|two| two[1].1 == two[0].0), "{direction}: each names the one before it");
    }
}

#[test]
fn d27_whoever_was_away_is_told_of_a_removal_and_of_the_end_of_a_group() {
    let world = World::start();
    world.group("7", "1", &["2", "3", "4"]);
    world.group("8", "1", &["2"]);
    for user in ["2", "3"] {
        known(&world, user, "phone");
    }
    let last = |user: &str| format!("last to {user}");
    let (mut owner, mut online) = (world.login("1"), world.login("4"));
    let removed = |user: &str| {
        let path = format!("{GROUPS}/7/members/{user}?operator=1");
        let (status, answer) = world.admin.try_call("DELETE", &path, None).expect("answers");
        assert_eq!(status, 204, "{answer}");
    };
    assert!(say(&mut owner, true, "7", "with them").is_ok());
    removed("2");
    removed("4");
    assert!(say(&mut owner, true, "7", "without them").is_ok());
    for path in [format!("{GROUPS}/8?operator=1"), format!("{GROUPS}/7?operator=1")] {
        let (status, answer) = world.admin.try_call("DELETE", &path, None).expect("answers");
        assert_eq!(status, 204, "{answer}");
    }
    for user in ["2", "3", "4"] {
        assert!(say(&mut owner, false, user, &last(user)).is_ok());
    }
    assert_eq!(heard_to(&mut online, "with them"), [""; 0]);
    let once = ["notice 3", "signal 11"];
    let live = heard_to(&mut online, &last("4"));
    assert_eq!(
        live,
        [&once[..], &once[..]].concat(),
        "of another's removal and the own, and nothing behind it"
    );
    let mut heard = heard_to(&mut world.login_device("2", "phone"), &last("2"));
    let at = heard.iter().position(|word| word == "with them").expect("said before");
    assert_eq!(
        heard.split_off(at + 1),
        ["notice 3", "signal 11", "notice 4", "signal 12"],
        "removed; 8 ended"
    );
    heard = heard_to(&mut world.login_device("3", "phone"), &last("3"));
    let at = heard.iter().position(|word| word == "with them").expect("said before");
    let both = [&once[..], &once[..], &["without them", "notice 4", "signal 12"]].concat();
    assert_eq!(heard.split_off(at + 1), both, "two removed; 7 ended");
}

#[test]
fn d28_no_long_list_of_members_and_no_name_is_lost_on_who_is_away() {
    let world = World::start();
    world.group("7", "1", &["2"]);
    known(&world, "2", "phone");
    let name = "群聊名称与表情🙂".repeat(3);
    let members: Vec<String> = (0..600).map(|count| format!("会员-with-a-long-name-{count:04}")).collect();
    let body = json!({ "user_ids": members, "operator": "1" });
    let _group = world.admin.call("POST", &format!("{GROUPS}/7/members"), &body);
    let _group = world.admin.call("PATCH", &format!("{GROUPS}/7"), &json!({ "name": name, "operator": "1" }));
    let mut alice = world.login("1");
    assert!(say(&mut alice, false, "2", "last").is_ok());
    let (mut signed_in, mut noticed, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut bob = world.login_device("2", "phone");
    loop {
        let frame = bob.push();
        match Pushed::parse(&frame.body).expect("an envelope") {
            Pushed::Signal(signal) if signal.kind == SignalType::SignInGroup as i32 => {
                signed_in.extend(SignalSignInGroup::decode(signal.body).expect("its body").uid);
            }
            Pushed::Signal(signal) if signal.kind == SignalType::UpdateGroupName as i32 => {
                names.push(SignalUpdateGroupName::decode(signal.body).expect("its body").name);
            }
            Pushed::Common(common) if common.msg_type == i32::from(MsgType::Notice) => {
                let notice = NoticeMsg::decode(common.msg).expect("a notice");
                if notice.r#type == NoticeMsgType::SignInGroup as i32 {
                    noticed.extend(NoticeSignInGroup::decode(&notice.body[..]).expect("its body").members);
                }
            }
            Pushed::Common(common) if common.seq == "last" => break,
            _ => {}
        }
    }
    assert!(signed_in.ends_with(&members), "{} members of 600", signed_in.len());
    assert!(noticed.ends_with(&members), "{} members of 600", noticed.len());
    assert_eq!(names, [name]);
}

#[test]
fn d29_no_group_message_is_written_once_a_member() {
    let world = World::with(&["limits.user_messages_per_second=0"]);
    let members: Vec<String> = (2..=500).map(|user: i32| user.to_string()).collect();
    world.group("7", "1", &members.iter().map(String::as_str).collect::<Vec<_>>());
    let mut alice = world.login("1");
    let before = world.metric("halley_journal_commit_bytes_total");
    let body = halley_testkit::raw::message(true, "7", "", &"x".repeat(500));
    alice.send_bytes(&(0..100).flat_map(|seq| frame(Op::SEND_MSG, seq, &body)).collect::<Vec<u8>>());
    for _ in 0..100 {
        assert_eq!(alice.answer().1.code, 0);
    }
    let bytes = (world.metric("halley_journal_commit_bytes_total") - before) / 100.0;
    assert!((500.0..10_000.0).contains(&bytes), "{bytes} bytes a message of 500 bytes to 500 members");
    let key_of = |user: &str| {
        let path = format!("/v1/apps/demo/timelines/user/{user}?limit=1");
        world.admin.call("GET", &path, &Value::Null)["entries"][0]["key"].clone()
    };
    assert_eq!(key_of("2"), key_of("500"), "it is one record for all");
}

#[test]
fn d30_no_content_is_changed_because_it_looks_like_a_known_one() {
    let mut world = World::start();
    known(&world, "2", "phone");
    let contents: [&[u8]; 7] = [
        // A text, and a field that no text has.
        &[0x0a, 1, b'a', 0xfa, 0x3e, 2, 1, 2],
        // The length, and then the tag, longer than need be.
        &[0x0a, 0x81, 0x00, b'a'],
        &[0x8a, 0x00, 1, b'a'],
        // The text twice, behind the mention.
        &[0x12, 1, b'm', 0x0a, 1, b'a', 0x0a, 1, b'b'],
        // An empty text that is written out.
        &[0x0a, 0],
        // No protobuf, and no UTF-8.
        &[0xff, 0xfe, 0x00, 0x80],
        &[],
    ];
    let (mut alice, mut live) = (world.login("1"), world.login_web("2"));
    let kinds = [1, 2, 3, 4, 5, 6, 8, 10, 12, 13];
    let all: Vec<(i32, &[u8])> =
        kinds.iter().flat_map(|kind| contents.map(|content| (*kind, content))).collect();
    for (msg_type, msg) in &all {
        let mut body = Vec::new();
        Common { target: "2", msg_type: *msg_type, msg, ..Common::default() }.put(&mut body);
        let seq = alice.send(Op::SEND_MSG, 0, &body);
        assert_eq!(alice.answer_to(seq).code, 0, "{msg_type} {msg:?}");
    }
    let hear = |raw: &mut Raw| {
        for (msg_type, msg) in &all {
            let frame = raw.push();
            let common = Common::parse(&frame.body).expect("a message");
            assert_eq!((common.msg_type, common.msg), (*msg_type, *msg));
        }
    };
    hear(&mut live);
    world = world.killed();
    hear(&mut world.login_device("2", "phone"));
}

#[test]
fn d31_nobody_is_brought_in_by_whom_it_is_not_for() {
    let world = World::start();
    world.group("7", "1", &["2", "3"]);
    let _admin = world.admin.call("PATCH", &format!("{GROUPS}/7/members/3"), &json!({ "role": "admin" }));
    let invite = |operator: &str, users: &[&str]| {
        let body = json!({ "user_ids": users, "operator": operator });
        let path = format!("{GROUPS}/7/members");
        let (status, answer) = world.admin.try_call("POST", &path, Some(&body)).expect("answers");
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    for join_type in [1, 2] {
        let _group = world.admin.call("PATCH", &format!("{GROUPS}/7"), &json!({ "join_type": join_type }));
        assert_eq!(invite("2", &["8"]), (403, "invite_denied".to_owned()), "{join_type}: a member");
        assert_eq!(invite("8", &["8"]), (403, "operator_not_member".to_owned()), "{join_type}: oneself");
    }
    // Clients have no other way: what looks like a change of the group is none.
    let mut member = world.login("2");
    let joined = NoticeSignInGroup { group: 7, inviter: "1".into(), members: vec!["8".into()] };
    let notice = NoticeMsg { r#type: NoticeMsgType::SignInGroup.into(), body: joined.encode_to_vec().into() };
    let mut body = Vec::new();
    let msg_type = MsgType::Notice.into();
    Common {
        channel_type: 1,
        target: "7",
        from: "1",
        msg_type,
        msg: &notice.encode_to_vec(),
        ..Common::default()
    }
    .put(&mut body);
    let seq = member.send(Op::SEND_MSG, 0, &body);
    assert_eq!(member.answer_to(seq).code, refusal_code::TYPE_NOT_ALLOWED);
    let count = || world.admin.call("GET", &format!("{GROUPS}/7"), &Value::Null)["member_count"].clone();
    assert_eq!(count(), 3);
    assert_eq!(say(&mut world.login("8"), true, "7", ""), Err(refusal_code::NOT_MEMBER));
    assert_eq!(invite("3", &["8", "9", "10"]), (200, String::new()), "several by an admin, in one call");
    assert_eq!(count(), 6);
}

#[test]
fn d32_no_revocation_overtakes_its_message_or_is_kept_from_anybody_who_got_it() {
    let world = World::start();
    world.group("7", "1", &["2", "3"]);
    for user in ["2", "3"] {
        known(&world, user, "phone");
    }
    let last = |user: &str| format!("last to {user}");
    let (mut alice, mut online) = (world.login("1"), world.login_web("2"));
    let mut said = Vec::new();
    for (client_id, to_group, target) in
        [("private", false, "2"), ("group", true, "7"), ("kept", true, "7"), ("to 3", false, "3")]
    {
        said.push(say(&mut alice, to_group, target, client_id).expect("is sent"));
    }
    // The group is another one when the message is taken back.
    let (status, _) =
        world.admin.try_call("DELETE", &format!("{GROUPS}/7/members/3?operator=1"), None).expect("answers");
    assert_eq!(status, 204);
    let _in = world.admin.call("POST", &format!("{GROUPS}/7/members"), &json!({ "user_ids": ["4"] }));
    let mut stranger = world.login("4");
    for id in &said[..2] {
        let path = format!("/v1/apps/demo/messages/{id}/revoke");
        let _revoked = world.admin.call("POST", &path, &json!({ "operator": "1" }));
    }
    for user in ["2", "3", "4"] {
        assert!(say(&mut alice, false, user, &last(user)).is_ok());
    }
    let revoked = format!("signal {}", SignalType::Revoke as i32);
    let told = |mut heard: Vec<String>| {
        heard.retain(|word| !word.starts_with("notice") && (!word.starts_with("signal") || *word == revoked));
        heard
    };
    assert_eq!(told(heard_to(&mut online, &last("2"))), ["private", "group", "kept", &revoked, &revoked]);
    let heard = told(heard_to(&mut world.login_device("2", "phone"), &last("2")));
    assert_eq!(heard, ["kept", &revoked, &revoked], "no content, and no hole that is never filled");
    let heard = told(heard_to(&mut world.login_device("3", "phone"), &last("3")));
    assert_eq!(heard, ["kept", "to 3", &revoked], "no member any more, and told");
    assert_eq!(told(heard_to(&mut stranger, &last("4"))), [""; 0], "never had it");
}

#[test]
fn d33_no_device_loses_its_push_token_because_another_is_online() {
    let world = World::start();
    let with_token = |uuid: &str, device: Device| Login {
        uuid: uuid.into(),
        device: device.into(),
        device_token: format!("token of {uuid}"),
        ..Login::default()
    };
    leave(&world, "2", login_as(&world, "2", &with_token("phone", Device::Android)));
    let _online =
        login_as(&world, "2", &Login { device_token: String::new(), ..with_token("pc", Device::Windows) });
    // The sender has no device.
    assert!(say(&mut world.login("1"), false, "2", "").is_ok());
    let listed = world.admin.call("GET", "/v1/apps/demo/users/2/devices", &Value::Null);
    let mut devices: Vec<(&str, bool)> = listed["devices"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|device| (device["uuid"].as_str().expect("text"), device["has_push_token"] == true))
        .collect();
    devices.sort_unstable();
    assert_eq!(devices, [("pc", false), ("phone", true)]);
}
