//! From exec of `halley serve` on an empty directory to the first authenticated, sent and acknowledged message:
//! `first-message [runs]`, with `HALLEY_BIN` naming a release build. Prints the median.

use std::time::{Duration, Instant};

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::Raw;
use halley_testkit::scratch::Scratch;
use serde_json::json;

#[expect(clippy::print_stdout, reason = "a program for people")]
fn main() {
    let runs = std::env::args().nth(1).and_then(|runs| runs.parse().ok()).unwrap_or(20);
    let mut took: Vec<Duration> = (0..runs).map(|_| first_message()).collect();
    took.sort();
    if let (Some(least), Some(median), Some(most)) = (took.first(), took.get(took.len() / 2), took.last()) {
        println!(
            "first acknowledged message after: least {least:?}, median {median:?}, most {most:?} of {runs}"
        );
    }
}

fn first_message() -> Duration {
    let scratch = Scratch::new();
    let began = Instant::now();
    let server = Server::start(&scratch.path().join("data"), &Options::default());
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    let mut alice = Raw::login(server.address("txchat_tcp"), "demo", "1", Some("a"));
    alice.say(false, "2", "c-1", "hello");
    assert_eq!(alice.answer().1.code, 0, "the first message is accepted");
    began.elapsed()
}
