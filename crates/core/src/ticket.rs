//! Waiting for durability: an append gives a ticket, the ticket gives the key.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use thiserror::Error;

use crate::ids::LogSeq;
use crate::key::SyncKey;

/// The journal can promise nothing any more: a write or fdatasync failed. Nothing more is acknowledged, the
/// process ends, recovery decides what was durable. The client's repetition is answered after the restart.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the journal has failed and acknowledges nothing more")]
pub struct JournalLost;

/// What a ticket asks: is this place durable, and what is its key?
pub trait Durability: Send + Sync {
    /// Ready when the record at `place` (the implementation's own numbering) is durable, or never will be.
    fn poll_durable(&self, place: u64, context: &mut Context<'_>) -> Poll<Result<SyncKey, JournalLost>>;
}

/// A record on its way to the disk. Awaiting it costs no allocation; tickets of one journal become ready in the
/// order of their appends, so a queue needs to watch its head only.
pub struct Ticket {
    journal: Arc<dyn Durability>,
    place: u64,
}

impl Ticket {
    /// A ticket for this place.
    #[must_use]
    pub fn new(journal: Arc<dyn Durability>, place: u64) -> Self {
        Self { journal, place }
    }

    /// As [`Future::poll`], through a shared reference.
    pub fn poll_durable(&self, context: &mut Context<'_>) -> Poll<Result<SyncKey, JournalLost>> {
        self.journal.poll_durable(self.place, context)
    }
}

impl Clone for Ticket {
    fn clone(&self) -> Self {
        Self { journal: Arc::clone(&self.journal), place: self.place }
    }
}

impl Future for Ticket {
    type Output = Result<SyncKey, JournalLost>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_durable(context)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("place", &self.place).finish_non_exhaustive()
    }
}

const LOST: u64 = u64::MAX;

/// How far a log is durable, and who waits for it to go further.
#[derive(Debug, Default)]
pub struct DurableMark {
    up_to: AtomicU64,
    waiting: Mutex<Vec<Waker>>,
}

impl DurableMark {
    /// Everything at or below `up_to` is durable.
    #[must_use]
    pub fn new(up_to: LogSeq) -> Self {
        Self { up_to: AtomicU64::new(up_to.0), waiting: Mutex::new(Vec::new()) }
    }

    /// The newest durable sequence.
    ///
    /// # Errors
    /// After [`DurableMark::fail`].
    pub fn get(&self) -> Result<LogSeq, JournalLost> {
        match self.up_to.load(Ordering::Acquire) {
            LOST => Err(JournalLost),
            up_to => Ok(LogSeq(up_to)),
        }
    }

    /// Moves the mark and wakes everybody who waits. Only the committer calls it, with increasing values.
    pub fn advance(&self, up_to: LogSeq) {
        self.store(up_to.0);
    }

    /// The journal has failed: every wait ends with [`JournalLost`], for ever.
    pub fn fail(&self) {
        self.store(LOST);
    }

    /// Ready when `seq` is durable or the journal lost.
    pub fn poll_reached(&self, seq: LogSeq, context: &mut Context<'_>) -> Poll<Result<(), JournalLost>> {
        if let Some(result) = self.reached(seq) {
            return Poll::Ready(result);
        }
        let mut waiting = self.waiting.lock();
        // Again under the lock: `store` takes the wakers after it has moved the mark.
        if let Some(result) = self.reached(seq) {
            return Poll::Ready(result);
        }
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn reached(&self, seq: LogSeq) -> Option<Result<(), JournalLost>> {
        match self.get() {
            Err(lost) => Some(Err(lost)),
            Ok(up_to) => (up_to >= seq).then_some(Ok(())),
        }
    }

    fn store(&self, value: u64) {
        let mut waiting = self.waiting.lock();
        if self.up_to.load(Ordering::Relaxed) != LOST {
            self.up_to.store(value, Ordering::Release);
        }
        let woken = std::mem::take(&mut *waiting);
        drop(waiting);
        for waker in woken {
            waker.wake();
        }
    }
}
