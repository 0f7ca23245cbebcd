//! A small bounded pool for reads that may wait for the disk.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

/// A read to be done.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// At most so many reads wait; more are refused.
const WAITING_MAX: usize = 4_096;

struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
    is_closed: bool,
}

/// Gives the pool work. Cheap to clone; it does not keep the threads alive.
#[derive(Clone)]
pub struct PoolHandle {
    queue: Arc<Queue>,
}

impl PoolHandle {
    /// Queues a read; `false` when too many wait or the pool is closed: the job is dropped.
    pub(super) fn submit(&self, job: Job) -> bool {
        let mut state = self.queue.state.lock();
        if state.is_closed || state.jobs.len() >= WAITING_MAX {
            return false;
        }
        state.jobs.push_back(job);
        let wake = state.idle > 0;
        drop(state);
        if wake {
            self.queue.wake.notify_one();
        }
        true
    }
}

/// The threads; dropping ends and joins them. Reads that still wait are answered as unavailable.
pub struct ReadPool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl ReadPool {
    /// So many threads.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn spawn(threads: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue { state: Mutex::default(), wake: Condvar::new() });
        let mut pool = Self { queue, threads: Vec::new() };
        for number in 0..threads.max(1) {
            let queue = Arc::clone(&pool.queue);
            let thread = thread::Builder::new().name(format!("index-read-{number}"));
            pool.threads.push(thread.spawn(move || work(&queue))?);
        }
        Ok(pool)
    }

    /// For those who give it work.
    #[must_use]
    pub fn handle(&self) -> PoolHandle {
        PoolHandle { queue: Arc::clone(&self.queue) }
    }
}

impl Drop for ReadPool {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.queue.state.lock();
            state.is_closed = true;
            std::mem::take(&mut state.jobs)
        };
        drop(waiting);
        self.queue.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

fn work(queue: &Queue) {
    let mut state = queue.state.lock();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            drop(state);
            job();
            state = queue.state.lock();
        } else if state.is_closed {
            return;
        } else {
            state.idle += 1;
            queue.wake.wait(&mut state);
            state.idle -= 1;
        }
    }
}
