//! Retention on the whole server: what is too old or too much is not shown any more, not after a restart and not after the
//! index was rebuilt either, and everything else is still there in its order.

use std::path::Path;
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use halley_testkit::wait::wait_for;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(20);

fn start(data: &Path, set: &[&str]) -> (Server, Admin) {
    let mut lines = vec!["retention.every=50ms".to_owned()];
    lines.extend(set.iter().map(|line| (*line).to_owned()));
    let server = Server::start(data, &Options { set: lines, ..Options::default() });
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    (server, admin)
}

fn ids(page: &Value) -> Vec<String> {
    let entries = page["entries"].as_array().expect("entries").iter();
    let messages =
        entries.map(|entry| &entry["message"]).filter(|message| message["kind"] == json!("message"));
    messages.filter_map(|message| message["client_id"].as_str()).map(str::to_owned).collect()
}

/// Upwards and downwards; the two must be the same, unless a floor rises between the two reads: then they are read again.
fn listed(admin: &Admin, timeline: &str) -> Vec<String> {
    let read = |query: &str| {
        admin.call("GET", &format!("/v1/apps/demo/timelines/{timeline}?{query}&limit=500"), &Value::Null)
    };
    wait_for(&format!("{timeline} to be listed alike in both directions"), WITHIN, || {
        let up = ids(&read("after=0"));
        let mut down = ids(&read("before=9007199254740991"));
        down.reverse();
        (up == down).then_some(up)
    })
}

fn say(from: &mut Raw, to_group: bool, target: &str, ids: std::ops::Range<usize>) {
    for count in ids {
        let seq = from.say(to_group, target, &format!("m-{count}"), "x");
        assert_eq!(from.answer_to(seq).code, 0, "m-{count}");
    }
}

fn expected(ids: std::ops::Range<usize>) -> Vec<String> {
    ids.map(|count| format!("m-{count}")).collect()
}

fn metric(admin: &Admin, name: &str) -> u64 {
    let (_status, text) = admin.try_text("GET", "/metrics", None).expect("metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("halley_{name} ")));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no metric {name}: {text}"))
}

#[test]
fn of_every_timeline_the_newest_entries_are_kept() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, admin) = start(&data, &["retention.entries=20"]);
    let group = json!({ "group_id": "5", "name": "g", "owner": "1", "super": true, "members": ["2"] });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    let address = server.address("txchat_tcp");
    // A device that is away and comes back below the floor.
    let mut bob = Raw::login(address, "demo", "2", Some("phone"));
    let mut alice = Raw::login(address, "demo", "1", Some("a"));
    say(&mut alice, false, "2", 0..3);
    for count in 0..3 {
        assert_eq!(bob.text().client_id, format!("m-{count}"));
    }
    drop(bob);
    // The receipt is an entry of the sender's inbox too: it must stand before what is counted here.
    wait_for("the receipt", WITHIN, || {
        let path = "/v1/apps/demo/timelines/user/1?after=0&limit=500";
        let page = admin.call("GET", path, &Value::Null);
        let mut entries = page["entries"].as_array().expect("entries").iter();
        entries.any(|entry| entry["message"]["kind"] == json!("receipt")).then_some(())
    });
    say(&mut alice, false, "2", 3..60);
    say(&mut alice, true, "5", 60..90);
    let kept = |admin: &Admin, timeline, ids| {
        wait_for(&format!("the floor of {timeline}"), WITHIN, || {
            (listed(admin, timeline) == expected(std::ops::Range::clone(&ids))).then_some(())
        });
    };
    for timeline in ["user/1", "user/2"] {
        kept(&admin, timeline, 40..60);
    }
    kept(&admin, "group/5", 70..90);
    let mut bob = Raw::login(address, "demo", "2", Some("phone"));
    // The inbox, and then the feed of the super group, each from its floor on.
    for count in (40..60).chain(70..90) {
        assert_eq!(bob.text().client_id, format!("m-{count}"));
    }
    assert_eq!(bob.next(Duration::from_millis(200)), Came::Nothing);
    assert!(metric(&admin, "cursors_moved_total") >= 1);
    assert!(metric(&admin, "floors_raised_total") >= 3);
    assert_eq!(metric(&admin, "retention_failures_total"), 0);
    assert!(server.stop().success());

    // Floors outlive the setting, the process and the index.
    let (server, admin) = start(&data, &[]);
    assert_eq!(listed(&admin, "user/2"), expected(40..60));
    assert!(server.stop().success());
    std::fs::remove_dir_all(data.join("index")).expect("removed");
    let (server, admin) = start(&data, &[]);
    // The sender's inbox has receipts by now, which count as entries there.
    assert_eq!(listed(&admin, "user/2"), expected(40..60));
    assert_eq!(listed(&admin, "group/5"), expected(70..90));
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", Some("a"));
    say(&mut alice, false, "2", 90..91);
    assert_eq!(listed(&admin, "user/2"), [expected(40..60), expected(90..91)].concat());
    server.kill();

    // All timelines are looked at after a start, whether they grow or not.
    let (_server, admin) = start(&data, &["retention.entries=7"]);
    kept(&admin, "group/5", 83..90);
    let newest = [expected(54..60), expected(90..91)].concat();
    wait_for("the floor of user/2", WITHIN, || (listed(&admin, "user/2") == newest).then_some(()));
}

#[test]
fn what_is_too_old_is_not_shown_and_what_is_new_is() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, admin) = start(&data, &["retention.age=1s"]);
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", Some("a"));
    say(&mut alice, false, "2", 0..5);
    wait_for("what is old to be gone", WITHIN, || listed(&admin, "user/2").is_empty().then_some(()));
    server.kill();
    let (server, admin) = start(&data, &[]);
    assert!(listed(&admin, "user/2").is_empty(), "a floor survives a crash");
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", Some("a"));
    say(&mut alice, false, "2", 5..8);
    assert_eq!(listed(&admin, "user/2"), expected(5..8));
}
