//! Loads the embedded backends as a server would and says what it costs.
//!
//! `cargo run --release -p halley-backends --example journal_load -- [seconds] [rate, 0 = full speed] [gather us] [dir]`
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use halley_backends::{Embedded, Options};
use halley_core::ids::{AppId, MsgId, UserId};
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::metrics::Metrics;
use halley_core::ports::accounts::GroupState;
use halley_core::ports::journal::Journal;
use halley_core::record::{Record, Targets};
use halley_core::ticket::Ticket;
use hdrhistogram::Histogram;

const PRODUCERS: u64 = 2;
const IN_FLIGHT: usize = 2_000;
const USERS: u64 = 1_000;

fn main() {
    let arg = |at: usize, or: u64| std::env::args().nth(at).and_then(|arg| arg.parse().ok()).unwrap_or(or);
    let (seconds, rate, gather_us) = (arg(1, 10), arg(2, 0), arg(3, 0));
    let dir = std::env::args().nth(4).map_or_else(|| PathBuf::from("target/journal_load"), PathBuf::from);
    if std::env::args().nth(5).is_none() {
        let _ = std::fs::remove_dir_all(&dir);
    }
    let options = || {
        let mut options = Options::new(Metrics::new().0);
        options.journal.gather_max = Duration::from_micros(gather_us);
        options
    };
    let started = Instant::now();
    let open = Embedded::open(&dir, options()).unwrap();
    println!("open: {:?} {:?}", started.elapsed(), open.recovery);
    println!("rss after open: {} KiB", rss_kib());
    let stop = Arc::new(AtomicBool::new(false));
    let index_cpu_us = Arc::new(AtomicU64::new(0));
    let indexer = {
        let (tail, index, state) = (Arc::clone(&open.tail), Arc::clone(&open.index), Arc::clone(&open.state));
        let (stop, cpu) = (Arc::clone(&stop), Arc::clone(&index_cpu_us));
        std::thread::Builder::new().name("indexer".into()).spawn(move || {
            loop {
                let done = index.watermark().seq;
                let batch = tail.read_after(done, 2_048).unwrap();
                if batch.is_empty() && stop.load(Ordering::Relaxed) {
                    cpu.store(thread_cpu_us(), Ordering::Relaxed);
                    return;
                }
                let full = batch.len() == 2_048;
                let reached = index.apply(&batch).unwrap();
                state.apply(&[], reached).unwrap();
                tail.release(reached.seq);
                if !full {
                    std::thread::sleep(Duration::from_millis(25));
                }
            }
        })
    };
    let (started, cpu) = (Instant::now(), cpu_by_thread());
    let until = started + Duration::from_secs(seconds);
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|number| {
            let journal = Arc::clone(&open.journal);
            std::thread::Builder::new()
                .name(format!("producer-{number}"))
                .spawn(move || produce(journal.as_ref(), number, rate / PRODUCERS, until))
                .unwrap()
        })
        .collect();
    let mut waits = Histogram::<u64>::new(3).unwrap();
    for producer in producers {
        waits.add(producer.join().unwrap()).unwrap();
    }
    let took = started.elapsed();
    let threads = cpu_by_thread();
    println!("rss under load: {} KiB, backlog {:?}", rss_kib(), open.tail.backlog());
    stop.store(true, Ordering::Relaxed);
    indexer.unwrap().join().unwrap();
    let sent = waits.len();
    let per = |us: u64| us as f64 / sent as f64;
    println!("{sent} messages in {took:?}: {:.0}/s", sent as f64 / took.as_secs_f64());
    for quantile in [0.5, 0.99, 0.999, 1.0] {
        println!("commit wait p{}: {} us", quantile * 100.0, waits.value_at_quantile(quantile));
    }
    let total: u64 =
        threads.iter().map(|(_, us)| us).sum::<u64>() - cpu.iter().map(|(_, us)| us).sum::<u64>();
    println!(
        "cpu per message: {:.1} us in total, indexer {:.1} us",
        per(total),
        per(index_cpu_us.load(Ordering::Relaxed))
    );
    for (name, us) in &threads {
        println!("   {name}: {:.2} us", per(*us));
    }
    let counters = open.log.counters();
    println!(
        "commits {}, records/commit {:.1}, late zeroings {}, late segments {}",
        counters.batches,
        counters.records as f64 / counters.batches.max(1) as f64,
        counters.late_zeroings,
        counters.late_segments
    );
    reopen(open, &dir, &options);
}

/// What each way of ending costs at the next start.
fn reopen(open: Embedded, dir: &Path, options: &dyn Fn() -> Options) {
    let copy = dir.with_extension("killed");
    let _ = std::fs::remove_dir_all(&copy);
    // Compactions delete files: the copy stands for a kill only once they rest.
    let tables = || std::fs::read_dir(dir.join("index/keyspaces/1/tables")).map_or(0, Iterator::count);
    let mut before = 0;
    while std::mem::replace(&mut before, tables()) != tables() {
        std::thread::sleep(Duration::from_secs(2));
    }
    copy_dir(dir, &copy);
    let started = Instant::now();
    open.close().unwrap();
    println!("close: {:?}", started.elapsed());
    for (what, dir) in [("clean", dir), ("killed (a copy while open)", &copy)] {
        let started = Instant::now();
        let open = Embedded::open(dir, options()).unwrap();
        println!("open {what}: {:?} {:?}", started.elapsed(), open.recovery);
        let _ = open.close();
    }
    let _ = std::fs::remove_dir_all(copy.join("index"));
    let started = Instant::now();
    let open = Embedded::open(&copy, options()).unwrap();
    println!("open without index: {:?}, indexed {}", started.elapsed(), open.recovery.indexed);
    drop(open);
    let _ = std::fs::remove_dir_all(copy);
}

fn produce(journal: &dyn Journal, number: u64, rate: u64, until: Instant) -> Histogram<u64> {
    let mut waits = Histogram::new(3).unwrap();
    let mut flying: VecDeque<(Ticket, Instant)> = VecDeque::new();
    let mut sent = 0u64;
    let body = Bytes::from(vec![7; 200]);
    let started = Instant::now();
    loop {
        let now = Instant::now();
        if now >= until {
            break;
        }
        while flying.len() < IN_FLIGHT && (rate == 0 || sent * 1_000_000 / rate <= micros(started.elapsed()))
        {
            let record = Arc::new(record(number + PRODUCERS * sent, &body));
            let Ok(ticket) = journal.append(&record) else { break };
            flying.push_back((ticket, Instant::now()));
            sent += 1;
        }
        if rate > 0 {
            // Whoever is done is taken without waiting for the others.
            poll_done(&mut flying, &mut waits);
            std::thread::sleep(Duration::from_micros(20));
            continue;
        }
        let Some((ticket, at)) = flying.pop_front() else {
            std::thread::sleep(Duration::from_micros(100));
            continue;
        };
        futures::executor::block_on(ticket).unwrap();
        waits.record(micros(at.elapsed())).unwrap();
        poll_done(&mut flying, &mut waits);
    }
    for (ticket, at) in flying {
        futures::executor::block_on(ticket).unwrap();
        waits.record(micros(at.elapsed())).unwrap();
    }
    waits
}

fn poll_done(flying: &mut VecDeque<(Ticket, Instant)>, waits: &mut Histogram<u64>) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while let Some((ticket, at)) = flying.front() {
        if ticket.poll_durable(&mut context).is_pending() {
            return;
        }
        waits.record(micros(at.elapsed())).unwrap();
        flying.pop_front();
    }
}

fn record(number: u64, body: &Bytes) -> Record {
    let (from, to) = (number % USERS + 1, (number * 7 + 3) % USERS + USERS + 1);
    let (from, to) = (UserId(from.cast_signed()), UserId(to.cast_signed()));
    let message = Message {
        id: MsgId(number.cast_signed() + 1),
        app: AppId(1),
        conversation: Conversation::User(to),
        from,
        kind: EntryKind::MESSAGE,
        content: Content { kind: 1, bytes: body.clone() },
        ext: Bytes::new(),
        client_id: Bytes::from(format!("0123456789abcdef-{number}")),
        time_ms: 1_700_000_000_000 + number / 10,
        device: Bytes::new(),
    };
    Record { message, targets: Targets::new(vec![from, to], None) }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn thread_cpu_us() -> u64 {
    cpu_of("/proc/thread-self/schedstat")
}

fn cpu_of(path: &str) -> u64 {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    stat.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0) / 1_000
}

/// CPU time of every thread that is alive.
fn cpu_by_thread() -> Vec<(String, u64)> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let path = entry.path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        threads.push((name.trim().to_owned(), cpu_of(&path.join("schedstat").to_string_lossy())));
    }
    threads
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
