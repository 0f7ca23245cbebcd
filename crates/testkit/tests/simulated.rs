//! Whole servers on simulated sockets, disk and clock, under a seeded schedule (promises 1 to 5).
//!
//! Method: the real roles in the real composition; clients that repeat what is not acknowledged; connections are cut,
//! acknowledgements lost, processes killed, the power switched off, in the middle of writes too. A failure means that
//! the server breaks a promise, or counts wrongly. `HALLEY_SEED=` replays one seed, `HALLEY_SEEDS=` sets how many.

use halley_testkit::sim::{self, Plan, Report};

fn seeds(count: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("HALLEY_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("HALLEY_SEEDS").unwrap_or(count)).collect(),
    }
}

/// Whether the environment named the seeds: then a test does not ask that chance met everything.
fn is_replay() -> bool {
    ["HALLEY_SEED", "HALLEY_SEEDS"].iter().any(|name| std::env::var_os(name).is_some())
}

#[expect(clippy::print_stdout, reason = "shown when the test fails, or is run with --nocapture")]
fn tell(what: &str) {
    println!("{what}");
}

/// Runs all seeds; none may break a promise.
fn hold(seeds: Vec<u64>, plan: impl Fn(u64) -> Plan) -> Vec<Report> {
    let reports: Vec<Report> = seeds.into_iter().map(|seed| sim::run(&plan(seed))).collect();
    for report in &reports {
        tell(&report.to_string());
    }
    let failed: Vec<&Report> = reports.iter().filter(|report| !report.wrong.is_empty()).collect();
    let some: Vec<String> =
        failed.iter().take(5).map(|report| format!("{report}\n{:#?}", report.wrong)).collect();
    let all: Vec<u64> = failed.iter().map(|report| report.seed).collect();
    assert!(failed.is_empty(), "{} seeds failed, HALLEY_SEED={all:?}\n{}", failed.len(), some.join("\n"));
    reports
}

/// Chance must have met each of these, else the schedule is too kind.
fn met(reports: &[Report], what: &str, count: impl Fn(&Report) -> u64) {
    assert!(is_replay() || reports.iter().any(|report| count(report) > 0), "no seed met: {what}");
}

#[test]
fn without_faults_the_counters_of_server_and_clients_are_equal() {
    for report in hold(seeds(40), Plan::peaceful) {
        assert_eq!((report.lives, report.broken_links), (1, 0), "{report}");
        assert!(report.said > 50 && report.said == report.acknowledged, "{report}");
    }
}

#[test]
fn lost_acknowledgements_are_made_good_and_every_resend_is_counted() {
    met(&hold(seeds(30), Plan::deaf), "resends", |report| report.resends);
}

#[test]
fn mixed_chaos_breaks_no_promise() {
    let reports = hold(seeds(120), Plan::chaos);
    met(&reports, "another life", |report| report.lives as u64 - 1);
    met(&reports, "broken connections", |report| report.broken_links);
    met(&reports, "resends", |report| report.resends);
    met(&reports, "repetitions", |report| report.repetitions);
    met(&reports, "sessions behind", |report| report.behind);
    met(&reports, "feeds that lag", |report| report.lagging);
    met(&reports, "joins and leaves of the super group", |report| report.stays);
}

#[test]
fn power_losses_break_no_promise() {
    met(&hold(seeds(120), Plan::power), "another life", |report| report.lives as u64 - 1);
}

#[test]
fn a_full_disk_delays_and_refuses_and_loses_nothing() {
    let reports = hold(seeds(40), Plan::full);
    met(&reports, "commits without space", |report| report.commit_retries);
    met(&reports, "refusals", |report| report.refused);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in seeds(15) {
        for plan in [Plan::chaos, Plan::power] {
            let (first, second) = (sim::run(&plan(seed)), sim::run(&plan(seed)));
            assert_eq!(first.trace, second.trace, "{first}\n{second}");
        }
    }
}

/// The checks see it when acknowledged messages are gone: without this, the tests above might be blind.
#[test]
fn a_server_whose_fsync_was_removed_is_found_out() {
    let reports: Vec<Report> = seeds(40).into_iter().map(|seed| sim::run(&Plan::lying(seed))).collect();
    let lost: Vec<u64> =
        reports.iter().filter(|report| report.has_lost()).map(|report| report.seed).collect();
    let refused = reports.iter().filter(|report| report.was_start_refused).count();
    tell(&format!("seeds {lost:?} lost acknowledged messages, {refused} refused to start"));
    assert!(
        is_replay() || !lost.is_empty(),
        "nothing was ever synced, and no seed lost an acknowledged message"
    );
}

/// The first cursor of a device is durable before its login is answered. If it were not, and the power went then, and
/// another device of its class were back before it, ruling 6 would take it for a new device and start it where the other
/// one is: what lies between, it would never be shown.
#[test]
fn a_device_is_shown_everything_though_the_power_went_right_behind_its_first_login() {
    let report = sim::power_goes_behind_first_logins(1);
    assert!(report.wrong.is_empty(), "{report:?}");
}
