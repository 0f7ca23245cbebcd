//! `peer`: pairs of users, private messages, closed window or open loop.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::crew::{Crew, HEAD_START, allow_open_files, new_run};
use crate::actors::pair::{Pairs, Plan, due_ns};
use crate::args::PeerArgs;
use crate::check::Tally;
use crate::measure::latency::Latencies;
use crate::measure::server::Usage;
use crate::proto::TEXT_BYTES_MIN;
use crate::reactor::Reactor;
use crate::report::{Report, Second, progress};
use crate::target::{find_server, users};

pub(crate) fn run(args: &PeerArgs) -> anyhow::Result<Report> {
    ensure!(args.pairs > 0 && args.window > 0, "at least one pair and a window of one are needed");
    ensure!(
        args.size >= TEXT_BYTES_MIN,
        "a message needs {TEXT_BYTES_MIN} bytes to carry its number: --size {TEXT_BYTES_MIN} or more"
    );
    ensure!(args.rate.is_none_or(|rate| rate > 0.0), "--rate must be above 0");
    let common = &args.common;
    let server = find_server(common)?;
    let users = users(common, 2 * args.pairs)?;
    allow_open_files(users.len())?;
    // Said before the load, not after it.
    Usage::read(&common.pid)?;
    let crew = Crew::new(common, server, &users);
    let run = new_run()?;
    let began = Instant::now();
    let (threads, watched) = crew.run(
        |thread| work(&crew, thread, run, args),
        |go| {
            let connect_s = (go - HEAD_START - began).as_secs_f64();
            watch(&crew, args, go).map(|watched| (connect_s, watched))
        },
    )?;
    let (connect_s, (timeline, usage)) = watched;

    let mut report = Report::new("peer", &server.to_string(), common);
    report.parameter("pairs", args.pairs);
    report.parameter("window", args.window);
    report.parameter(
        "rate",
        args.rate.map_or_else(|| "as fast as answered".to_owned(), |rate| format!("{rate}/s")),
    );
    report.parameter("size", args.size);
    report.parameter("both", args.both);
    report.parameter("duration_s", args.duration.as_secs_f64());
    report.connected(users.len(), connect_s);
    let (mut tally, mut ack, mut delivery) = (Tally::default(), Latencies::new(), Latencies::new());
    for pairs in &threads {
        tally.add(&pairs.tally);
        ack.add(&pairs.ack);
        delivery.add(&pairs.delivery);
    }
    report.first_error = threads.iter().find_map(|pairs| pairs.first_error.clone());
    report.measured(args.duration, usage, &tally);
    report.ack = Some(ack.percentiles());
    report.delivery = Some(delivery.percentiles());
    report.timeline = timeline;
    report.conclude(tally);
    Ok(report)
}

fn plan(args: &PeerArgs) -> Plan {
    let senders = args.pairs * if args.both { 2 } else { 1 };
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let measure_from_ns = nanos(args.warm_up);
    Plan {
        window: args.window,
        interval_ns: args.rate.map(|rate| 1e9 * senders as f64 / rate),
        messages_max: u64::MAX,
        measure_from_ns,
        end_ns: measure_from_ns + nanos(args.duration),
    }
}

fn work(crew: &Crew<'_>, thread: usize, run: u32, args: &PeerArgs) -> anyhow::Result<Pairs> {
    let users = &crew.users[crew.share(thread)];
    let plan = plan(args);
    let mut reactor = Reactor::new()?;
    let mut pairs = Pairs::new(run, users, args.size, args.both, plan);
    crew.gather(thread, &mut reactor, &mut pairs)?;
    let senders: Vec<usize> = (0..users.len()).step_by(if args.both { 1 } else { 2 }).collect();
    match plan.interval_ns {
        None => senders.iter().for_each(|&index| pairs.send_due(index, 0, reactor.out(index))),
        Some(interval_ns) => open_loop(crew, thread, &mut reactor, &mut pairs, &senders, interval_ns)?,
    }
    while pairs.now_ns() < plan.end_ns {
        reactor.turn(Duration::from_millis(20), &mut pairs)?;
        crew.publish(thread, &pairs);
        crew.check_failed()?;
    }
    let deadline = Instant::now() + args.common.drain;
    reactor.turn_until(&mut pairs, deadline, Pairs::is_settled)?;
    crew.publish(thread, &pairs);
    pairs.close();
    Ok(pairs)
}

/// Sends on schedule until the end. A sender whose window is full catches up when an answer comes, and its latency
/// counts from when the message was due.
fn open_loop(
    crew: &Crew<'_>,
    thread: usize,
    reactor: &mut Reactor,
    pairs: &mut Pairs,
    senders: &[usize],
    interval_ns: f64,
) -> anyhow::Result<()> {
    let end_ns = pairs.plan().end_ns;
    let mut next = 0;
    loop {
        let now_ns = pairs.now_ns();
        if now_ns >= end_ns {
            return Ok(());
        }
        let wait_ns = loop {
            let index = senders[next % senders.len()];
            let due = due_ns((next / senders.len()) as u64, interval_ns, index, crew.share(thread).len());
            if due > now_ns {
                break due.min(end_ns) - now_ns;
            }
            pairs.send_due(index, now_ns, reactor.out(index));
            next += 1;
        };
        reactor.turn(Duration::from_nanos(wait_ns), pairs)?;
        crew.publish(thread, pairs);
        crew.check_failed()?;
    }
}

/// Says every second how it goes; what the server spent in the measured time.
fn watch(crew: &Crew<'_>, args: &PeerArgs, go: Instant) -> anyhow::Result<(Vec<Second>, Option<Usage>)> {
    let pids = &args.common.pid;
    let start = go + args.warm_up;
    let end = start + args.duration;
    let mut timeline: Vec<Second> = Vec::new();
    let mut at_start = None;
    let (mut last, mut last_usage) = (crew.totals(), Usage::read(pids)?);
    let mut next = go + Duration::from_secs(1);
    loop {
        crew.check_failed()?;
        let wake = if at_start.is_none() { next.min(start) } else { next.min(end) };
        thread::sleep(wake.saturating_duration_since(Instant::now()).min(Duration::from_millis(100)));
        let now = Instant::now();
        if at_start.is_none() && now >= start {
            at_start = Some(Usage::read(pids)?);
        }
        if now >= next {
            let (totals, usage) = (crew.totals(), Usage::read(pids)?);
            let second =
                Second::new((next - go).as_secs(), now < start, last, totals, usage.since(last_usage));
            progress::say(&second.line(!pids.is_empty()));
            timeline.push(second);
            (last, last_usage) = (totals, usage);
            next += Duration::from_secs(1);
        }
        if now >= end {
            let usage = Usage::read(pids)?.since(at_start.unwrap_or_default());
            return Ok((timeline, (!pids.is_empty()).then_some(usage)));
        }
    }
}
