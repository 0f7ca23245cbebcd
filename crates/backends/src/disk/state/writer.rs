//! The writing end: what is asked together is committed together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use futures::channel::oneshot;
use halley_core::ports::PortError;
use halley_core::reply::Reply;
use parking_lot::{Condvar, Mutex};
use redb::WriteTransaction;

use super::store::{Inner, RedbState};
use super::{StateOpenError, port_error};

/// At most so many writes wait; more are refused.
const WAITING_MAX: usize = 8_192;
/// At most so many go into one transaction.
const TOGETHER_MAX: usize = 512;
/// With so many dirty cursors they are written before their time.
pub(super) const DIRTY_MAX: usize = 65_536;

type RedbResult<T> = Result<T, redb::Error>;

/// A write on its way into a transaction, then to its answer.
trait Job: Send {
    fn run(&mut self, transaction: &WriteTransaction) -> RedbResult<()>;
    fn answer(self: Box<Self>, inner: &Inner, committed: Result<(), PortError>);
}

struct Write<T, W, P> {
    work: Option<W>,
    publish: P,
    value: Option<T>,
    answer: oneshot::Sender<Result<T, PortError>>,
}

impl<T, W, P> Job for Write<T, W, P>
where
    T: Send,
    W: FnOnce(&WriteTransaction) -> RedbResult<T> + Send,
    P: Fn(&Inner, &T) + Send,
{
    fn run(&mut self, transaction: &WriteTransaction) -> RedbResult<()> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(transaction)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, inner: &Inner, committed: Result<(), PortError>) {
        let result = match (committed, self.value) {
            (Ok(()), Some(value)) => {
                (self.publish)(inner, &value);
                Ok(value)
            }
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(closing()),
        };
        // Nobody waits any more when this fails.
        let _ = self.answer.send(result);
    }
}

/// What waits for the writer.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Box<dyn Job>>,
    /// A thread takes the jobs; without one, the caller does.
    has_thread: bool,
    is_closed: bool,
    /// When what is dirty is to be written.
    flush_at: Option<Instant>,
}

impl Inner {
    /// Writes, durable when answered; `publish` tells the caches between commit and answer.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> RedbResult<T> + Send + 'static,
        publish: impl Fn(&Self, &T) + Send + 'static,
    ) -> Reply<Result<T, PortError>> {
        let mut state = self.queue.state.lock();
        if !state.has_thread {
            drop(state);
            let written = self.commit(work).map_err(|error| port_error(&error));
            return Reply::Ready(written.inspect(|value| publish(self, value)));
        }
        if state.is_closed || state.jobs.len() >= WAITING_MAX {
            return Reply::Ready(Err(closing()));
        }
        let (answer, answered) = oneshot::channel();
        state.jobs.push_back(Box::new(Write { work: Some(work), publish, value: None, answer }));
        drop(state);
        self.queue.wake.notify_one();
        Reply::later(async move { answered.await.unwrap_or_else(|_| Err(closing())) })
    }

    /// Something became dirty: it is written within the time it may wait, at once when there is much.
    pub(super) fn flush_soon(&self, dirty: usize) {
        let mut state = self.queue.state.lock();
        let is_first = state.flush_at.is_none();
        if is_first {
            state.flush_at = Some(Instant::now() + self.options.flush_after);
        } else if dirty != DIRTY_MAX {
            return;
        }
        if dirty >= DIRTY_MAX {
            state.flush_at = Some(Instant::now());
        }
        drop(state);
        self.queue.wake.notify_one();
    }
}

impl RedbState {
    /// Writes what is dirty, durably. The writer thread does it from time to time; a simulation calls it.
    ///
    /// # Errors
    /// When it is not durable; it stays dirty.
    pub fn flush(&self) -> Result<(), PortError> {
        commit_together(self.inner(), Vec::new(), true)
    }
}

fn commit_together(inner: &Inner, mut jobs: Vec<Box<dyn Job>>, flush: bool) -> Result<(), PortError> {
    let flushing = flush.then(|| inner.cursors.lock().begin_flush()).flatten();
    let devices = flush.then(|| inner.devices.lock().begin_flush()).flatten();
    if jobs.is_empty() && flushing.is_none() && devices.is_none() {
        return Ok(());
    }
    let committed = inner.commit(|transaction| {
        for job in &mut jobs {
            job.run(transaction)?;
        }
        // Behind the jobs: a device that one of them forgets stays forgotten.
        if let Some(flushing) = &flushing {
            flushing.write(transaction)?;
        }
        match &devices {
            Some(devices) => devices.write(transaction),
            None => Ok(()),
        }
    });
    let committed = committed.map_err(|error| port_error(&error));
    if flushing.is_some() {
        inner.cursors.lock().end_flush(committed.is_ok());
    }
    if devices.is_some() {
        inner.devices.lock().end_flush(committed.is_ok());
    }
    for job in jobs {
        job.answer(inner, committed.clone());
    }
    committed
}

/// The writer thread; [`StateThread::close`] and dropping write what is dirty, end and join it.
#[derive(Debug)]
pub struct StateThread {
    state: RedbState,
    thread: Option<JoinHandle<Result<(), PortError>>>,
}

impl StateThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn spawn(state: RedbState) -> Result<Self, StateOpenError> {
        let inner = Arc::clone(state.inner());
        inner.queue.state.lock().has_thread = true;
        let thread = thread::Builder::new().name("state-write".into());
        let thread = thread.spawn(move || run(&inner)).map_err(StateOpenError::Thread)?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Writes what waits and what is dirty, and ends.
    ///
    /// # Errors
    /// When what was dirty is not durable: cursors lag.
    pub fn close(mut self) -> Result<(), PortError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), PortError> {
        let queue = &self.state.inner().queue;
        queue.state.lock().is_closed = true;
        queue.wake.notify_all();
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or_else(|_| Err(closing())))
    }
}

impl Drop for StateThread {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "cursors were not written");
        }
    }
}

fn run(inner: &Inner) -> Result<(), PortError> {
    loop {
        let mut state = inner.queue.state.lock();
        let (flush, is_closed) = loop {
            let is_due = state.flush_at.is_some_and(|at| at <= Instant::now());
            if state.is_closed || is_due || !state.jobs.is_empty() {
                break (is_due || state.is_closed, state.is_closed);
            }
            match state.flush_at {
                Some(at) => {
                    inner.queue.wake.wait_until(&mut state, at);
                }
                None => inner.queue.wake.wait(&mut state),
            }
        };
        let together = state.jobs.len().min(TOGETHER_MAX);
        let jobs: Vec<_> = state.jobs.drain(..together).collect();
        let is_last = is_closed && state.jobs.is_empty();
        if flush {
            state.flush_at = None;
        }
        drop(state);
        let committed = commit_together(inner, jobs, flush);
        if is_last {
            return committed;
        }
        if let Err(error) = committed {
            tracing::error!(%error, "the state database did not take a write");
            if flush {
                inner.flush_soon(0);
            }
        }
    }
}

fn closing() -> PortError {
    PortError::Unavailable {
        what: "state database",
        why: "too many writes are waiting, or it is closing".into(),
    }
}
