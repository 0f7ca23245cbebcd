//! Threads for work that must not run on a bucket's: bounded in number and in what waits, and fair between apps, so that
//! one app's flood of logins, or its dead server, does not take the others' turn.
//!
//! A thread is started when there is work and no thread is idle, and stays. When the pool is gone each ends behind the
//! work it is on, which is bounded in time; what waits is dropped, and whoever waits for it is told so.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread;

use futures::channel::oneshot;
use halley_core::ids::AppId;
use parking_lot::{Condvar, Mutex};
use prometheus_client::metrics::gauge::Gauge;

/// How many threads logins may use.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    /// For signature checks.
    pub checks: usize,
    /// For questions to apps' own servers.
    pub calls: usize,
    /// Of these, for one app.
    pub calls_of_app: usize,
}

impl Default for Threads {
    /// One thread per two cores computes; 64 wait for other servers, at most 8 of them for one app's.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { checks: (cores / 2).max(1), calls: 64, calls_of_app: 8 }
    }
}

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) threads_max: usize,
    pub(super) running_of_app_max: usize,
    pub(super) waiting_max: usize,
    pub(super) waiting_of_app_max: usize,
    /// By how much the threads stand back behind the others.
    pub(super) niceness: i32,
}

/// Why work has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NotDone {
    /// Too much waits already.
    Full,
    /// The pool ended, or has no thread.
    Gone,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Lane {
    jobs: VecDeque<Job>,
    running: usize,
    /// It stands in [`State::ready`].
    is_ready: bool,
}

#[derive(Default)]
struct State {
    lanes: HashMap<AppId, Lane>,
    /// Apps with work that may run now; each gets one turn, then goes to the back.
    ready: VecDeque<AppId>,
    waiting: usize,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

struct Shared {
    name: &'static str,
    bounds: Bounds,
    state: Mutex<State>,
    wake: Condvar,
    waiting: Gauge,
}

/// See the module.
pub(super) struct Pool(Arc<Shared>);

impl Pool {
    pub(super) fn new(name: &'static str, bounds: Bounds, waiting: Gauge) -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared { name, bounds, state, wake: Condvar::new(), waiting }))
    }

    /// Runs `work` on one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        app: AppId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (done, result) = oneshot::channel();
        self.submit(
            app,
            Box::new(move || {
                // Whoever asked may be gone: then nobody needs it.
                if !done.is_canceled() {
                    let _gone = done.send(work());
                }
            }),
        )?;
        result.await.map_err(|_| NotDone::Gone)
    }

    fn submit(&self, app: AppId, job: Job) -> Result<(), NotDone> {
        let shared = &self.0;
        let mut state = shared.state.lock();
        let state = &mut *state;
        if state.waiting >= shared.bounds.waiting_max {
            return Err(NotDone::Full);
        }
        let lane = state.lanes.entry(app).or_default();
        if lane.jobs.len() >= shared.bounds.waiting_of_app_max {
            return Err(NotDone::Full);
        }
        lane.jobs.push_back(job);
        state.waiting += 1;
        shared.waiting.inc();
        lane.queue(app, &mut state.ready, shared.bounds.running_of_app_max);
        grow(shared, state);
        if state.threads == 0 {
            // What is in the queue would wait for ever.
            state.forget_waiting(&shared.waiting);
            return Err(NotDone::Gone);
        }
        shared.wake.notify_one();
        Ok(())
    }
}

impl Lane {
    /// Puts the app in the row of those that may run, if it may.
    fn queue(&mut self, app: AppId, ready: &mut VecDeque<AppId>, running_max: usize) {
        if !self.is_ready && !self.jobs.is_empty() && self.running < running_max {
            self.is_ready = true;
            ready.push_back(app);
        }
    }
}

impl State {
    /// The next work, of the app whose turn it is.
    fn take(&mut self, running_max: usize) -> Option<(AppId, Job)> {
        let app = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&app)?;
        lane.is_ready = false;
        let job = lane.jobs.pop_front()?;
        lane.running += 1;
        lane.queue(app, &mut self.ready, running_max);
        self.waiting -= 1;
        Some((app, job))
    }

    /// Drops what waits; whoever waits for it is told.
    fn forget_waiting(&mut self, waiting: &Gauge) {
        self.ready.clear();
        for lane in self.lanes.values_mut() {
            lane.is_ready = false;
            lane.jobs.clear();
        }
        waiting.dec_by(i64::try_from(self.waiting).unwrap_or(i64::MAX));
        self.waiting = 0;
    }

    /// Work of this app is done.
    fn done(&mut self, app: AppId, running_max: usize) {
        let Some(lane) = self.lanes.get_mut(&app) else { return };
        lane.running -= 1;
        lane.queue(app, &mut self.ready, running_max);
        if lane.running == 0 && lane.jobs.is_empty() {
            self.lanes.remove(&app);
        }
    }
}

/// Starts a thread when more apps have work than threads are idle.
fn grow(shared: &Arc<Shared>, state: &mut State) {
    if state.ready.len() <= state.idle || state.threads >= shared.bounds.threads_max {
        return;
    }
    match spawn(shared) {
        Ok(()) => state.threads += 1,
        Err(error) => tracing::error!(%error, "no thread for logins"),
    }
}

fn spawn(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let thread = thread::Builder::new().name(shared.name.to_owned());
    thread.spawn(move || run(&shared)).map(|_thread| ())
}

fn run(shared: &Arc<Shared>) {
    if shared.bounds.niceness != 0 {
        // Of this thread only. Without the right to, it works at the usual priority.
        let _refused = rustix::process::nice(shared.bounds.niceness);
    }
    let running_max = shared.bounds.running_of_app_max;
    let mut state = shared.state.lock();
    loop {
        if state.is_closed {
            return;
        }
        let Some((app, job)) = state.take(running_max) else {
            state.idle += 1;
            shared.wake.wait(&mut state);
            state.idle -= 1;
            continue;
        };
        // The same app may have more.
        grow(shared, &mut state);
        drop(state);
        shared.waiting.dec();
        job();
        state = shared.state.lock();
        state.done(app, running_max);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_closed = true;
        state.forget_waiting(&self.0.waiting);
        drop(state);
        self.0.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use futures::executor::block_on;
    use futures::future::join_all;

    use super::*;

    fn pool(threads_max: usize, running_of_app_max: usize, waiting_of_app_max: usize) -> Pool {
        let bounds =
            Bounds { threads_max, running_of_app_max, waiting_max: 10, waiting_of_app_max, niceness: 5 };
        Pool::new("test", bounds, Gauge::default())
    }

    #[test]
    fn one_apps_stuck_work_leaves_threads_to_the_others() {
        let pool = pool(3, 2, 6);
        let (release, stuck) = sync_channel::<()>(0);
        let stuck = Arc::new(Mutex::new(stuck));
        let stick = || {
            let stuck = Arc::clone(&stuck);
            pool.run(AppId(1), move || stuck.lock().recv().is_err())
        };
        let mut waiting: Vec<_> = (0..6).map(|_| Box::pin(stick())).collect();
        // Polled once: now they are in the pool, two of them running.
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for one in &mut waiting {
            let _pending = Future::poll(one.as_mut(), &mut context);
        }
        for turn in 0..20 {
            let (done, is_done) = sync_channel::<()>(1);
            let job = Box::new(move || done.send(()).expect("is waited for"));
            assert_eq!(pool.submit(AppId(2), job), Ok(()));
            let waited = is_done.recv_timeout(std::time::Duration::from_secs(20));
            assert_eq!(waited, Ok(()), "another app has its turn {turn}");
        }
        drop(release);
        let results = block_on(join_all(waiting));
        assert_eq!(results, [Ok(true); 6]);
        let state = pool.0.state.lock();
        assert_eq!((state.threads, state.waiting, state.ready.len()), (3, 0, 0));
    }

    #[test]
    fn what_finds_the_queue_full_is_refused() {
        let pool = pool(1, 1, 2);
        let (release, stuck) = sync_channel::<()>(0);
        let (begun, begins) = sync_channel::<()>(1);
        let first = pool.submit(
            AppId(1),
            Box::new(move || {
                let _ = begun.send(());
                let _ = stuck.recv();
            }),
        );
        assert_eq!(first, Ok(()));
        begins.recv().expect("runs");
        assert_eq!(pool.submit(AppId(1), Box::new(|| ())), Ok(()));
        assert_eq!(pool.submit(AppId(1), Box::new(|| ())), Ok(()));
        assert_eq!(pool.submit(AppId(1), Box::new(|| ())), Err(NotDone::Full), "of this app");
        for _ in 0..8 {
            let _ = pool.submit(AppId(2), Box::new(|| ()));
            let _ = pool.submit(AppId(3), Box::new(|| ()));
            let _ = pool.submit(AppId(4), Box::new(|| ()));
            let _ = pool.submit(AppId(5), Box::new(|| ()));
        }
        assert_eq!(pool.submit(AppId(6), Box::new(|| ())), Err(NotDone::Full), "of all apps");
        assert_eq!(pool.0.waiting.get(), 10);
        drop(pool);
        drop(release);
    }
}
