//! A part of the crash run: `kill -9` at random instants and inside commits, under load. A failure means that an
//! acknowledged message was lost, doubled or reordered. The whole run: `crash-check kill 200`, `crash-check inside 200`,
//! `crash-check soak 60`.

use halley_testkit::crash::{Crowd, Death, Plan, run};
use halley_testkit::rng::Rng;
use halley_testkit::scratch::Scratch;

fn check(death: Death, rounds: u32, life_ms: (u64, u64), crowd: Crowd) {
    let scratch = Scratch::new();
    let seed = Rng::seed();
    let plan = Plan { seed, rounds, death, life_ms, set: Vec::new(), crowd };
    let summary =
        run(&scratch.path().join("data"), &plan).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    assert!(summary.acknowledged > 100, "seed {seed}: the clients hardly talked: {summary:?}");
    assert!(summary.wrong.is_empty(), "seed {seed}: {:#?}", summary.wrong);
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed_at_any_instant() {
    check(Death::Kill, 15, (20, 250), Crowd::default());
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_when_the_server_dies_inside_a_commit() {
    check(Death::InsideCommit, 15, (20, 250), Crowd::default());
}

#[test]
fn every_device_ends_with_everything_once_in_order_over_cuts_and_restarts() {
    check(Death::KillOrStop, 4, (1_000, 3_000), Crowd::soak());
}
