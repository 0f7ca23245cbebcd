//! Data directories of earlier releases: each of them opens, and everything that was in it is still there. A failure means
//! that an upgrade loses something, or that an old directory cannot be used any more.
//!
//! `make-fixture` wrote them, with the binary of the release that the file is named after.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use serde_json::Value;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let entries = std::fs::read_dir(folder).expect("the fixtures").filter_map(Result::ok);
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".tar.gz"));
    files.sort();
    files
}

fn unpack(fixture: &Path, folder: &Path) -> PathBuf {
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--gzip").arg("--file").arg(fixture).arg("--directory").arg(folder);
    assert!(tar.status().expect("tar is there").success(), "unpacked");
    folder.join("data")
}

/// Client ids of a whole timeline; entries that are no messages have none.
fn listed(admin: &Admin, timeline: &str) -> Vec<String> {
    let path = format!("/v1/apps/demo/timelines/{timeline}?after=0&limit=500");
    let page = admin.call("GET", &path, &Value::Null);
    let entries = page["entries"].as_array().expect("entries").iter();
    let ids = entries.filter_map(|entry| entry["message"]["client_id"].as_str());
    ids.filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

fn both_kinds() -> Vec<String> {
    (0..10).flat_map(|count| [format!("private-{count}"), format!("group-{count}")]).collect()
}

fn everything_is_there(admin: &Admin) {
    let apps = admin.call("GET", "/v1/apps", &Value::Null);
    let names: Vec<_> = apps["apps"].as_array().expect("apps").iter().map(|app| app["app"].clone()).collect();
    assert_eq!(names, ["demo", "other"]);
    let group_only: Vec<_> = (0..10).map(|count| format!("group-{count}")).collect();
    assert_eq!(listed(admin, "user/bob"), both_kinds());
    assert_eq!(listed(admin, "user/alice"), both_kinds());
    assert_eq!(listed(admin, "user/7"), group_only);
    assert_eq!(listed(admin, "group/3110"), group_only);
    assert_eq!(listed(admin, "group/9"), ["crowd-0"]);
    let number = |id: &str| {
        let answer = admin.call("GET", &format!("/v1/apps/demo/aliases?user_id={id}"), &Value::Null);
        answer["number"].as_str().expect("a number").parse::<i64>().expect("a number")
    };
    let mut numbers = [number("alice"), number("bob")];
    numbers.sort_unstable();
    assert_eq!(numbers, [1 << 52, (1 << 52) + 1]);
    let group = admin.call("GET", "/v1/apps/demo/groups/3110/members", &Value::Null);
    let members = group["members"].as_array().expect("members");
    let of = |user: &str| members.iter().find(|member| member["user_id"] == user).expect("a member").clone();
    assert_eq!((&of("alice")["role"], &of("7")["muted"]), (&"owner".into(), &true.into()), "{group}");
    let crowd = admin.call("GET", "/v1/apps/demo/groups/9", &Value::Null);
    assert_eq!((&crowd["super"], &crowd["name"]), (&true.into(), &"crowd".into()), "{crowd}");
}

#[test]
fn a_directory_of_every_release_opens_and_has_everything() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty());
    for fixture in fixtures {
        let scratch = Scratch::new();
        let data = unpack(&fixture, scratch.path());
        let server = Server::start(&data, &Options::default());
        let admin = Admin::new(server.address("admin"), server.admin_token());
        everything_is_there(&admin);
        // Bob's phone goes on behind the eight entries that it had acknowledged.
        let mut bob = Raw::login(server.address("txchat_tcp"), "demo", "bob", Some("bob-phone"));
        let expected = both_kinds();
        let first = bob.text();
        let at = expected.iter().position(|id| *id == first.client_id).expect("one of the old ones");
        assert!((1..=8).contains(&at), "{}: goes on with {}", fixture.display(), first.client_id);
        for id in &expected[at + 1..] {
            assert_eq!(bob.text().client_id, *id, "{}", fixture.display());
        }
        // And what is new lies behind what is old.
        let mut alice =
            Raw::login(server.address("txchat_tcp"), "demo", "token-of-alice", Some("alice-phone"));
        let seq = alice.say(false, "bob", "new", "x");
        assert_eq!(alice.answer_to(seq).code, 0);
        let heard = bob.text();
        assert_eq!((heard.client_id.as_str(), heard.from.as_str()), ("new", "alice"));
        assert_eq!(bob.next(Duration::from_millis(200)), Came::Nothing);
        assert!(server.stop().success());

        // Once more, without the index that the old release wrote.
        std::fs::remove_dir_all(data.join("index")).expect("removed");
        let server = Server::start(&data, &Options::default());
        let admin = Admin::new(server.address("admin"), server.admin_token());
        let mut expected = both_kinds();
        expected.push("new".to_owned());
        assert_eq!(listed(&admin, "user/bob"), expected);
        assert!(server.stop().success());
    }
}

#[test]
fn a_directory_of_a_newer_release_is_refused_and_left_as_it_is() {
    let scratch = Scratch::new();
    let fixtures = fixtures();
    let data = unpack(fixtures.last().expect("a fixture"), scratch.path());
    std::fs::write(data.join("VERSION"), "999\n").expect("written");
    let state = std::fs::read(data.join("state.redb")).expect("the state");
    let refused = Server::try_start(&data, &Options::default());
    let (status, log) = refused.expect_err("refused");
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("version 999") && log.contains("run the newer version"), "{log}");
    assert_eq!(std::fs::read(data.join("state.redb")).expect("the state"), state);
    assert_eq!(std::fs::read_to_string(data.join("VERSION")).expect("the version"), "999\n");
}
