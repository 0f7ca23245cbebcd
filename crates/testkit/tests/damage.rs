//! Damage of the disk, on the whole server: one flipped bit in the journal, the index gone or spoilt. A failure means that
//! something durable was missing without a word, or that a derived file kept the server from starting.

use std::path::{Path, PathBuf};
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::Raw;
use halley_testkit::rng::Rng;
use halley_testkit::scratch::Scratch;
use halley_testkit::wait::wait_for;
use serde_json::{Value, json};

const MESSAGES: usize = 60;

fn admin(server: &Server) -> Admin {
    Admin::new(server.address("admin"), server.admin_token())
}

/// A data directory with acknowledged messages, of a server that was stopped.
fn filled(data: &Path) {
    let server = Server::start(data, &Options::default());
    let _app = admin(&server).call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    for count in 0..MESSAGES {
        alice.say(false, "2", &format!("m-{count}"), "x");
        assert_eq!(alice.answer().1.code, 0);
    }
    assert!(server.stop().success());
}

fn listed(server: &Server) -> Vec<String> {
    let page = admin(server).call("GET", "/v1/apps/demo/timelines/user/2?after=0&limit=500", &Value::Null);
    let entries = page["entries"].as_array().expect("entries").iter();
    entries.filter_map(|entry| entry["message"]["client_id"].as_str()).map(str::to_owned).collect()
}

fn expected() -> Vec<String> {
    (0..MESSAGES).map(|count| format!("m-{count}")).collect()
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

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a directory").filter_map(Result::ok) {
        if entry.path().is_dir() {
            found.extend(files_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

#[test]
fn one_flipped_bit_in_the_journal_is_never_silent() {
    let scratch = Scratch::new();
    let original = scratch.path().join("original");
    filled(&original);
    let seed = Rng::seed();
    let mut rng = Rng::new(seed);
    let (mut refused, mut cut) = (0, 0);
    for round in 0..25 {
        let data = scratch.path().join(format!("copy-{round}"));
        copy(&original, &data);
        // The records are in the first pages; behind them are prepared zeros.
        let segments = files_below(&data.join("journal"));
        let is_started =
            |path: &&PathBuf| std::fs::read(path).is_ok_and(|bytes| bytes.iter().any(|byte| *byte != 0));
        let segment = segments.iter().rev().find(is_started).expect("a segment");
        let mut bytes = std::fs::read(segment).expect("a segment");
        let used = bytes.iter().rposition(|byte| *byte != 0).expect("something was written") + 1;
        let place = usize::try_from(rng.below(used as u64)).expect("an offset");
        bytes[place] ^= 1 << rng.below(8);
        std::fs::write(segment, bytes).expect("written");
        // The index is up to date and would let most of the journal go unread at start: take it away.
        std::fs::remove_dir_all(data.join("index")).expect("removed");
        match Server::try_start(&data, &Options::default()) {
            Err((status, log)) => {
                assert_eq!(status.code(), Some(1), "seed {seed} round {round}: {log}");
                assert!(log.contains("damaged") || log.contains("newer"), "seed {seed} round {round}: {log}");
                refused += 1;
            }
            Ok(server) => {
                assert_eq!(listed(&server), expected(), "seed {seed} round {round}: at byte {place}");
                assert!(
                    server.log().contains("torn"),
                    "seed {seed} round {round}: a cut is said: {}",
                    server.log()
                );
                cut += 1;
            }
        }
    }
    assert!(refused > cut, "seed {seed}: {refused} refused, {cut} cut");
}

#[test]
fn the_index_may_be_deleted_or_spoilt_file_by_file() {
    let scratch = Scratch::new();
    let original = scratch.path().join("original");
    filled(&original);
    let files = files_below(&original.join("index"));
    let mut cases = vec![None];
    cases.extend(files.iter().map(|file| Some(file.strip_prefix(&original).expect("below").to_owned())));
    for (round, case) in cases.into_iter().enumerate() {
        let data = scratch.path().join(format!("copy-{round}"));
        copy(&original, &data);
        match &case {
            None => std::fs::remove_dir_all(data.join("index")).expect("removed"),
            Some(file) => std::fs::remove_file(data.join(file)).expect("removed"),
        }
        let server = Server::start(&data, &Options::default());
        assert_eq!(listed(&server), expected(), "without {case:?}");
        assert!(server.stop().success(), "without {case:?}");
        if let Some(file) = case {
            let data = scratch.path().join(format!("spoilt-{round}"));
            copy(&original, &data);
            std::fs::write(data.join(&file), b"spoilt").expect("written");
            let server = Server::start(&data, &Options::default());
            assert_eq!(listed(&server), expected(), "with {file:?} spoilt");
        }
    }
}

#[test]
fn damage_below_the_index_fails_its_read_and_turns_readiness_red() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let options = Options { set: vec!["journal.segment_bytes=8MiB".to_owned()], ..Options::default() };
    let server = Server::start(&data, &options);
    let _app = admin(&server).call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    // More than one segment, so that the first is sealed and no start reads it.
    let text = "x".repeat(15_000);
    for count in 0..700 {
        let seq = alice.say(false, "2", &format!("m-{count}"), &text);
        assert_eq!(alice.answer_to(seq).code, 0);
    }
    assert!(server.stop().success());
    let segments = files_below(&data.join("journal"));
    let first = segments.iter().find(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0));
    let first = first.expect("a segment");
    let mut bytes = std::fs::read(first).expect("a segment");
    bytes[1 << 20] ^= 1;
    std::fs::write(first, bytes).expect("written");

    let server = Server::start(&data, &options);
    let admin = admin(&server);
    let read = |after: &str| {
        let path = format!("/v1/apps/demo/timelines/user/2?after={after}&limit=20");
        admin.try_call("GET", &path, None).expect("an answer")
    };
    let (mut after, mut failed) = ("0".to_owned(), false);
    for _page in 0..10 {
        let (status, page) = read(&after);
        if status >= 500 {
            failed = true;
            break;
        }
        after = page["complete_to"].as_str().expect("a key").to_owned();
    }
    assert!(failed, "the damaged record is not served, and nothing across it");
    let ready = || admin.try_call("GET", "/readyz", None).ok().filter(|(status, _)| *status == 503);
    let (_status, reasons) = wait_for("/readyz to say so", Duration::from_secs(30), ready);
    assert!(reasons.to_string().contains("journal_damaged"), "{reasons}");
    // What is new goes on.
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", None);
    alice.say(false, "2", "late", "x");
    assert_eq!(alice.answer().1.code, 0);
}
