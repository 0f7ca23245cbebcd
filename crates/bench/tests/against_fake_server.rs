//! Method: whole runs against a scripted server, flawless and with a flaw. Failure means the bench would call a bad server good, or a good
//! one bad.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../client/tests/support/mod.rs"]
mod support;

use clap::Parser;
use halley_bench::{BenchArgs, run};
use support::fake_server::{FakeServer, Faults};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    bench: BenchArgs,
}

fn bench(server: &FakeServer, arguments: &str) -> (anyhow::Result<()>, serde_json::Value) {
    let report = tempfile::NamedTempFile::new().unwrap();
    let url = server.url();
    let pid = std::process::id().to_string();
    let mut words = vec!["bench"];
    words.extend(arguments.split_whitespace());
    words.extend([
        "--server",
        &url,
        "--pid",
        &pid,
        "--drain",
        "1s",
        "--json",
        report.path().to_str().unwrap(),
    ]);
    let result = run(Cli::parse_from(words).bench);
    (result, serde_json::from_slice(&std::fs::read(report.path()).unwrap()).unwrap_or_default())
}

const PEER: &str = "peer --pairs 6 --window 4 --duration 300ms --warm-up 100ms";

#[test]
fn a_closed_window_against_a_flawless_server_is_clean() {
    let (result, report) =
        bench(&FakeServer::start(Faults::default()), &format!("{PEER} --both --threads 2"));
    result.unwrap();
    let count = |name: &str| report["tally"][name].as_u64().unwrap();
    assert!(count("acked") > 100, "{}", report["tally"]);
    assert_eq!((count("sent"), count("sent")), (count("delivered"), count("echoed")));
    assert!(report["ack"]["p99_ms"].as_f64().unwrap() > 0.0);
    assert!(report["usage"]["rss_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let (result, report) = bench(
        &FakeServer::start(Faults::default()),
        "peer --pairs 4 --window 1000 --rate 400 --duration 1s --warm-up 100ms",
    );
    result.unwrap();
    let sent = report["tally"]["sent"].as_u64().unwrap();
    // A stalled machine may make it late, never early.
    assert!((100..=444).contains(&sent), "1.1 s at 400/s are 440 messages, {sent} were sent");
}

#[test]
fn what_the_server_does_wrong_fails_the_run() {
    let flaws = [
        (Faults { lose_message_every: 50, ..Faults::default() }, "lost"),
        (Faults { double_push_every: 50, ..Faults::default() }, "doubled"),
        (Faults { lose_answer_every: 50, ..Faults::default() }, "never_acked"),
        (Faults { cut_every: 50, ..Faults::default() }, "closed"),
    ];
    for (faults, counter) in flaws {
        let (result, report) = bench(&FakeServer::start(faults), PEER);
        assert!(result.is_err(), "{counter}");
        assert!(report["tally"][counter].as_u64().unwrap() > 0, "{counter}: {}", report["tally"]);
    }
}

#[test]
fn idle_connections_are_held_and_their_cost_is_told() {
    let (result, report) =
        bench(&FakeServer::start(Faults::default()), "idle --connections 20 --hold 300ms --heartbeat 1s");
    result.unwrap();
    assert_eq!(report["tally"]["delivered"], 20);
    assert!(report["idle"]["rss_bytes_per_connection"].is_f64());
}

#[test]
fn a_login_that_is_refused_says_what_to_do() {
    let server = FakeServer::start(Faults { refuse_token: "1000001", ..Faults::default() });
    let (result, _) = bench(&server, PEER);
    let error = format!("{:#}", result.unwrap_err());
    assert!(error.contains("dev authentication"), "{error}");
}
