//! Backup and restore of the real server: under load, of a stopped directory, interrupted, spoilt. A failure means that a
//! backup lacks what was acknowledged before it began, or that a client that has seen more loses something.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server, binary};
use halley_testkit::raw::Raw;
use halley_testkit::scratch::Scratch;
use serde_json::{Value, json};

fn halley(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("the binary runs")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn start(data: &Path) -> (Server, Admin) {
    let set = vec!["journal.segment_bytes=8MiB".to_owned()];
    let server = Server::start(data, &Options { set, ..Options::default() });
    let admin = Admin::new(server.address("admin"), server.admin_token());
    (server, admin)
}

/// Client ids and keys of a whole timeline above a key.
fn listed(admin: &Admin, user: &str, after: &str) -> Vec<(String, String)> {
    let (mut after, mut all) = (after.to_owned(), Vec::new());
    loop {
        let path = format!("/v1/apps/demo/timelines/user/{user}?after={after}&limit=200");
        let page = admin.call("GET", &path, &Value::Null);
        for entry in page["entries"].as_array().expect("entries") {
            let id = entry["message"]["client_id"].as_str().unwrap_or_default().to_owned();
            all.push((id, entry["key"].as_str().expect("a key").to_owned()));
        }
        if page["more"] != true {
            return all;
        }
        after = page["complete_to"].as_str().expect("a key").to_owned();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").filter_map(Result::ok) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn a_backup_under_load_has_everything_that_was_acknowledged_before() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, admin) = start(&data);
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let group = json!({ "group_id": "5", "name": "g", "owner": "1", "members": ["2"] });
    let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    let address = server.address("txchat_tcp");
    let mut bob = Raw::login(address, "demo", "2", Some("phone"));
    let body = "x".repeat(8_000);
    let mut alice = Raw::login(address, "demo", "1", None);
    // Enough for sealed segments beside the one that is written.
    for count in 0..1_500 {
        let seq = alice.say(false, "2", &format!("before-{count}"), &body);
        assert_eq!(alice.answer_to(seq).code, 0);
    }
    for _ in 0..10 {
        assert_eq!(bob.text().text, body);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (stop, mut carol) = (Arc::clone(&stop), Raw::login(address, "demo", "3", None));
        thread::spawn(move || {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                let seq = carol.say(false, "2", &format!("during-{sent}"), "x");
                assert_eq!(carol.answer_to(seq).code, 0);
                sent += 1;
            }
            sent
        })
    };
    let target = scratch.path().join("backup");
    let made = halley(&["backup", text(&target), "--data", text(&data)]);
    assert!(made.status.success(), "{}", said(&made));
    stop.store(true, Ordering::Relaxed);
    let during = load.join().expect("the load");
    assert!(during > 0);
    for count in 0..20 {
        let seq = alice.say(false, "2", &format!("after-{count}"), "x");
        assert_eq!(alice.answer_to(seq).code, 0);
    }
    let all = listed(&admin, "2", "0");
    let newest_seen = all.last().expect("entries").1.clone();
    let again = halley(&["backup", text(&target), "--data", text(&data)]);
    assert_eq!(again.status.code(), Some(1), "a backup is never written over something");
    assert!(said(&again).contains("not empty"), "{}", said(&again));
    server.kill();
    std::fs::remove_dir_all(&data).expect("destroyed");

    let restored = scratch.path().join("restored");
    let made = halley(&["restore", text(&target), "--data", text(&restored), "--json"]);
    assert!(made.status.success(), "{}", said(&made));
    let report: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(report["epoch"], 1);
    let sound = halley(&["verify", "--data", text(&restored)]);
    assert!(sound.status.success(), "{}", said(&sound));
    let (server, admin) = start(&restored);
    let back = listed(&admin, "2", "0");
    assert!(back.len() >= 1_500, "{}", back.len());
    assert_eq!(back, all[..back.len()], "a prefix of what there was: same entries, keys and order");
    // Group, cursor, and what comes next.
    let address = server.address("txchat_tcp");
    let mut bob = Raw::login(address, "demo", "2", Some("phone"));
    let first = bob.text().client_id;
    let at: usize = first.strip_prefix("before-").and_then(|count| count.parse().ok()).expect(&first);
    assert!(at <= 10, "a cursor may lag, it never leads: {first}");
    let mut alice = Raw::login(address, "demo", "1", None);
    let seq = alice.say(true, "5", "restored", "x");
    assert_eq!(alice.answer_to(seq).code, 0, "alice is still in the group");
    // Who has seen more than the backup had goes on behind it, and gets what is new.
    assert_eq!(
        back.iter().filter(|(_, key)| *key == newest_seen).count(),
        0,
        "the newest was not in the backup"
    );
    let new = listed(&admin, "2", &newest_seen);
    assert_eq!(new.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["restored"]);
    assert!(server.stop().success());

    // The same backup once more: its epoch is another one again.
    let second = scratch.path().join("second");
    let made = halley(&["restore", text(&target), "--data", text(&second), "--json"]);
    let report: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!(report["epoch"], 2, "{}", said(&made));
}

#[test]
fn a_stopped_directory_is_backed_up_as_it_is() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, admin) = start(&data);
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    for count in 0..30 {
        let seq = alice.say(false, "2", &format!("m-{count}"), "x");
        assert_eq!(alice.answer_to(seq).code, 0);
    }
    let all = listed(&admin, "2", "0");
    // Not even stopped clean: listeners.json is still there.
    server.kill();
    let target = scratch.path().join("backup");
    let made = halley(&["backup", text(&target), "--data", text(&data)]);
    assert!(made.status.success(), "{}", said(&made));
    let restored = scratch.path().join("restored");
    let made = halley(&["restore", text(&target), "--data", text(&restored)]);
    assert!(made.status.success(), "{}", said(&made));
    let (_server, admin) = start(&restored);
    assert_eq!(listed(&admin, "2", "0"), all);
    let nothing =
        halley(&["backup", text(&scratch.path().join("b")), "--data", text(&scratch.path().join("no"))]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(said(&nothing).contains("no data directory"), "{}", said(&nothing));
}

#[test]
fn what_is_no_whole_backup_is_never_restored() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let (server, admin) = start(&data);
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    alice.say(false, "2", "m", "x");
    assert_eq!(alice.answer().1.code, 0);
    assert!(server.stop().success());
    let good = scratch.path().join("good");
    assert!(halley(&["backup", text(&good), "--data", text(&data)]).status.success());
    let target = scratch.path().join("target");
    let refused = |backup: &Path, says: &str| {
        let output = halley(&["restore", text(backup), "--data", text(&target)]);
        assert_eq!(output.status.code(), Some(1), "{says}");
        assert!(said(&output).contains(says), "{says}: {}", said(&output));
        let made = std::fs::read_dir(&target).map_or(0, Iterator::count);
        assert_eq!(made, 0, "nothing was restored: {says}");
    };
    let spoilt = |name: &str, spoil: &dyn Fn(&Path)| -> PathBuf {
        let to = scratch.path().join(name);
        copy(&good, &to);
        spoil(&to);
        to
    };
    let interrupted =
        spoilt("interrupted", &|backup| std::fs::remove_file(backup.join("MANIFEST.json")).expect("removed"));
    refused(&interrupted, "no MANIFEST.json");
    let segment = "data/journal/0000000001.segment";
    let flipped = spoilt("flipped", &|backup| {
        let mut bytes = std::fs::read(backup.join(segment)).expect("a segment");
        bytes[200] ^= 1;
        std::fs::write(backup.join(segment), bytes).expect("written");
    });
    refused(&flipped, "its checksum differs");
    let shorter = spoilt("shorter", &|backup| {
        let bytes = std::fs::read(backup.join("data/state.redb")).expect("the state");
        std::fs::write(backup.join("data/state.redb"), &bytes[..bytes.len() - 1]).expect("written");
    });
    refused(&shorter, "its length differs");
    let lacking = spoilt("lacking", &|backup| std::fs::remove_file(backup.join(segment)).expect("removed"));
    refused(&lacking, "it is not there");
    let output = halley(&["restore", text(&good), "--data", text(&data)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("not empty"), "{}", said(&output));
    assert!(halley(&["restore", text(&good), "--data", text(&target)]).status.success(), "the good one is");
}

#[test]
fn the_doctor_says_what_must_be_done() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let look = |more: &[&str]| {
        let output = halley(&[&["doctor", "--data", text(&data), "--json"], more].concat());
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), report)
    };
    let level = |report: &Value, check: &str| {
        let checks = report["checks"].as_array().expect("checks");
        checks
            .iter()
            .find(|it| it["check"] == check)
            .map(|it| it["level"].as_str().expect("a level").to_owned())
    };
    let (server, admin) = start(&data);
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let (code, report) = look(&[]);
    assert_eq!((code, report["worst"].as_str()), (Some(0), Some("advice")), "{report}");
    assert_eq!(level(&report, "apps").as_deref(), Some("advice"), "dev authentication");
    assert_eq!(level(&report, "backup").as_deref(), Some("advice"), "no backup yet");
    for check in ["server", "lock", "version", "disk-sync", "clock", "index", "journal"] {
        assert_eq!(level(&report, check).as_deref(), Some("ok"), "{check}: {report}");
    }
    assert!(halley(&["backup", text(&scratch.path().join("b")), "--data", text(&data)]).status.success());
    assert_eq!(level(&look(&[]).1, "backup").as_deref(), Some("ok"));
    // A server that has a port: another one on the same cannot start.
    let file = scratch.path().join("halley.toml");
    let taken = server.address("txchat_tcp");
    std::fs::write(
        &file,
        format!("[listen]\ntxchat_tcp = \"{taken}\"\ntxchat_ws = \"off\"\nadmin = \"off\"\n"),
    )
    .expect("written");
    let elsewhere = scratch.path().join("elsewhere");
    let output = halley(&["doctor", "--data", text(&elsewhere), "--config", text(&file)]);
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("listen.txchat_tcp") && shown.contains("act"), "{shown}");
    server.kill();
    let config = ["--config", text(&file)];
    let (code, report) = look(&config);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(level(&report, "lock").as_deref(), Some("advice"), "it crashed: {report}");
    std::fs::write(data.join("VERSION"), "9\n").expect("written");
    let (code, report) = look(&config);
    assert_eq!((code, level(&report, "version").as_deref()), (Some(1), Some("act")), "{report}");
    std::fs::write(data.join("VERSION"), "1\n").expect("written");
    std::fs::rename(data.join("state.redb"), data.join("elsewhere")).expect("moved");
    let (code, report) = look(&config);
    assert_eq!((code, level(&report, "state").as_deref()), (Some(1), Some("act")), "{report}");
}
