//! What is deleted is gone: at once for readers, and soon from the disk, byte for byte; what others have stays, in its
//! order. A failure means that deleted data is still there, or that something else went with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server, binary};
use halley_testkit::raw::{Came, Raw, auth};
use halley_testkit::scratch::Scratch;
use halley_testkit::wait::wait_for;
use halley_wire::txchat::Op;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(30);

fn start(data: &Path, set: &[&str]) -> (Server, Admin) {
    let mut lines = vec![
        "retention.every=50ms".to_owned(),
        "retention.reclaim_after=1s".to_owned(),
        "journal.segment_bytes=8MiB".to_owned(),
    ];
    lines.extend(set.iter().map(|line| (*line).to_owned()));
    let server = Server::start(data, &Options { set: lines, ..Options::default() });
    let admin = Admin::new(server.address("admin"), server.admin_token());
    (server, admin)
}

fn say(from: &mut Raw, to_group: bool, target: &str, id: &str, text: &str) {
    let seq = from.say(to_group, target, id, text);
    assert_eq!(from.answer_to(seq).code, 0, "{id}");
}

/// Sender and client id of every entry, upwards; the same downwards.
fn listed(admin: &Admin, timeline: &str) -> Vec<(String, String)> {
    let read = |query: &str| {
        let path = format!("/v1/apps/demo/timelines/{timeline}?{query}&limit=500");
        let page = admin.call("GET", &path, &Value::Null);
        let entries = page["entries"].as_array().expect("entries").iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // Notices of groups have no client id.
        let messages =
            entries.filter(|entry| entry["message"]["client_id"].as_str().is_some_and(|id| !id.is_empty()));
        let both =
            messages.map(|entry| (text(&entry["message"]["from"]), text(&entry["message"]["client_id"])));
        both.collect::<Vec<_>>()
    };
    let up = read("after=0");
    let mut down = read("before=9007199254740991");
    down.reverse();
    assert_eq!(up, down, "{timeline}");
    up
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        if entry.path().is_dir() {
            found.extend(files_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// The files of the data directory that hold these bytes.
fn holding(data: &Path, needle: &str) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    files_below(data).into_iter().filter(holds).collect()
}

fn journal_bytes(data: &Path) -> u64 {
    let files = files_below(&data.join("journal"));
    files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|file| file.len()).sum()
}

fn is_sound(data: &Path) -> bool {
    let report =
        Command::new(binary()).arg("verify").arg("--data").arg(data).output().expect("the binary runs");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
    report.status.success()
}

#[test]
fn retention_gives_disk_space_back() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, admin) = start(&data, &["retention.entries=30"]);
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    let text = "x".repeat(15_000);
    // A conversation that goes on, and another one that stays: its few records keep their segment from going.
    say(&mut alice, false, "3", "kept-0", "kept");
    for count in 0..2_400 {
        say(&mut alice, false, "2", &format!("m-{count}"), &text);
    }
    let first = data.join("journal").join("0000000001.segment");
    wait_for("the first segment to be rewritten and the others to go", WITHIN, || {
        let is_small = std::fs::metadata(&first).is_ok_and(|file| file.len() < 100_000);
        (is_small && journal_bytes(&data) < 30_000_000).then_some(())
    });
    let expected: Vec<_> = (2_370..2_400).map(|count| ("1".to_owned(), format!("m-{count}"))).collect();
    let kept = vec![("1".to_owned(), "kept-0".to_owned())];
    assert_eq!(listed(&admin, "user/2"), expected);
    assert_eq!(listed(&admin, "user/3"), kept);
    assert!(server.stop().success());
    assert!(is_sound(&data));
    for is_index_gone in [false, true] {
        if is_index_gone {
            std::fs::remove_dir_all(data.join("index")).expect("removed");
        }
        let (server, admin) = start(&data, &["retention.entries=30"]);
        assert_eq!(listed(&admin, "user/2"), expected, "without index: {is_index_gone}");
        assert_eq!(listed(&admin, "user/3"), kept, "without index: {is_index_gone}");
        server.kill();
    }
    // What keeps the first segment goes too, and the log begins with a later one.
    let (server, admin) = start(&data, &["retention.age=1s"]);
    wait_for("the first segment to go", WITHIN, || (!first.exists()).then_some(()));
    assert!(listed(&admin, "user/3").is_empty());
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    say(&mut alice, false, "3", "new", "x");
    server.kill();
    std::fs::remove_dir_all(data.join("index")).expect("removed");
    let (server, admin) = start(&data, &[]);
    assert_eq!(listed(&admin, "user/3"), [("1".to_owned(), "new".to_owned())]);
    assert!(server.stop().success());
    assert!(is_sound(&data));
}

#[test]
fn a_deleted_user_is_gone_from_every_file_and_others_keep_what_is_theirs() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, admin) = start(&data, &[]);
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev", "token"] }));
    let address = server.address("txchat_tcp");
    let mut carol = Raw::login(address, "demo", "carol", Some("carols-phone"));
    let mut bob = Raw::login(address, "demo", "bob", Some("bobs-phone"));
    let group = json!({ "group_id": "5", "name": "g", "owner": "carol", "members": ["bob"] });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    let feed = json!({ "group_id": "6", "name": "s", "owner": "bob", "super": true, "members": ["carol"] });
    let _feed = admin.call("POST", "/v1/apps/demo/groups", &feed);
    let _token = admin.call("PUT", "/v1/apps/demo/tokens/carols-token", &json!({ "user_id": "carol" }));
    let secret = "what-carol-said-in-confidence";
    for count in 0..10 {
        say(&mut carol, false, "bob", &format!("c-{count}"), &format!("{secret} {count}"));
        say(&mut bob, false, "carol", &format!("b-{count}"), "bob to carol");
        say(&mut carol, true, "5", &format!("g-{count}"), &format!("{secret} {count}"));
        say(&mut bob, true, "5", &format!("h-{count}"), "bob in the group");
        say(&mut carol, true, "6", &format!("s-{count}"), &format!("{secret} {count}"));
    }
    let number = admin.call("GET", "/v1/apps/demo/aliases?user_id=carol", &Value::Null)["number"].clone();
    let number = number.as_str().expect("a number").to_owned();

    let export = admin.call("GET", "/v1/apps/demo/users/carol/export", &Value::Null);
    assert_eq!((&export["user_id"], &export["tokens"]), (&"carol".into(), &1.into()), "{export}");
    assert_eq!(export["devices"][0]["key"], "id:carols-phone");
    assert_eq!(export["groups"].as_array().map(Vec::len), Some(2));
    let is_message = |entry: &&Value| entry["message"]["client_id"].as_str().is_some_and(|id| !id.is_empty());
    let messages = export["inbox"].as_array().map(|inbox| inbox.iter().filter(is_message).count());
    assert_eq!(messages, Some(40), "both sides of both conversations");
    assert_eq!(export["sent_to_super_groups"].as_array().map(Vec::len), Some(10));
    assert!(!holding(&data, secret).is_empty());

    let removed = admin.call("DELETE", "/v1/apps/demo/users/carol", &Value::Null);
    assert_eq!((&removed["closed"], &removed["groups"]), (&1.into(), &2.into()));
    while let Came::Frame(_) = carol.next(WITHIN) {}
    let own = |ids: &[&str]| -> Vec<(String, String)> {
        let all = (0..10).flat_map(|count| ids.iter().map(move |id| format!("{id}-{count}")));
        all.map(|id| ("bob".to_owned(), id)).collect()
    };
    let check = |admin: &Admin| {
        assert_eq!(listed(admin, "user/bob"), own(&["b", "h"]));
        assert_eq!(listed(admin, "group/5"), own(&["h"]));
        assert!(listed(admin, "group/6").is_empty());
        let (status, _) =
            admin.try_call("GET", "/v1/apps/demo/timelines/user/carol", None).expect("an answer");
        assert_eq!(status, 404, "nobody has that id any more");
        let tombstone = admin.call("GET", &format!("/v1/apps/demo/aliases?number={number}"), &Value::Null);
        assert_eq!(tombstone["user_id"], format!("deleted-{number}"));
        let group = admin.call("GET", "/v1/apps/demo/groups/5/members", &Value::Null);
        assert_eq!(group["members"].as_array().map(Vec::len), Some(1), "{group}");
        assert_eq!(
            (&group["members"][0]["user_id"], &group["members"][0]["role"]),
            (&"bob".into(), &"owner".into())
        );
    };
    check(&admin);
    let mut refused = Raw::connect(address);
    refused.send(Op::AUTH, 0, &auth("demo", "carols-token", None));
    // `dev` takes it for a user's id: not carol's.
    let _reply = refused.next(WITHIN);
    assert_eq!(listed(&admin, "user/bob"), own(&["b", "h"]));
    wait_for("what carol said to leave the disk", WITHIN, || holding(&data, secret).is_empty().then_some(()));
    check(&admin);
    say(&mut bob, true, "5", "after", "x");
    server.kill();
    assert!(is_sound(&data));

    std::fs::remove_dir_all(data.join("index")).expect("removed");
    let (server, admin) = start(&data, &[]);
    let mut expected = own(&["h"]);
    expected.push(("bob".to_owned(), "after".to_owned()));
    assert_eq!(listed(&admin, "group/5"), expected);
    // The id comes back as somebody else.
    let mut carol = Raw::login(server.address("txchat_tcp"), "demo", "carol", Some("new"));
    say(&mut carol, false, "bob", "again", "hello");
    assert_eq!(listed(&admin, "user/carol"), [("carol".to_owned(), "again".to_owned())]);
    let again = admin.call("GET", "/v1/apps/demo/aliases?user_id=carol", &Value::Null);
    assert_ne!(again["number"], number);
    assert!(server.stop().success());
}

#[test]
fn a_deleted_app_is_gone_and_one_of_the_same_name_is_another() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, admin) = start(&data, &[]);
    let made = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let _other = admin.call("PUT", "/v1/apps/other", &json!({ "auth": ["dev"] }));
    let address = server.address("txchat_tcp");
    let mut alice = Raw::login(address, "demo", "alice", Some("a"));
    let mut eve = Raw::login(address, "other", "1", Some("e"));
    let group = json!({ "group_id": "5", "name": "g", "owner": "alice", "members": [] });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    say(&mut alice, false, "7", "m", "what-was-said-in-the-app");
    let removed = admin.call("DELETE", "/v1/apps/demo", &Value::Null);
    assert_eq!(removed["closed"], 1);
    while let Came::Frame(_) = alice.next(WITHIN) {}
    let mut refused = Raw::connect(address);
    refused.send(Op::AUTH, 0, &auth("demo", "alice", None));
    let is_in = |came: Came| matches!(came, Came::Frame(frame) if frame.header.op == Op::AUTH_REPLY && frame.body.is_empty());
    assert!(!is_in(refused.next(WITHIN)), "nobody gets in");
    say(&mut eve, false, "2", "e", "the other app goes on");
    let again = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    assert_ne!(again["app_id"], made["app_id"], "its number is never given again");
    assert!(listed(&admin, "user/7").is_empty());
    let (status, _) = admin.try_call("GET", "/v1/apps/demo/groups/5", None).expect("an answer");
    assert_eq!(status, 404);
    let mut alice = Raw::login(address, "demo", "alice", Some("a"));
    say(&mut alice, false, "7", "m", "new");
    assert_eq!(listed(&admin, "user/7"), [("alice".to_owned(), "m".to_owned())]);
    assert!(server.stop().success());
    let (server, admin) = start(&data, &[]);
    assert_eq!(listed(&admin, "user/7"), [("alice".to_owned(), "m".to_owned())]);
    assert!(server.stop().success());
    assert!(is_sound(&data));
}
