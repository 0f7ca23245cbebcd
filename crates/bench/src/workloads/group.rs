//! `group`: one group whose members are all online; every message must reach all of them, in one order. A private
//! conversation beside it, measured before and during, shows what the group costs others.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::LoopTime;
use super::crew::{allow_open_files, new_run};
use crate::actors::beside::Beside;
use crate::actors::members::Members;
use crate::args::GroupArgs;
use crate::measure::server::Usage;
use crate::proto::TEXT_BYTES_MIN;
use crate::reactor::Reactor;
use crate::report::{Report, progress};
use crate::target::{User, find_server, users};

/// Logins on their way at once.
const PENDING_MAX: usize = 256;
/// The longest wait for all logins.
const LOGIN_PATIENCE: Duration = Duration::from_secs(120);
/// The longest sleep of the loop.
const TURN_MAX: Duration = Duration::from_millis(20);

pub(crate) fn run(args: &GroupArgs) -> anyhow::Result<Report> {
    let common = &args.common;
    ensure!(
        args.members >= 2 && (1..=args.members).contains(&args.senders) && args.window > 0,
        "a group has at least two members, one to all of them send, and a window is at least one message"
    );
    ensure!(
        args.size >= TEXT_BYTES_MIN,
        "a message needs --size {TEXT_BYTES_MIN} or more to carry its number"
    );
    let group = args.group.as_deref().context("--group ID says whose members the users are")?;
    let server = find_server(common)?;
    // The last two talk to each other.
    let users = users(common, args.members + 2)?;
    allow_open_files(users.len())?;
    // Said before the load, not after it.
    Usage::read(&common.pid)?;

    let began = Instant::now();
    let run = new_run()?;
    let mut reactor = Reactor::new()?;
    let beside = Beside::new(run, &users, args.members, args.private_rate, args.size);
    let mut members = Members::new(run, args, group, beside);
    log_in(&mut reactor, &mut members, &users, args, server)?;
    let connect_s = began.elapsed().as_secs_f64();

    members.start(LoopTime::start(args.baseline, args.duration));
    let usage = load(&mut reactor, &mut members, args)?;
    let deadline = Instant::now() + common.drain;
    while !members.is_settled() && Instant::now() < deadline {
        members.flush_acks(&mut reactor);
        reactor.turn(Duration::from_millis(10), &mut members)?;
    }
    members.flush_acks(&mut reactor);
    reactor.turn(Duration::ZERO, &mut members)?;
    members.close();

    let mut report = Report::new("group", &server.to_string(), common);
    report.parameter("members", args.members);
    report.parameter("senders", args.senders);
    let pace = args.rate.map_or_else(|| format!("{} in flight", args.window), |rate| format!("{rate}/s"));
    report.parameter("pace", pace);
    report.parameter("private_rate", args.private_rate);
    report.parameter("ack_delay_ms", args.ack_delay.as_millis());
    report.parameter("duration_s", args.duration.as_secs_f64());
    report.connected(users.len(), connect_s);
    report.measured(args.duration, (!common.pid.is_empty()).then_some(usage), &members.tally);
    report.ack = Some(members.ack.percentiles());
    report.delivery = Some(members.delivery.percentiles());
    report.deliveries_per_s = Some(members.delivered_measured as f64 / args.duration.as_secs_f64());
    report.beside = Some(members.beside.close());
    report.first_error = members.first_error.take();
    let mut tally = members.tally;
    tally.add(&members.beside.tally);
    report.conclude(tally);
    Ok(report)
}

fn log_in(
    reactor: &mut Reactor,
    members: &mut Members,
    users: &[User],
    args: &GroupArgs,
    server: std::net::SocketAddr,
) -> anyhow::Result<()> {
    let (mut opened, deadline) = (0, Instant::now() + LOGIN_PATIENCE);
    while members.logged_in < users.len() {
        while opened < users.len() && opened - members.logged_in < PENDING_MAX {
            reactor.open(server, opened, &users[opened].login(&args.common))?;
            opened += 1;
        }
        reactor.turn(TURN_MAX, members)?;
        members.fail_early()?;
        ensure!(Instant::now() < deadline, "only {} of {} logged in", members.logged_in, users.len());
        progress::say_each_second(&format!("{} of {} connected", members.logged_in, users.len()));
    }
    Ok(())
}

/// The quiet part and the loaded one; what the server spent in the loaded one.
fn load(reactor: &mut Reactor, members: &mut Members, args: &GroupArgs) -> anyhow::Result<Usage> {
    let pids = &args.common.pid;
    let load_from = Instant::now() + args.baseline;
    let end = load_from + args.duration;
    let mut at_start = None;
    while Instant::now() < end {
        if at_start.is_none() && Instant::now() >= load_from {
            at_start = Some(Usage::read(pids)?);
        }
        let wait = members.send_due(reactor).min(TURN_MAX);
        reactor.turn(wait, members)?;
        progress::say_each_second(&members.line());
    }
    Ok(Usage::read(pids)?.since(at_start.unwrap_or_default()))
}
