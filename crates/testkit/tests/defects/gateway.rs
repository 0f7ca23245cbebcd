//! Gateway and wire: D1 to D11.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use halley_testkit::login_server::{Behaviour, LoginServer};
use halley_testkit::raw::{Came, Raw, Text, auth, message};
use halley_testkit::wait::wait_for;
use halley_wire::txchat::pb::TextMsg;
use halley_wire::txchat::{Common, Op, refusal_code};
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::{SOON, World, frame, header, say, web_frame};

/// No push is sent again while a test looks.
const NO_RESEND: &str = "txchat.retransmit_timeout=30s";

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
        for mut raw in users.chain(strangers).collect::<Vec<_>>() {
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

#[test]
fn d03_no_answer_carries_bytes_of_another_request() {
    let world = World::start();
    let mut connections: Vec<(Raw, bool)> = (1..=8)
        .map(|user: i32| user.to_string())
        .map(|user| (world.login(&user), false))
        .chain((9..=16).map(|user| (world.login_web(&user.to_string()), true)))
        .collect();
    let body = |user: usize, seq: i32| {
        let word = seq + i32::try_from(user).expect("is small") * 1_000;
        word.to_be_bytes().repeat(1 + word.unsigned_abs() as usize % 200)
    };
    for (user, (raw, is_web)) in connections.iter_mut().enumerate() {
        let put = if *is_web { web_frame } else { frame };
        let requests: Vec<u8> =
            (0..300).flat_map(|seq| put(Op::SYNC_MSG_REQ, seq, &body(user, seq))).collect();
        raw.send_bytes(&requests);
    }
    for (user, (raw, _)) in connections.iter_mut().enumerate() {
        for seq in 0..300 {
            let Came::Frame(answer) = raw.next(SOON) else { panic!("{seq} is not answered") };
            assert_eq!((answer.header.op, answer.header.seq), (Op::SYNC_MSG_REPLY, seq));
            assert_eq!(answer.body, body(user, seq), "{user}: {seq}");
        }
    }
}

#[test]
fn d04_no_message_is_dropped_because_its_receiver_is_slow() {
    let world = World::with(&[NO_RESEND]);
    let mut bob = world.login("2");
    let mut senders: Vec<Raw> = (100..140).map(|user: i32| world.login(&user.to_string())).collect();
    for (sender, user) in senders.iter_mut().zip(100..) {
        for count in 0..10 {
            sender.say(false, "2", &format!("{user}-{count}"), "x");
        }
    }
    for sender in &mut senders {
        for _ in 0..10 {
            assert_eq!(sender.answer().1.code, 0);
        }
    }
    // He has confirmed none so far.
    let heard: Vec<Text> = (0..400).map(|_| bob.text()).collect();
    assert!(
        heard.iter().zip(1..).all(|(text, push)| text.push == push),
        "no sequence is used up and not sent"
    );
    for user in 100..140 {
        let from =
            heard.iter().filter(|text| text.from == user.to_string()).map(|text| text.client_id.clone());
        let said: Vec<String> = (0..10).map(|count| format!("{user}-{count}")).collect();
        assert_eq!(from.collect::<Vec<String>>(), said);
    }
}

#[test]
fn d05_no_number_of_frames_at_once_closes_a_connection() {
    let world = World::start();
    let beats: Vec<u8> = (0..1_000).flat_map(|seq| frame(Op::HEARTBEAT, seq, &[])).collect();
    let web_beats: Vec<u8> = (0..1_000).flat_map(|seq| web_frame(Op::HEARTBEAT, seq, &[])).collect();
    for (mut raw, beats) in [(world.login("1"), beats), (world.login_web("2"), web_beats)] {
        raw.send_bytes(&beats);
        for seq in 0..1_000 {
            let Came::Frame(answer) = raw.next(SOON) else { panic!("{seq} is not answered") };
            assert_eq!((answer.header.op, answer.header.seq), (Op::HEARTBEAT_REPLY, seq));
        }
    }
}

#[test]
fn d05_who_sends_messages_only_is_not_cut_as_idle() {
    let world = World::with(&["txchat.idle_timeout=2s"]);
    let mut busy = world.login("1");
    let mut idle = world.login("2");
    let began = Instant::now();
    while idle.next(Duration::from_millis(50)) != Came::Closed {
        assert!(say(&mut busy, false, "1", "").is_ok());
        assert!(began.elapsed() < SOON, "the idle one is cut");
    }
    assert!(say(&mut busy, false, "1", "").is_ok());
}

#[test]
fn d06_pushes_are_not_repeated_at_one_pace_nor_without_end_nor_without_a_window() {
    let world = World::with(&["txchat.retransmit_timeout=50ms", "txchat.window=4"]);
    let mut bob = world.login_device("2", "phone");
    let mut alice = world.login("1");
    for count in 0..10 {
        assert!(say(&mut alice, false, "2", &format!("m-{count}")).is_ok());
    }
    // She would be closed like him, for what she hears of herself.
    drop(alice);
    let mut copies: HashMap<i32, Vec<Instant>> = HashMap::new();
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match bob.next(end.saturating_duration_since(Instant::now())) {
            Came::Frame(push) => copies.entry(push.header.seq).or_default().push(Instant::now()),
            Came::Closed => break,
            Came::Nothing => panic!("a client that confirms nothing is closed"),
        }
    }
    // The signal of his own login may have had a place.
    assert!((3..=4).contains(&copies.len()), "no more than a window, not {}", copies.len());
    for (push, times) in copies {
        // One that was sent just before the others were repeated sits that out.
        assert!((8..=9).contains(&times.len()), "{push}: repeated eight times, not {}", times.len() - 1);
        // 50 ms, then twice as long each time; the last pause is 6.4 s.
        assert!(times[times.len() - 1] - times[0] > Duration::from_secs(10), "{push}: the pauses grow");
        assert!(times[3] - times[0] < Duration::from_secs(5), "{push}: and begin short");
    }
    // The sender, who has not confirmed what came to her either, may have been closed too by now.
    assert!(world.metric("halley_closes_total{reason=\"resend_exhausted\"}") >= 1.0);
    let mut bob = world.login_device("2", "phone");
    for count in 0..10 {
        assert_eq!(bob.text().client_id, format!("m-{count}"), "they wait for the next login");
    }
}

#[test]
fn d06_a_client_that_went_with_pushes_unread_stays_registered_nowhere() {
    let world = World::with(&[NO_RESEND]);
    let mut ended = world.login("2");
    let reset = world.login("2");
    let mut alice = world.login("1");
    assert!(say(&mut alice, false, "2", "c").is_ok());
    drop(reset);
    ended.half_close();
    wait_for("the sessions to end", SOON, || (world.sessions("2") == 0).then_some(()));
}

#[test]
fn d07_a_client_that_takes_nothing_holds_nobody_up() {
    let mut world = World::with(&[NO_RESEND, "server.buckets=1", "txchat.window=1024"]);
    world.group("7", "1", &["2"]);
    let stuck = world.login("2");
    let mut alice = world.login("1");
    let text = "x".repeat(15_000);
    for _ in 0..30 {
        for _ in 0..20 {
            alice.say(false, "2", "", &text);
        }
        for _ in 0..20 {
            assert_eq!(alice.answer().1.code, 0);
        }
    }
    // 9 MB are on their way to one that does not read: more than the sockets hold.
    let mut again = world.login("2");
    assert!(say(&mut again, false, "3", "").is_ok());
    let (admin, members) = (world.admin.clone(), "/v1/apps/demo/groups/7/members");
    let changes = std::thread::spawn(move || {
        for _ in 0..20 {
            let _added = admin.call("POST", members, &json!({ "user_ids": ["3"] }));
            let _removed = admin.call("DELETE", &format!("{members}/3"), &Value::Null);
        }
    });
    for count in 0..40 {
        let mut member = world.login("3");
        if count % 2 == 0 {
            assert!(say(&mut member, false, "4", "").is_ok());
        }
        drop(world.login("2"));
    }
    changes.join().expect("every change is answered");
    drop(stuck);
    world.is_well();
}

#[test]
fn d08_no_member_hears_a_group_in_another_order() {
    let world = World::with(&[NO_RESEND, "txchat.window=1024"]);
    world.group("7", "1", &["2", "3", "4", "5"]);
    let users = ["1", "2", "3", "4", "5"];
    let mut members: Vec<Raw> = users.iter().map(|user| world.login(user)).collect();
    for round in 0..40 {
        for (member, user) in members.iter_mut().zip(users) {
            member.say(true, "7", &format!("{user}-{round}"), "x");
        }
    }
    let heard: Vec<Vec<String>> =
        members.iter_mut().map(|member| (0..200).map(|_| member.text().client_id).collect()).collect();
    for (of_member, user) in heard.iter().zip(users) {
        assert_eq!(of_member, &heard[0], "{user}");
        let own = of_member.iter().filter(|client_id| client_id.starts_with(user));
        let said: Vec<String> = (0..40).map(|round| format!("{user}-{round}")).collect();
        assert!(own.eq(said.iter()), "each in the order of its sending: {of_member:?}");
    }
}

#[test]
fn d09_no_group_message_takes_the_way_of_a_connection_that_has_gone() {
    let world = World::with(&[NO_RESEND]);
    world.group("7", "1", &["2", "3"]);
    for _ in 0..30 {
        // One ends before its login is handled, the others behind it.
        let mut hasty = Raw::connect(world.tcp());
        hasty.send(Op::AUTH, 0, &auth("demo", "2", None));
        drop((hasty, world.login("2"), world.login("3")));
    }
    wait_for("the sessions to end", SOON, || (world.sessions("2") + world.sessions("3") == 0).then_some(()));
    let mut strangers: Vec<Raw> = (0..60).map(|_| world.login("4")).collect();
    let mut members = [world.login("1"), world.login("2"), world.login("2")];
    for count in 0..20 {
        assert!(say(&mut members[0], true, "7", &format!("m-{count}")).is_ok());
    }
    for member in &mut members[1..] {
        for count in 0..20 {
            let heard = member.text();
            assert_eq!((heard.push, heard.client_id), (count + 1, format!("m-{count}")), "once");
        }
    }
    for raw in members[1..].iter_mut().chain(&mut strangers) {
        raw.send(Op::HEARTBEAT, 0, &[]);
        let Came::Frame(reply) = raw.next(SOON) else { panic!("not answered") };
        assert_eq!(reply.header.op, Op::HEARTBEAT_REPLY, "nothing else has come");
    }
}

#[test]
fn d10_no_ping_waits_and_no_close_goes_unanswered() {
    let world = World::start();
    let mut raw = world.login_web("1");
    raw.send_bytes(b"\x89\x04ping");
    assert_eq!(raw.bytes(6), b"\x8a\x04ping", "at once, without a frame behind it");
    raw.send_bytes(b"\x88\x02\x03\xe8");
    assert_eq!(raw.bytes(4), b"\x88\x02\x03\xe8");
    assert_eq!(raw.next(SOON), Came::Closed);
}

#[test]
fn d11_no_login_is_refused_without_a_reason() {
    let world = World::start();
    let dead = LoginServer::start(|_| Behaviour::Close);
    let _app = world.admin.call("PUT", "/v1/apps/strict", &json!({ "auth": ["token"] }));
    let http = json!({ "auth": ["http"], "http_auth": { "url": dead.url() } });
    let _app = world.admin.call("PUT", "/v1/apps/dead", &http);
    for (app, code) in [("strict", 1_008), ("nowhere", 1_008), ("dead", 1_013)] {
        let mut raw = Raw::connect_web(world.web());
        raw.send(Op::AUTH, 0, &auth(app, "1", None));
        assert_eq!((raw.next(SOON), raw.close_code()), (Came::Closed, Some(code)), "{app}");
    }
}

#[test]
fn d11_no_message_is_rejected_without_an_answer() {
    let world = World::start();
    world.group("7", "2", &["3"]);
    let mut raw = world.login("1");
    let mut picture_of_nothing = Vec::new();
    let notice = TextMsg::default().encode_to_vec();
    let unknown = Common { target: "2", msg_type: 99, msg: &notice, ..Common::default() };
    unknown.put(&mut picture_of_nothing);
    for (body, code) in [
        (b"no envelope".to_vec(), refusal_code::MALFORMED),
        (picture_of_nothing, refusal_code::TYPE_NOT_ALLOWED),
        (message(false, "nobody-knows-him", "c-1", "x"), refusal_code::UNKNOWN_USER),
        (message(true, "5", "c-2", "x"), refusal_code::UNKNOWN_GROUP),
        (message(true, "abc", "c-3", "x"), refusal_code::UNKNOWN_GROUP),
        (message(true, "7", "c-4", "x"), refusal_code::NOT_MEMBER),
        (message(true, "7", "c-4", "x"), refusal_code::NOT_MEMBER),
    ] {
        let seq = raw.send(Op::SEND_MSG, 0, &body);
        let ack = raw.answer_to(seq);
        assert_eq!((ack.mid, ack.code), (0, code));
    }
    assert!(say(&mut raw, false, "2", "c-5").is_ok(), "and the connection lives");
}
