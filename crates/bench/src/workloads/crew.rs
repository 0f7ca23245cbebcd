//! The threads of a run: each opens its share of the connections, then all start together; the main thread watches.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::actors::pair::Pairs;
use crate::args::CommonArgs;
use crate::reactor::Reactor;
use crate::report::progress;
use crate::target::User;

/// Logins on their way at once, per thread.
const PENDING_MAX: usize = 256;
/// Without a single login for this long the run gives up.
const LOGIN_PATIENCE: Duration = Duration::from_secs(30);

/// Between the last login and the start.
pub(crate) const HEAD_START: Duration = Duration::from_millis(100);

/// What one thread has done so far.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) logged_in: AtomicUsize,
    pub(crate) sent: AtomicU64,
    pub(crate) acked: AtomicU64,
    pub(crate) delivered: AtomicU64,
}

/// Between the threads of a run.
pub(crate) struct Crew<'a> {
    pub(crate) common: &'a CommonArgs,
    pub(crate) server: SocketAddr,
    pub(crate) users: &'a [User],
    /// A thread per share of the users.
    pub(crate) done: Vec<Done>,
    ready: AtomicUsize,
    failed: AtomicBool,
    go: OnceLock<Instant>,
}

impl<'a> Crew<'a> {
    pub(crate) fn new(common: &'a CommonArgs, server: SocketAddr, users: &'a [User]) -> Self {
        let threads = common.threads.clamp(1, (users.len() / 2).max(1));
        Self {
            common,
            server,
            users,
            done: (0..threads).map(|_| Done::default()).collect(),
            ready: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            go: OnceLock::new(),
        }
    }

    /// Which users thread `thread` has: whole pairs.
    pub(crate) fn share(&self, thread: usize) -> Range<usize> {
        let (pairs, threads) = (self.users.len() / 2, self.done.len());
        2 * (pairs * thread / threads)..2 * (pairs * (thread + 1) / threads)
    }

    /// Runs `work` on every thread and `watch` on this one, from the moment all are connected.
    pub(crate) fn run<T: Send, W>(
        &self,
        work: impl Fn(usize) -> anyhow::Result<T> + Sync,
        watch: impl FnOnce(Instant) -> anyhow::Result<W>,
    ) -> anyhow::Result<(Vec<T>, W)> {
        thread::scope(|scope| {
            let threads: Vec<ScopedJoinHandle<'_, _>> = (0..self.done.len())
                .map(|thread| {
                    let work = &work;
                    scope.spawn(move || {
                        let result = work(thread);
                        if result.is_err() {
                            self.failed.store(true, Ordering::Relaxed);
                        }
                        result
                    })
                })
                .collect();
            let watched = self.wait_ready().and_then(|()| {
                // A moment ahead, so that every thread has seen it when it comes.
                let go = Instant::now() + HEAD_START;
                watch(*self.go.get_or_init(|| go))
            });
            if watched.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            let mut results = Vec::new();
            for thread in threads {
                results.push(thread.join().map_err(|_| anyhow!("a thread of the load generator panicked"))??);
            }
            Ok((results, watched?))
        })
    }

    fn wait_ready(&self) -> anyhow::Result<()> {
        let mut said = Instant::now();
        while self.ready.load(Ordering::Acquire) < self.done.len() {
            self.check_failed()?;
            if said.elapsed() >= Duration::from_secs(1) {
                said = Instant::now();
                progress::say(&format!("{} of {} connected", self.logged_in(), self.users.len()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// An error when another thread has failed: the run is void.
    pub(crate) fn check_failed(&self) -> anyhow::Result<()> {
        ensure!(!self.failed.load(Ordering::Relaxed), "another thread of the load generator failed");
        Ok(())
    }

    fn logged_in(&self) -> usize {
        self.done.iter().map(|done| done.logged_in.load(Ordering::Relaxed)).sum()
    }

    /// Connects and logs in this thread's share, then keeps the connections served until all threads are there; when to start.
    pub(crate) fn gather(
        &self,
        thread: usize,
        reactor: &mut Reactor,
        pairs: &mut Pairs,
    ) -> anyhow::Result<Instant> {
        let share = self.share(thread);
        let users = &self.users[share.clone()];
        let (mut opened, mut progressed, mut seen) = (0, Instant::now(), 0);
        while pairs.logged_in < users.len() {
            while opened < users.len() && opened - pairs.logged_in < PENDING_MAX {
                reactor.open(self.server, share.start + opened, &users[opened].login(self.common))?;
                opened += 1;
            }
            reactor.turn(Duration::from_millis(50), pairs)?;
            self.publish(thread, pairs);
            self.check_failed()?;
            if let (Some(error), true) = (&pairs.first_error, pairs.closed() > 0) {
                bail!("{}: {error}", self.server);
            }
            if pairs.logged_in > seen {
                (seen, progressed) = (pairs.logged_in, Instant::now());
            }
            ensure!(
                progressed.elapsed() < LOGIN_PATIENCE,
                "{}: {seen} of {} logged in, and none for {LOGIN_PATIENCE:?}",
                self.server,
                users.len()
            );
        }
        self.ready.fetch_add(1, Ordering::Release);
        let go = loop {
            if let Some(go) = self.go.get() {
                break *go;
            }
            self.check_failed()?;
            reactor.turn(Duration::from_millis(20), pairs)?;
        };
        reactor.turn_until(pairs, go, |_| false)?;
        pairs.start(go);
        Ok(go)
    }

    /// Shows the main thread how far this one is.
    pub(crate) fn publish(&self, thread: usize, pairs: &Pairs) {
        let done = &self.done[thread];
        done.logged_in.store(pairs.logged_in, Ordering::Relaxed);
        done.sent.store(pairs.tally.sent, Ordering::Relaxed);
        done.acked.store(pairs.tally.acked, Ordering::Relaxed);
        done.delivered.store(pairs.tally.delivered, Ordering::Relaxed);
    }

    /// Sums over the threads: sent, acked, delivered.
    pub(crate) fn totals(&self) -> [u64; 3] {
        let sum = |pick: fn(&Done) -> &AtomicU64| {
            self.done.iter().map(|done| pick(done).load(Ordering::Relaxed)).sum()
        };
        [sum(|done| &done.sent), sum(|done| &done.acked), sum(|done| &done.delivered)]
    }
}

/// Raises the limit of open files as far as it goes and checks that it is enough.
pub(crate) fn allow_open_files(connections: usize) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
    }
    let needed = connections as u64 + 64;
    if let Some(maximum) = limit.maximum {
        ensure!(
            maximum >= needed,
            "{connections} connections need {needed} open files, this process may have {maximum}: use fewer, or raise `ulimit -Hn`"
        );
    }
    Ok(())
}

/// A number that tells this run's messages from others'.
pub(crate) fn new_run() -> anyhow::Result<u32> {
    getrandom::u32().context("the system gives no random numbers")
}
