//! The main job, as a user would try it: the real server, two people, a group, a restart. A failure means that somebody
//! did not read what was said to them, read it twice, or in another order.

use std::net::SocketAddr;
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use halley_wire::txchat::Op;
use serde_json::{Value, json};

fn start(scratch: &Scratch) -> (Server, Admin, SocketAddr) {
    let server = Server::start(&scratch.path().join("data"), &Options::default());
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev", "token"] }));
    let address = server.address("txchat_tcp");
    (server, admin, address)
}

#[test]
fn what_one_says_both_read_once_and_with_one_id() {
    let scratch = Scratch::new();
    let (server, _admin, address) = start(&scratch);
    let mut alice = Raw::login(address, "demo", "alice", Some("a"));
    let mut bob = Raw::login(address, "demo", "bob", Some("b"));
    let seq = alice.say(false, "bob", "c-1", "hello");
    let (acked, ack) = alice.answer();
    assert_eq!((acked, ack.code), (seq, 0));
    let heard = bob.text();
    assert_eq!((heard.from.as_str(), heard.text.as_str(), heard.message_id), ("alice", "hello", ack.mid));
    assert_eq!(alice.text().message_id, ack.mid, "the sender's own connections see it too");
    let again = alice.say(false, "bob", "c-1", "hello");
    assert_eq!(alice.answer(), (again, ack), "a repetition is answered alike");
    assert_eq!(bob.next(Duration::from_millis(300)), Came::Nothing, "and is delivered once");
    assert!(server.stop().success());
}

#[test]
fn a_refusal_is_answered_with_its_code() {
    let scratch = Scratch::new();
    let (_server, _admin, address) = start(&scratch);
    let mut alice = Raw::login(address, "demo", "1", None);
    for (target, to_group) in
        [("nobody-knows-him", false), ("abc", true), ("", true), ("99999999999999999999", true), ("5", true)]
    {
        let seq = alice.say(to_group, target, "", "x");
        let (acked, ack) = alice.answer();
        assert_eq!((acked, ack.mid), (seq, 0), "{target}");
        assert_ne!(ack.code, 0, "{target}");
    }
}

#[test]
fn a_group_hears_its_members_in_one_order_and_nobody_else() {
    let scratch = Scratch::new();
    let (_server, admin, address) = start(&scratch);
    let group = json!({ "group_id": "3110", "name": "g", "owner": "1", "members": ["2", "3"] });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    let mut members: Vec<Raw> =
        ["1", "2", "3"].iter().map(|user| Raw::login(address, "demo", user, Some("d"))).collect();
    for round in 0..20 {
        for (member, user) in members.iter_mut().zip(1..) {
            member.say(true, "3110", &format!("{user}-{round}"), "x");
        }
    }
    let heard: Vec<Vec<String>> =
        members.iter_mut().map(|member| (0..60).map(|_| member.text().client_id).collect()).collect();
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0], heard[2]);
    let mut stranger = Raw::login(address, "demo", "4", None);
    stranger.say(true, "3110", "s-1", "x");
    assert_ne!(stranger.answer().1.code, 0);
    let _left = admin.call("DELETE", "/v1/apps/demo/groups/3110/members/3", &Value::Null);
    assert_eq!(members[2].push().header.op, Op::RECEIVE_MSG, "who is removed is told so: the notice");
    assert_eq!(members[2].push().header.op, Op::RECEIVE_MSG, "and the signal");
    let late = members[2].say(true, "3110", "3-late", "x");
    assert_ne!(members[2].answer_to(late).code, 0, "a change is in force when it is answered");
    members[0].say(true, "3110", "1-late", "x");
    assert_eq!(members[1].text().client_id, "1-late");
    assert_eq!(members[2].next(Duration::from_millis(300)), Came::Nothing);
}

#[test]
fn what_was_said_while_one_was_away_is_read_at_the_next_login_even_after_a_kill() {
    let scratch = Scratch::new();
    let (server, _admin, address) = start(&scratch);
    let mut bob = Raw::login(address, "demo", "2", Some("b"));
    let mut alice = Raw::login(address, "demo", "1", Some("a"));
    alice.say(false, "2", "c-0", "live");
    assert_eq!(bob.text().text, "live");
    drop(bob);
    for count in 1..=200 {
        alice.say(false, "2", &format!("c-{count}"), &format!("{count}"));
    }
    let mut ids: Vec<i64> = Vec::new();
    while ids.len() < 201 {
        ids.push(alice.answer().1.mid);
    }
    server.kill();
    let (server, admin, address) = start(&scratch);
    let mut bob = Raw::login(address, "demo", "2", Some("b"));
    let mut heard = bob.text();
    if heard.text == "live" {
        // The cursor may lag after a kill; it never leads.
        heard = bob.text();
    }
    for (count, id) in ids.iter().enumerate().skip(1) {
        assert_eq!((heard.text.as_str(), heard.message_id), (count.to_string().as_str(), *id));
        if count < 200 {
            heard = bob.text();
        }
    }
    let page = admin.call("GET", "/v1/apps/demo/timelines/user/2?after=0&limit=500", &Value::Null);
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(201));
    assert!(server.stop().success());
}

#[test]
fn a_clean_stop_keeps_the_cursor_and_the_log_is_free_of_warnings() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.path().join("data"), &Options::default());
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({}));
    let token = |user: &str| {
        let token = admin.call("POST", "/v1/apps/demo/tokens", &json!({ "user_id": user }));
        token["token"].as_str().expect("a token").to_owned()
    };
    let (alice_token, bob_token) = (token("alice"), token("bob"));
    let address = server.address("txchat_tcp");
    let mut alice = Raw::login(address, "demo", &alice_token, Some("a"));
    let mut bob = Raw::login(address, "demo", &bob_token, Some("b"));
    alice.say(false, "bob", "c-1", "one");
    assert_eq!(bob.text().text, "one");
    // The receipt has been handled once a heartbeat behind it is answered.
    bob.send(Op::HEARTBEAT, 0, &[]);
    bob.until(Op::HEARTBEAT_REPLY, |_| {});
    let log = server.log();
    assert!(server.stop().success());
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert!(!log.contains(&alice_token) && !log.contains(&bob_token), "no token in the log");
    let server = Server::start(&scratch.path().join("data"), &Options::default());
    let address = server.address("txchat_tcp");
    let mut bob = Raw::login(address, "demo", &bob_token, Some("b"));
    assert_eq!(
        bob.next(Duration::from_millis(300)),
        Came::Nothing,
        "nothing is shown again after a clean stop"
    );
    let mut alice = Raw::login(address, "demo", &alice_token, Some("a"));
    alice.say(false, "bob", "c-2", "two");
    assert_eq!(bob.text().text, "two");
    assert!(!server.log().contains("WARN"), "{}", server.log());
}
