//! Logic: logins, presence, pushes from the business side. D12 to D16.

use std::time::Duration;

use halley_grpc::comet::{Proto, PushMsgReply};
use halley_grpc::logic::logic_client::LogicClient;
use halley_grpc::logic::{KeysMsg, MidsMsg};
use halley_testkit::login_server::{Behaviour, LoginServer};
use halley_testkit::raw::{Came, Raw, auth, message};
use halley_testkit::tokens::{now_ms, signed};
use halley_testkit::wait::wait_for;
use halley_wire::txchat::Op;
use prost::Message as _;
use serde_json::json;
use tonic::transport::Endpoint;

use crate::support::{SOON, World, frame, say};

/// Whether this token lets a client in.
fn is_let_in(world: &World, app: &str, token: &str) -> bool {
    let mut raw = Raw::connect(world.tcp());
    raw.send(Op::AUTH, 0, &auth(app, token, None));
    match raw.next(SOON) {
        Came::Frame(reply) => reply.header.op == Op::AUTH_REPLY && reply.body.is_empty(),
        Came::Closed => false,
        Came::Nothing => panic!("neither let in nor refused"),
    }
}

#[test]
fn d12_no_session_outlives_its_connection() {
    let world = World::with(&["txchat.idle_timeout=2s"]);
    let mut alive = world.login("1");
    let mut dead = world.login("1");
    drop(world.login("2"));
    wait_for("the session to end", SOON, || (world.sessions("2") == 0).then_some(()));
    assert_eq!(world.sessions("1"), 2);
    wait_for("the dead session to end", SOON, || {
        // What one connection does keeps no other of the same user.
        alive.send(Op::HEARTBEAT, 0, &[]);
        let _beat = alive.until(Op::HEARTBEAT_REPLY, |_| {});
        (world.sessions("1") == 1).then_some(())
    });
    assert_eq!(dead.next(SOON), Came::Closed);
    let world = world.killed();
    assert_eq!(world.sessions("1"), 0, "nobody is online after a crash");
    let _alice = world.login("1");
    assert_eq!(world.sessions("1"), 1);
}

#[test]
fn d13_no_push_is_lost_or_refused_for_where_its_receivers_are() {
    let world = World::with(&["server.buckets=4"]);
    let users: Vec<String> = (1..=12).map(|user: i32| user.to_string()).collect();
    let mut online: Vec<Raw> = users.iter().map(|user| world.login_device(user, "phone")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("http://{}", world.server.address("logic_grpc"));
    let channel = runtime.block_on(Endpoint::from_shared(url).expect("a URL").connect());
    let mut logic = LogicClient::new(channel.expect("the server accepts"));
    let said = |client_id: &str| {
        let body = message(false, "1", client_id, "x");
        Proto { ver: 1, op: Op::RECEIVE_MSG.0, seq: 0, ack: 0, body: body.into() }.encode_to_vec()
    };

    // To connections of every bucket, and to one that is nowhere: the reply has the number of each.
    let keys: Vec<String> = users.iter().map(|user| world.session(user)).collect();
    let push = KeysMsg {
        app_id: "demo".to_owned(),
        to_keys: keys.iter().cloned().chain(["0.0.77777".to_owned()]).collect(),
        msg: said("live").into(),
        ..KeysMsg::default()
    };
    let reply = runtime.block_on(logic.push_by_keys(push)).expect("whom it cannot reach is skipped");
    let index = PushMsgReply::decode(reply.into_inner().msg).expect("a gateway's reply").index;
    assert_eq!(index.len(), keys.len());
    for (raw, key) in online.iter_mut().zip(&keys) {
        let heard = raw.text();
        assert_eq!((heard.client_id.as_str(), Some(&heard.push)), ("live", index.get(key)));
    }

    // To users, of whom some are away.
    let away = ["50", "away"].map(str::to_owned);
    let push = MidsMsg {
        app_id: "demo".to_owned(),
        to_ids: users.iter().chain(&away).cloned().collect(),
        msg: said("kept").into(),
        ..MidsMsg::default()
    };
    let reply = runtime.block_on(logic.push_by_mids(push)).expect("who is away is no error");
    assert!(reply.into_inner().is_ok);
    for raw in &mut online {
        assert_eq!(raw.text().client_id, "kept");
        // What is confirmed is known to be read when this is answered.
        raw.send(Op::HEARTBEAT, 0, &[]);
        let _beat = raw.until(Op::HEARTBEAT_REPLY, |_| {});
    }
    drop(online);
    let mut sender = world.login("60");
    for user in users.iter().chain(&away) {
        assert!(say(&mut sender, false, user, &format!("later-{user}")).is_ok());
    }
    for user in &users {
        let mut raw = world.login_device(user, "phone");
        assert_eq!(raw.text().client_id, format!("later-{user}"), "the other is read");
    }
    for user in &away {
        let mut raw = world.login_device(user, "phone");
        let heard = [raw.text().client_id, raw.text().client_id];
        assert_eq!(heard, ["kept".to_owned(), format!("later-{user}")]);
    }
}

#[test]
fn d14_no_colon_in_a_user_id_breaks_anything() {
    let world = World::start();
    let mut alice = world.login("a:b:c");
    let mut bob = world.login(":");
    assert!(say(&mut alice, false, ":", "c-1").is_ok());
    let heard = bob.text();
    assert_eq!((heard.from.as_str(), heard.client_id.as_str()), ("a:b:c", "c-1"));
    assert!(say(&mut bob, false, "a:b:c", "c-2").is_ok());
    assert_eq!(alice.until(Op::RECEIVE_MSG, |_| {}).header.seq, 2, "behind the echo of one's own");
    assert_eq!((world.sessions("a:b:c"), world.sessions(":")), (1, 1));
}

#[test]
fn d14_no_frame_but_a_message_waits_for_a_log_and_no_flood_disconnects() {
    let world = World::with(&["server.buckets=1", "limits.user_messages_per_second=0"]);
    let mut raw = world.login("1");
    let commits = world.metric("halley_journal_commits_total");
    for _ in 0..300 {
        raw.send(Op::HEARTBEAT, 0, &[]);
        raw.send(Op::RECEIVE_MSG_REPLY, 1, &[]);
        raw.send(Op::SYNC_MSG_REQ, 0, &[]);
    }
    for _ in 0..600 {
        assert!(matches!(raw.next(SOON), Came::Frame(_)));
    }
    assert_eq!(world.metric("halley_journal_commits_total"), commits);
    // More at once than may wait between the gateway and the log.
    let mut flood: Vec<Raw> = (10..26).map(|user: i32| world.login(&user.to_string())).collect();
    for raw in &mut flood {
        let body = message(false, "2", "", "");
        raw.send_bytes(&(0..800).flat_map(|seq| frame(Op::SEND_MSG, seq, &body)).collect::<Vec<u8>>());
    }
    for raw in &mut flood {
        for seq in 0..800 {
            let (acked, ack) = raw.answer();
            assert_eq!((acked, ack.code), (seq, 0));
        }
    }
}

#[test]
fn d15_no_token_of_another_time_or_app_and_no_back_door_lets_anybody_in() {
    let world = World::start();
    let strict = json!({ "auth": ["signature"], "replay_guard": true });
    let _app = world.admin.call("PUT", "/v1/apps/signed", &strict);
    let year_ms = 365 * 24 * 3_600_000;
    let now = now_ms();
    assert!(!is_let_in(&world, "signed", &signed("signed", now + year_ms)), "dated ahead");
    assert!(!is_let_in(&world, "signed", &signed("signed", now - year_ms)), "too old");
    assert!(!is_let_in(&world, "signed", &signed("other", now)), "another app's");
    for word in ["MOCK", "MOCK2"] {
        assert!(!is_let_in(&world, "signed", word), "{word}");
    }
    let token = signed("signed", now_ms());
    assert!(is_let_in(&world, "signed", &token));
    assert!(!is_let_in(&world, "signed", &token), "seen before");
}

#[test]
fn d15_no_apps_timeout_is_anothers_and_no_yes_is_asked_for_twice() {
    let world = World::start();
    let yes = r#"{"result":0,"data":{"address":"1"}}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", yes.len());
    let silent = LoginServer::start(|_| Behaviour::Silent);
    let slow = LoginServer::start(move |_| Behaviour::Trickle(format!("{head}{yes}")));
    for (app, server, timeout_ms) in [("hasty", &silent, 200), ("patient", &slow, 7_000)] {
        let http = json!({ "url": server.url(), "timeout_ms": timeout_ms, "cache_s": 3_600 });
        let settings = json!({ "auth": ["http"], "http_auth": http });
        let _app = world.admin.call("PUT", &format!("/v1/apps/{app}"), &settings);
    }
    assert!(!is_let_in(&world, "hasty", "t"));
    assert!(is_let_in(&world, "patient", "t"), "after about two seconds");
    assert!(is_let_in(&world, "patient", "t"));
    assert_eq!(slow.asked().len(), 1);
}

#[test]
fn d16_no_group_message_is_missed_right_after_a_login() {
    let world = World::start();
    world.group("7", "1", &["2"]);
    let mut alice = world.login("1");
    for count in 0..50 {
        let client_id = format!("m-{count}");
        let mut bob = world.login("2");
        assert!(say(&mut alice, true, "7", &client_id).is_ok());
        assert_eq!(bob.text().client_id, client_id);
    }
}

#[test]
fn d16_a_refused_login_leaves_nothing_behind() {
    let world = World::with(&["limits.connections_per_app=1"]);
    let mut alice = world.login("1");
    for _ in 0..10 {
        assert!(!is_let_in(&world, "demo", "2"), "there is no room");
    }
    assert_eq!(world.sessions("2"), 0);
    assert!(say(&mut alice, false, "2", "c").is_ok());
    assert_eq!(alice.until(Op::RECEIVE_MSG, |_| {}).header.seq, 1);
    assert_eq!(alice.next(Duration::from_millis(100)), Came::Nothing);
}
