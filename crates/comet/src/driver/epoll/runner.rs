//! The task that runs a bucket.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::stream::{FuturesUnordered, StreamExt};
use halley_sys::{Interest, Poller};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};

use super::listen::{Acceptor, BucketListener};
use super::sockets::Sockets;
use crate::bucket::{Bucket, Command, Deferred, SocketReady, Token};
use crate::gateway::BucketSeat;
use crate::ports::Ports;

/// Descriptors reported by one wait, waits in one turn; commands and records taken in one turn.
const EVENTS_PER_WAIT: usize = 512;
const WAITS_PER_TURN: usize = 16;
const COMMANDS_PER_TURN: usize = 1_024;
const RECORDS_PER_TURN: usize = 512;
const COMPLETIONS_PER_TURN: usize = 256;

/// Tokens of listeners: no connection has a tenant like this.
const LISTENER: u64 = u64::MAX << 32;

/// Runs a bucket until it is drained ([`crate::Gateway::drain`]). To be spawned on the current-thread runtime (with
/// I/O and time enabled) of the thread that the bucket is to live on. `listeners` are the bucket's part of
/// [`super::bind`].
///
/// # Errors
/// When the poller cannot be made, or fails.
pub async fn run(seat: BucketSeat, ports: Ports, listeners: Vec<BucketListener>) -> io::Result<()> {
    let mut runner = Runner::new(seat, ports, listeners)?;
    loop {
        match std::future::poll_fn(|context| runner.turn(context)).await? {
            Next::More => {
                if runner.bucket.is_crowded() {
                    std::thread::yield_now();
                }
                tokio::task::yield_now().await;
            }
            Next::Drained => return Ok(()),
        }
    }
}

enum Next {
    More,
    Drained,
}

struct Runner {
    bucket: Bucket<OwnedFd>,
    commands: mpsc::Receiver<Command<OwnedFd>>,
    /// Scratch for a batch of commands.
    batch: Vec<Command<OwnedFd>>,
    poller: AsyncFd<Poller>,
    /// The poller may have more than was taken.
    sockets_ready: bool,
    acceptor: Acceptor,
    deferred: FuturesUnordered<Deferred>,
    sleep: Pin<Box<Sleep>>,
    /// What `sleep` waits for; it may be earlier than necessary.
    sleeps_until: Option<Instant>,
}

impl Runner {
    fn new(seat: BucketSeat, ports: Ports, listeners: Vec<BucketListener>) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe for descriptors that change under it; a Poller keeps its own for life"
        )]
        let poller = AsyncFd::with_interest(Poller::new(EVENTS_PER_WAIT)?, tokio::io::Interest::READABLE)?;
        let metrics = std::sync::Arc::clone(&seat.shared.metrics);
        let acceptor = Acceptor::new(listeners, metrics);
        for (index, listener) in acceptor.listeners() {
            poller.get_ref().add(listener, LISTENER | index as u64, Interest::Read)?;
        }
        Ok(Self {
            bucket: Bucket::new(seat.id, seat.shared, ports),
            commands: seat.commands,
            batch: Vec::new(),
            poller,
            sockets_ready: true,
            acceptor,
            deferred: FuturesUnordered::new(),
            sleep: Box::pin(sleep_until(TokioInstant::now())),
            sleeps_until: None,
        })
    }

    /// One turn: ready when another should follow at once, pending when everything there is was done and every
    /// source of more will wake the task.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Next>> {
        let now = self.bucket.clock_now();
        self.bucket.begin_turn(now);
        let mut more = match self.take_sockets(context) {
            Ok(more) => more,
            Err(error) => return Poll::Ready(Err(error)),
        };
        more |= self.take_connections(now.mono);
        more |= self.take_commands(context);
        more |= self.bucket.poll_feed(RECORDS_PER_TURN, context).is_ready();
        more |= self.bucket.finish_turn(&mut Sockets(self.poller.get_ref()));
        self.deferred.extend(self.bucket.take_deferred());
        more |= self.take_completions(context);
        if self.bucket.is_drained() {
            return Poll::Ready(Ok(Next::Drained));
        }
        if more || self.deadline_passed(context) {
            return Poll::Ready(Ok(Next::More));
        }
        Poll::Pending
    }

    fn take_sockets(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        while let Poll::Ready(guard) = self.poller.poll_read_ready(context) {
            // Cleared before the events are taken: one that comes in between is reported again.
            guard?.clear_ready();
            self.sockets_ready = true;
        }
        if !self.sockets_ready {
            return Ok(false);
        }
        let (bucket, acceptor) = (&mut self.bucket, &mut self.acceptor);
        // To the end, within reason: who became ready last is not to wait until thousands before were served.
        for _ in 0..WAITS_PER_TURN {
            self.sockets_ready = self.poller.get_mut().poll(|ready| {
                if ready.token & LISTENER == LISTENER {
                    acceptor.ready(ready.token as u32 as usize);
                    return;
                }
                bucket.ready(SocketReady {
                    token: Token::from_bits(ready.token),
                    readable: ready.readable,
                    ended: ready.ended,
                    writable: ready.writable,
                    hung_up: ready.hung_up,
                });
            })?;
            if !self.sockets_ready {
                break;
            }
        }
        Ok(self.sockets_ready)
    }

    fn take_connections(&mut self, now: Instant) -> bool {
        if self.bucket.is_draining() {
            self.acceptor.close();
            return false;
        }
        let pause = self.bucket.config().accept_pause;
        let bucket = &mut self.bucket;
        self.acceptor.accept(now, pause, |accepted, transport| {
            bucket.accept(accepted.socket, accepted.remote, transport);
        })
    }

    fn take_commands(&mut self, context: &mut Context<'_>) -> bool {
        let polled = self.commands.poll_recv_many(context, &mut self.batch, COMMANDS_PER_TURN);
        for command in self.batch.drain(..) {
            self.bucket.command(command);
        }
        // The queue cannot close: this bucket's own handle to its peers holds it open.
        polled.is_ready()
    }

    fn take_completions(&mut self, context: &mut Context<'_>) -> bool {
        for _ in 0..COMPLETIONS_PER_TURN {
            match self.deferred.poll_next_unpin(context) {
                Poll::Ready(Some(completed)) => self.bucket.complete(completed),
                Poll::Ready(None) | Poll::Pending => return self.bucket.has_work(),
            }
        }
        true
    }

    /// Sleeps until the next deadline; `true` when it has passed.
    fn deadline_passed(&mut self, context: &mut Context<'_>) -> bool {
        let due = [self.bucket.next_deadline(), self.acceptor.resumes_at()];
        let Some(due) = due.into_iter().flatten().min() else {
            self.sleeps_until = None;
            return false;
        };
        // A sleep that ends too early costs a turn; moving it for every touched timer would cost more.
        if self.sleeps_until.is_none_or(|until| until > due) {
            self.sleep.as_mut().reset(TokioInstant::from_std(due));
            self.sleeps_until = Some(due);
        }
        if self.sleep.as_mut().poll(context).is_ready() {
            self.sleeps_until = None;
            return true;
        }
        false
    }
}
