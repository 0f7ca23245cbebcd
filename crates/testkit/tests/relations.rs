//! Who may write to whom, on the real server over TCP and WebSocket. A failure means that somebody is heard who was
//! blacklisted or is no friend, or that a change was not in force when it was answered or not after a restart.

use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use halley_wire::txchat::refusal_code;
use serde_json::{Value, json};

const USERS: &str = "/v1/apps/demo/users";

fn start(scratch: &Scratch) -> (Server, Admin) {
    let server = Server::start(&scratch.path().join("data"), &Options::default());
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    (server, admin)
}

/// Says something and answers the code of the refusal; 0 when it was sent.
fn code(from: &mut Raw, to: &str) -> i32 {
    let seq = from.say(false, to, "", "x");
    from.answer_to(seq).code
}

#[test]
fn who_is_blacklisted_is_refused_with_a_code_and_heard_again_when_it_is_over() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let mut one = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    let mut bob = Raw::login_web(server.address("txchat_ws"), "demo", "bob", None);
    assert_eq!(code(&mut one, "bob"), 0);
    assert_eq!(bob.text().from, "1");
    let _none = admin.call("PUT", &format!("{USERS}/bob/blacklist/1"), &Value::Null);
    assert_eq!(code(&mut one, "bob"), refusal_code::BLACKLISTED);
    assert_eq!(code(&mut bob, "1"), 0, "the other way round it is no obstacle");
    let business = json!({ "from": "1", "to": { "user": "bob" }, "content": { "text": "x" } });
    let (status, refused) =
        admin.try_call("POST", "/v1/apps/demo/messages", Some(&business)).expect("answers");
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("blacklisted")));
    let listed = admin.call("GET", &format!("{USERS}/bob/blacklist"), &Value::Null);
    assert_eq!(listed, json!({ "user_ids": ["1"], "next": null }));
    assert!(server.stop().success());

    let (server, admin) = start(&scratch);
    let mut one = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    let mut bob = Raw::login_web(server.address("txchat_ws"), "demo", "bob", None);
    assert_eq!(code(&mut one, "bob"), refusal_code::BLACKLISTED, "after a restart too");
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "blacklist": false }));
    assert_eq!(code(&mut one, "bob"), 0, "the app does not want it checked");
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "blacklist": true }));
    let _none = admin.call("DELETE", &format!("{USERS}/bob/blacklist/1"), &Value::Null);
    assert_eq!(code(&mut one, "bob"), 0);
    assert_eq!((bob.text().from, bob.text().from), ("1".to_owned(), "1".to_owned()));
    assert_eq!(bob.next(Duration::from_millis(300)), Came::Nothing, "what was refused is nowhere");
}

#[test]
fn with_friends_only_friends_write_to_each_other_and_nobody_else_does() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "friends_only": true }));
    let mut one = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    let mut two = Raw::login_web(server.address("txchat_ws"), "demo", "2", None);
    assert_eq!(code(&mut one, "2"), refusal_code::NOT_FRIEND);
    assert_eq!(code(&mut one, "1"), 0, "to oneself");
    let _none = admin.call("PUT", &format!("{USERS}/1/friends/2?mutual=false"), &Value::Null);
    assert_eq!(code(&mut one, "2"), refusal_code::NOT_FRIEND, "one direction is not enough");
    let _none = admin.call("PUT", &format!("{USERS}/2/friends/1"), &Value::Null);
    assert_eq!((code(&mut one, "2"), code(&mut two, "1")), (0, 0));
    let _none = admin.call("DELETE", &format!("{USERS}/1/friends/2"), &Value::Null);
    assert_eq!(
        (code(&mut one, "2"), code(&mut two, "1")),
        (refusal_code::NOT_FRIEND, refusal_code::NOT_FRIEND)
    );
    let group = json!({ "group_id": "7", "owner": "1", "members": ["2"] });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    let seq = two.say(true, "7", "", "x");
    assert_eq!(two.answer_to(seq).code, 0, "groups are not concerned");
}
