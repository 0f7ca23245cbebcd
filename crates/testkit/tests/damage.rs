//! Damage of the disk, on the whole server: one flipped bit in the journal, the index gone or spoilt. A failure means that
//! something durable was missing without a word, or that a derived file kept the server from starting.

use std::path::{Path, PathBuf};

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::Raw;
use halley_testkit::rng::Rng;
use halley_testkit::scratch::Scratch;
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
