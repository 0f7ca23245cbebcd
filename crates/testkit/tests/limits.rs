//! Limits of the real server, by their keys. A failure means that a key does nothing, or not what its reference says.

use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use halley_testkit::wait::wait_for;
use halley_wire::txchat::refusal_code;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(20);

fn start(scratch: &Scratch, set: &[&str]) -> (Server, Admin) {
    let set = set.iter().map(|line| (*line).to_owned()).collect();
    let server = Server::start(&scratch.path().join("data"), &Options { set, ..Options::default() });
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    (server, admin)
}

fn closes(admin: &Admin, reason: &str) -> u64 {
    admin.call("GET", "/v1/stats", &Value::Null)["closes"][reason].as_u64().unwrap_or_default()
}

#[test]
fn an_address_an_app_and_a_user_have_their_bounds() {
    let scratch = Scratch::new();
    let set =
        ["limits.connections_per_address=4", "limits.connections_per_app=3", "limits.sessions_per_user=2"];
    let (server, admin) = start(&scratch, &set);
    let address = server.address("txchat_tcp");
    let mut first = Raw::login(address, "demo", "1", Some("a"));
    let _second = Raw::login(address, "demo", "1", Some("b"));
    let _third = Raw::login(address, "demo", "1", Some("c"));
    assert_eq!(first.next(WITHIN), Came::Closed, "the oldest of three sessions");
    assert_eq!(closes(&admin, "session_limit"), 1);
    drop(first);
    let _other = Raw::login(address, "demo", "2", Some("a"));
    let mut fourth = Raw::connect(address);
    fourth.send(halley_wire::txchat::Op::AUTH, 0, &halley_testkit::raw::auth("demo", "3", None));
    assert_eq!(fourth.next(WITHIN), Came::Closed, "the app is full");
    assert_eq!(closes(&admin, "app_limit"), 1);
    drop(fourth);
    // Counted by the buckets they fall to, so two that come together may be taken in either order: all that stay are kept.
    let mut silent = Vec::new();
    wait_for("the address to be full", WITHIN, || {
        let mut more = Raw::connect(address);
        let refused = more.next(Duration::from_millis(200)) == Came::Closed;
        silent.push(more);
        refused.then_some(())
    });
    assert!(silent.len() <= 2, "only one fits: {}", silent.len());
    assert!(closes(&admin, "address_limit") >= 1);
    assert!(server.stop().success());
}

#[test]
fn an_app_that_sends_too_much_is_refused_and_others_are_not() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch, &["limits.app_messages_per_second=20"]);
    let _app = admin.call("PUT", "/v1/apps/other", &json!({ "auth": ["dev"] }));
    let address = server.address("txchat_tcp");
    let mut people: Vec<Raw> = ["1", "2", "3"].map(|user| Raw::login(address, "demo", user, None)).into();
    let mut codes = Vec::new();
    for round in 0..40 {
        for person in &mut people {
            person.say(false, "1", &format!("c-{round}"), "x");
            codes.push(person.answer().1.code);
        }
    }
    let refused = codes.iter().filter(|code| **code == refusal_code::RATE_LIMITED).count();
    let accepted = codes.iter().filter(|code| **code == 0).count();
    assert_eq!(refused + accepted, 120);
    assert!(accepted >= 21 && refused > 0, "{accepted} accepted, {refused} refused");
    let mut other = Raw::login(address, "other", "1", None);
    other.say(false, "1", "c", "x");
    assert_eq!(other.answer().1.code, 0);
    assert!(server.stop().success());
}
