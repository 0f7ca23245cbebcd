//! `idle`: connections that each sent and received once and then keep still; what one costs the server.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use halley_client::txchat::op;

use super::crew::{Crew, HEAD_START, allow_open_files, new_run};
use crate::actors::pair::{Pairs, Plan};
use crate::args::IdleArgs;
use crate::check::Tally;
use crate::measure::server::Usage;
use crate::proto::{TEXT_BYTES_MIN, put_empty};
use crate::reactor::Reactor;
use crate::report::{IdleCost, Report, progress};
use crate::target::{find_server, users};

const PLAN: Plan =
    Plan { window: 1, interval_ns: None, messages_max: 1, measure_from_ns: 0, end_ns: u64::MAX };

pub(crate) fn run(args: &IdleArgs) -> anyhow::Result<Report> {
    ensure!(
        args.connections >= 2 && args.connections.is_multiple_of(2),
        "--connections must be even and at least 2"
    );
    let common = &args.common;
    let server = find_server(common)?;
    let users = users(common, args.connections)?;
    allow_open_files(users.len())?;
    let before = Usage::read(&common.pid)?;
    let crew = Crew::new(common, server, &users);
    let run = new_run()?;
    let began = Instant::now();
    let (threads, (connect_s, cost)) = crew.run(
        |thread| work(&crew, thread, run, args),
        |go| watch(&crew, args, go, before).map(|cost| ((go - HEAD_START - began).as_secs_f64(), cost)),
    )?;
    let mut report = Report::new("idle", &server.to_string(), common);
    report.parameter("connections", args.connections);
    report.parameter("hold_s", args.hold.as_secs_f64());
    report.parameter("heartbeat_s", args.heartbeat.as_secs_f64());
    report.connected(users.len(), connect_s);
    let mut tally = Tally::default();
    threads.iter().for_each(|pairs| tally.add(&pairs.tally));
    report.first_error = threads.iter().find_map(|pairs| pairs.first_error.clone());
    report.idle = cost;
    report.conclude(tally);
    Ok(report)
}

fn work(crew: &Crew<'_>, thread: usize, run: u32, args: &IdleArgs) -> anyhow::Result<Pairs> {
    let users = &crew.users[crew.share(thread)];
    let mut reactor = Reactor::new()?;
    let mut pairs = Pairs::new(run, users, TEXT_BYTES_MIN, true, PLAN);
    crew.gather(thread, &mut reactor, &mut pairs)?;
    // A few at a time: this is not a storm.
    for index in 0..users.len() {
        pairs.send_due(index, 0, reactor.out(index));
        if index % 64 == 63 {
            reactor.turn(Duration::ZERO, &mut pairs)?;
            crew.publish(thread, &pairs);
        }
    }
    let deadline = Instant::now() + args.common.drain;
    let settled = reactor.turn_until(&mut pairs, deadline, Pairs::is_settled)?;
    crew.publish(thread, &pairs);
    pairs.close();
    if !settled {
        bail!(
            "not every connection got its message within {:?}: {}",
            args.common.drain,
            pairs.tally.problems().join(", ")
        );
    }
    let held_until = Instant::now() + args.hold;
    let every = args.heartbeat.max(Duration::from_secs(1)) / u32::try_from(users.len())?;
    let (mut next, mut beats) = (Instant::now() + every, 0usize);
    while Instant::now() < held_until {
        crew.check_failed()?;
        while next <= Instant::now() {
            let seq = i32::try_from(2 + beats / users.len()).unwrap_or(i32::MAX);
            put_empty(reactor.out(beats % users.len()), op::HEARTBEAT, seq, 0);
            (next, beats) = (next + every, beats + 1);
        }
        let wait = next.min(held_until).saturating_duration_since(Instant::now());
        reactor.turn(wait.min(Duration::from_millis(100)), &mut pairs)?;
    }
    Ok(pairs)
}

fn watch(crew: &Crew<'_>, args: &IdleArgs, go: Instant, before: Usage) -> anyhow::Result<Option<IdleCost>> {
    let pids = &args.common.pid;
    let connected = Usage::read(pids)?;
    let all = crew.users.len() as u64;
    let deadline = go + args.common.drain;
    while crew.totals()[2] < all && Instant::now() < deadline {
        crew.check_failed()?;
        thread::sleep(Duration::from_millis(20));
    }
    // Until the last thread has let its connections go, which is when the held time is over.
    let settled = Instant::now();
    let spent = Usage::read(pids)?;
    // The end of the hold is the threads' own; a little less is left to them so that the sockets are still open when it is read.
    let read_at = settled + args.hold.mul_f64(0.9);
    while Instant::now() < read_at {
        crew.check_failed()?;
        thread::sleep(Duration::from_millis(100).min(read_at.saturating_duration_since(Instant::now())));
        progress::say_each_second(&format!("holding {all} connections"));
    }
    if pids.is_empty() {
        return Ok(None);
    }
    let end = Usage::read(pids)?;
    let each = |bytes: u64| bytes as f64 / all as f64;
    Ok(Some(IdleCost {
        rss_before_bytes: before.rss_bytes,
        rss_bytes: end.rss_bytes,
        rss_bytes_per_connection: each(end.rss_bytes.saturating_sub(before.rss_bytes)),
        connect_cpu_us_each: connected.since(before).cpu_s * 1e6 / all as f64,
        idle_cpu_us_per_s_each: end.since(spent).cpu_s * 1e6 / all as f64 / settled.elapsed().as_secs_f64(),
    }))
}
