//! Writes the data directory that `tests/upgrade.rs` opens: `make-fixture FILE.tar.gz`, with `HALLEY_BIN` naming the
//! release whose format it is to keep. Run once for every release; the files stay in `fixtures/` for ever.
//!
//! What it holds is what the test looks for: change the two together, and never for a fixture that is there already.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Raw, Text};
use halley_testkit::scratch::Scratch;
use halley_testkit::wait::wait_for;
use serde_json::{Value, json};

fn main() {
    let target = std::env::args().nth(1).expect("usage: make-fixture FILE.tar.gz");
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let server = Server::start(&data, &Options::default());
    fill(&server);
    assert!(server.stop().success(), "a clean stop");
    pack(scratch.path(), Path::new(&target));
}

fn fill(server: &Server) {
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let address = server.address("txchat_tcp");
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["token", "dev"] }));
    let _other = admin.call("PUT", "/v1/apps/other", &json!({ "auth": ["token"] }));
    let _token = admin.call("PUT", "/v1/apps/demo/tokens/token-of-alice", &json!({ "user_id": "alice" }));
    drop(Raw::login(address, "demo", "bob", Some("bob-phone")));
    let group = json!({ "group_id": "3110", "name": "friends", "owner": "alice", "members": ["bob", "7"] });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    let crowd =
        json!({ "group_id": "9", "name": "crowd", "owner": "7", "super": true, "members": ["alice"] });
    let _crowd = admin.call("POST", "/v1/apps/demo/groups", &crowd);
    let _muted = admin.call(
        "PUT",
        "/v1/apps/demo/groups/3110/members/7/mute",
        &json!({ "muted": true, "until": null }),
    );
    let mut alice = Raw::login(address, "demo", "alice", Some("alice-phone"));
    let mut bob = Raw::login(address, "demo", "bob", Some("bob-phone"));
    for count in 0..10 {
        say(&mut alice, false, "bob", &format!("private-{count}"));
        say(&mut bob, true, "3110", &format!("group-{count}"));
    }
    say(&mut alice, true, "9", "crowd-0");
    // Bob's phone has acknowledged what came first; the rest must come again.
    let heard: Vec<Text> = (0..8).map(|_| bob.text()).collect();
    drop(bob);
    let pushed = heard.iter().map(|text| text.client_id.as_str()).collect::<Vec<_>>();
    assert_eq!(pushed.len(), 8, "{pushed:?}");
    let gone = || {
        let sessions = admin.call("GET", "/v1/apps/demo/users/bob/sessions", &Value::Null);
        sessions["sessions"].as_array().is_some_and(Vec::is_empty).then_some(())
    };
    wait_for("bob to be gone", Duration::from_secs(10), gone);
}

fn say(from: &mut Raw, to_group: bool, target: &str, client_id: &str) {
    let seq = from.say(to_group, target, client_id, &format!("text of {client_id}"));
    assert_eq!(from.answer_to(seq).code, 0, "{client_id}");
}

fn pack(folder: &Path, target: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--gzip").arg("--sparse").arg("--sort=name").arg("--owner=0").arg("--group=0");
    tar.arg("--file").arg(target).arg("--directory").arg(folder).arg("data");
    assert!(tar.status().expect("tar is there").success(), "packed");
}
