//! `logins`: a flood of logins with tokens that prove nothing, as fast as the server refuses them, beside a private
//! conversation that must not feel it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::ensure;

use super::LoopTime;
use super::crew::{allow_open_files, new_run};
use crate::actors::beside::Beside;
use crate::actors::strangers::Strangers;
use crate::args::LoginsArgs;
use crate::measure::server::Usage;
use crate::proto::TEXT_BYTES_MIN;
use crate::reactor::Reactor;
use crate::report::{Report, progress};
use crate::target::{find_server, users};

/// The longest sleep of the loop.
const TURN_MAX: Duration = Duration::from_millis(20);
/// The longest wait for the two who talk.
const LOGIN_PATIENCE: Duration = Duration::from_secs(30);
/// Connections from one source address: ports of closed ones are not free at once.
const PER_SOURCE: usize = 10_000;

pub(crate) fn run(args: &LoginsArgs) -> anyhow::Result<Report> {
    ensure!(args.connections > 0, "at least one connection is needed");
    let common = &args.common;
    let server = find_server(common)?;
    let users = users(common, 2)?;
    allow_open_files(args.connections + 2)?;
    Usage::read(&common.pid)?;
    let run = new_run()?;
    let mut reactor = Reactor::new()?;
    let beside = Beside::new(run, &users, 0, args.private_rate, TEXT_BYTES_MIN);
    let mut strangers =
        Strangers::new(run, args.bad_app.as_deref().unwrap_or(&common.app), args.token, beside);
    for (index, user) in users.iter().enumerate() {
        reactor.open(server, index, &user.login(common))?;
    }
    let deadline = Instant::now() + LOGIN_PATIENCE;
    let accepted = reactor.turn_until(&mut strangers, deadline, |strangers| strangers.logged_in == 2)?;
    ensure!(accepted, "the two who talk could not log in: does app {} allow dev authentication?", common.app);

    strangers.start(LoopTime::start(args.baseline, args.duration));
    let load_from = Instant::now() + args.baseline;
    let end = load_from + args.duration;
    let (mut at_start, mut spread) = (None, 0);
    while Instant::now() < end {
        let now_ns = strangers.now_ns();
        if strangers.beside.next_due_ns() <= now_ns {
            strangers.beside.put_due(now_ns, reactor.out(0));
        }
        if at_start.is_none() && Instant::now() >= load_from {
            at_start = Some(Usage::read(&common.pid)?);
            for _ in 0..args.connections {
                let login = strangers.login(wall_ms());
                reactor.open(server, next_source(&mut spread), &login)?;
            }
        }
        for index in std::mem::take(&mut strangers.gone) {
            let login = strangers.login(wall_ms());
            reactor.reopen(index, server, next_source(&mut spread), &login)?;
        }
        let wait = Duration::from_nanos(strangers.beside.next_due_ns().saturating_sub(now_ns)).min(TURN_MAX);
        reactor.turn(wait, &mut strangers)?;
        progress::say_each_second(&format!(
            "logins tried {}  refused {}",
            strangers.tried, strangers.refused
        ));
    }
    let usage = Usage::read(&common.pid)?.since(at_start.unwrap_or_default());
    let refused = strangers.refused;
    let deadline = Instant::now() + common.drain;
    reactor.turn_until(&mut strangers, deadline, |strangers| strangers.beside.is_settled())?;

    let mut report = Report::new("logins", &server.to_string(), common);
    report.parameter("token", format!("{:?}", args.token));
    report.parameter("connections", args.connections);
    report.parameter("private_rate", args.private_rate);
    report.parameter("duration_s", args.duration.as_secs_f64());
    report.measured_s = args.duration.as_secs_f64();
    report.refused_logins_per_s = Some(refused as f64 / report.measured_s);
    report.usage = (!common.pid.is_empty()).then_some(usage);
    report.beside = Some(strangers.beside.close());
    report.first_error = strangers.first_error.take();
    let mut tally = strangers.beside.tally;
    tally.impossible += strangers.let_in;
    report.conclude(tally);
    Ok(report)
}

/// Spreads connections over source addresses, so that ports of closed ones need not be free again.
fn next_source(spread: &mut usize) -> usize {
    *spread = (*spread + PER_SOURCE) % (200 * PER_SOURCE);
    *spread
}

fn wall_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
