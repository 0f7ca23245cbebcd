//! Revocations on the real server, over TCP and WebSocket. A failure means that somebody is shown what was taken back, that
//! a client that has it is not told, or that somebody takes back what is not theirs.

use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw, text_of};
use halley_testkit::scratch::Scratch;
use halley_wire::txchat::pb::{SignalRevoke, SignalType};
use halley_wire::txchat::{Common, Frame, Op, Signal};
use prost::Message as _;
use serde_json::{Value, json};

fn start(scratch: &Scratch) -> (Server, Admin) {
    let server = Server::start(&scratch.path().join("data"), &Options::default());
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    (server, admin)
}

/// Says something and answers its id.
fn say(from: &mut Raw, to_group: bool, to: &str, client_id: &str) -> i64 {
    let seq = from.say(to_group, to, client_id, &format!("text of {client_id}"));
    let ack = from.answer_to(seq);
    assert_eq!(ack.code, 0, "{client_id}");
    ack.mid
}

fn revoke(admin: &Admin, id: i64, operator: &str) -> (u16, Value) {
    let path = format!("/v1/apps/demo/messages/{id}/revoke");
    admin.try_call("POST", &path, Some(&json!({ "operator": operator }))).expect("answers")
}

/// Revokes, and must succeed; answers whether it was revoked before.
fn revoked(admin: &Admin, id: i64, operator: &str) -> bool {
    let (status, answer) = revoke(admin, id, operator);
    assert_eq!(status, 200, "{id} {operator}: {answer}");
    assert_eq!(answer["message_id"], json!(id.to_string()));
    answer["repeated"] == true
}

fn refused(admin: &Admin, id: i64, operator: &str) -> (u16, String) {
    let (status, answer) = revoke(admin, id, operator);
    (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// The next push, acknowledged.
fn push(raw: &mut Raw) -> Frame {
    let frame = raw.until(Op::RECEIVE_MSG, |_| {});
    raw.receipt(frame.header.seq);
    frame
}

/// The Revoke signal that a push is: message, operator, whether its author took it back.
fn signal(frame: &Frame) -> (i64, String, bool) {
    let signal = Signal::parse(&frame.body).expect("a signal");
    assert_eq!((signal.kind, signal.reliable), (SignalType::Revoke as i32, true));
    assert_ne!(signal.sid, 0);
    let body = SignalRevoke::decode(signal.body).expect("a Revoke");
    (body.mid, body.operator, body.self_)
}

/// Without receipts: they come in a moment of their own.
fn history(admin: &Admin, timeline: &str) -> Vec<Value> {
    let path = format!("/v1/apps/demo/timelines/{timeline}?after=0&limit=500");
    let page = admin.call("GET", &path, &Value::Null);
    let messages = page["entries"].as_array().expect("entries").iter().map(|entry| &entry["message"]);
    messages.filter(|message| message["kind"] != json!("receipt")).cloned().collect()
}

#[test]
fn who_has_the_message_gets_the_signal_and_who_comes_later_gets_nothing_but_the_signal() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let (tcp, web) = (server.address("txchat_tcp"), server.address("txchat_ws"));
    let mut alice = Raw::login(tcp, "demo", "alice", Some("a"));
    drop(Raw::login(tcp, "demo", "bob", Some("phone")));
    let mut bob = Raw::login_web(web, "demo", "bob", Some("web"));
    let taken_back = say(&mut alice, false, "bob", "c-1");
    let kept = say(&mut alice, false, "bob", "c-2");
    assert_eq!(
        (text_of(&push(&mut bob)).message_id, text_of(&push(&mut bob)).message_id),
        (taken_back, kept)
    );
    assert!(!revoked(&admin, taken_back, "alice"));
    for raw in [&mut bob, &mut alice] {
        let mut frame = push(raw);
        while Common::parse(&frame.body).is_ok() {
            frame = push(raw);
        }
        assert_eq!(signal(&frame), (taken_back, "alice".to_owned(), true));
    }
    assert!(revoked(&admin, taken_back, "alice"), "again: nothing changes");
    assert_eq!(bob.next(Duration::from_millis(300)), Came::Nothing, "and nobody is told again");

    // The phone was away all the time.
    let mut phone = Raw::login(tcp, "demo", "bob", Some("phone"));
    assert_eq!(text_of(&push(&mut phone)).client_id, "c-2", "never the content of what was taken back");
    assert_eq!(signal(&push(&mut phone)).0, taken_back);
    assert_eq!(phone.next(Duration::from_millis(300)), Came::Nothing);

    // A repetition of the send is the same message still.
    assert_eq!(say(&mut alice, false, "bob", "c-1"), taken_back);

    let check = |admin: &Admin| {
        for user in ["user/alice", "user/bob"] {
            let listed = history(admin, user);
            let kinds: Vec<_> = listed.iter().map(|message| message["kind"].clone()).collect();
            assert_eq!(kinds, ["message", "message", "revocation"]);
            let gone = &listed[0];
            assert_eq!((&gone["revoked"], &gone["revoked_by"]), (&json!(true), &json!("alice")));
            assert_eq!(gone["id"], json!(taken_back.to_string()));
            assert!(gone.get("text").is_none() && gone.get("body").is_none(), "{gone}");
            assert_eq!((&listed[1]["text"], listed[1].get("revoked")), (&json!("text of c-2"), None));
            assert_eq!(listed[2]["message_ids"], json!([taken_back.to_string()]));
        }
        let found = admin.call("GET", &format!("/v1/apps/demo/messages/{taken_back}"), &Value::Null);
        assert_eq!((&found["message"]["revoked"], found["message"].get("body")), (&json!(true), None));
        let found = admin.call("GET", &format!("/v1/apps/demo/messages/{kept}"), &Value::Null);
        assert_eq!(found["message"]["text"], "text of c-2");
    };
    check(&admin);
    server.kill();
    let (server, admin) = start(&scratch);
    check(&admin);
    assert!(revoked(&admin, taken_back, "alice"), "known after a crash too");
    assert!(server.stop().success());
    let (server, admin) = start(&scratch);
    check(&admin);
    // One in the index, its revocation in the tail.
    assert!(!revoked(&admin, kept, "alice"));
    assert_eq!(history(&admin, "user/bob")[1]["revoked"], true);
    assert!(server.stop().success());
}

#[test]
fn only_who_may_takes_back_a_message() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let tcp = server.address("txchat_tcp");
    let group = json!({ "group_id": "7", "owner": "1", "members": ["2", "3", "4"] });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    let _admin = admin.call("PATCH", "/v1/apps/demo/groups/7/members/2", &json!({ "role": "admin" }));
    let mut users: Vec<Raw> =
        ["1", "2", "3", "4"].iter().map(|user| Raw::login(tcp, "demo", user, None)).collect();
    let not_allowed = || (403, "revoke_not_allowed".to_owned());
    let expired = || (403, "revoke_expired".to_owned());

    let private = say(&mut users[0], false, "2", "p");
    for operator in ["2", "3"] {
        assert_eq!(refused(&admin, private, operator), not_allowed(), "only the author");
    }
    assert!(!revoked(&admin, private, "1"));
    assert_eq!(refused(&admin, private, "2"), not_allowed(), "that it is revoked gives no right");

    let of: Vec<i64> = (0..4).map(|at| say(&mut users[at], true, "7", &format!("g-{at}"))).collect();
    let [of_owner, of_admin, of_three, of_four] = of[..] else { panic!("four") };
    assert_eq!(refused(&admin, of_owner, "2"), not_allowed(), "an admin, the owner's");
    assert_eq!(refused(&admin, of_owner, "3"), not_allowed());
    assert_eq!(refused(&admin, of_admin, "3"), not_allowed());
    assert_eq!(refused(&admin, of_four, "3"), not_allowed());
    assert_eq!(refused(&admin, of_four, "9"), not_allowed(), "a stranger");
    assert!(!revoked(&admin, of_three, "3"), "the author");

    // The time of authors is over; that of owner and admins is not.
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "revoke_within_s": 0 }));
    std::thread::sleep(Duration::from_millis(5));
    let late = say(&mut users[2], false, "1", "late");
    assert_eq!(refused(&admin, of_four, "4"), expired());
    assert_eq!(refused(&admin, late, "3"), expired());
    assert!(revoked(&admin, private, "1"), "a repetition has no time");
    assert!(!revoked(&admin, of_four, "2"), "an admin");
    assert!(!revoked(&admin, of_admin, "1"), "the owner");
    assert!(!revoked(&admin, of_owner, "1"), "the owner's own");
    let listed = history(&admin, "group/7");
    let by: Vec<_> = listed.iter().filter_map(|message| message["revoked_by"].as_str()).collect();
    assert_eq!(by, ["1", "1", "3", "2"]);
    let mut told = Vec::new();
    while told.len() < 4 {
        let frame = push(&mut users[3]);
        if Signal::parse(&frame.body).is_ok() {
            told.push(signal(&frame));
        }
    }
    let (one, two, three) = ("1".to_owned(), "2".to_owned(), "3".to_owned());
    let expected = [
        (of_three, three, true),
        (of_four, two, false),
        (of_admin, one.clone(), false),
        (of_owner, one, true),
    ];
    assert_eq!(told, expected);

    assert_eq!(refused(&admin, 12_345, "1"), (404, "unknown_message".to_owned()));
    assert_eq!(refused(&admin, of_owner, "nobody"), (404, "unknown_user".to_owned()));
    let signal_entry = &history(&admin, "user/4").into_iter().find(|message| message["kind"] == "revocation");
    let id = signal_entry.as_ref().expect("one")["id"].as_str().expect("an id").parse().expect("a number");
    assert_eq!(refused(&admin, id, "1"), (404, "unknown_message".to_owned()), "a revocation is no message");
    let (status, _) = admin.try_call("GET", "/v1/apps/demo/messages/12345", None).expect("answers");
    assert_eq!(status, 404);
}

#[test]
fn many_who_revoke_at_once_make_one_revocation() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    for round in 0..5 {
        let id = say(&mut alice, false, "2", &format!("c-{round}"));
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let admin = admin.clone();
                std::thread::spawn(move || revoked(&admin, id, "1"))
            })
            .collect();
        let first = calls.into_iter().filter(|_| true).map(|call| call.join().expect("succeeds"));
        assert_eq!(first.filter(|repeated| !repeated).count(), 1);
    }
    let revocations = history(&admin, "user/2");
    let count = revocations.iter().filter(|message| message["kind"] == "revocation").count();
    assert_eq!(count, 5);
    assert!(server.stop().success());
}

#[test]
fn a_super_groups_history_forgets_what_was_taken_back() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let group = json!({ "group_id": "8", "owner": "1", "members": ["2"], "super": true });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    let mut two = Raw::login(server.address("txchat_tcp"), "demo", "2", None);
    let id = say(&mut two, true, "8", "c-1");
    let kept = say(&mut two, true, "8", "c-2");
    assert!(!revoked(&admin, id, "1"));
    let mut listed = history(&admin, "group/8");
    listed.retain(|message| message["kind"] != "group_change");
    assert_eq!((&listed[0]["revoked_by"], listed[0].get("text")), (&json!("1"), None));
    assert_eq!(listed[1]["id"], json!(kept.to_string()));
    assert_eq!(listed[2]["kind"], "revocation");
    assert!(server.stop().success());
}
