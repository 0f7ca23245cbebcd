//! What appenders and committer share: the batch that is being filled, and who waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use halley_core::ids::LogSeq;
use halley_core::key::{Epoch, SyncKey};
use halley_core::ports::journal::AppendRefused;
use halley_core::record::Record;
use halley_core::tail::Tail;
use halley_core::ticket::{Durability, DurableMark, JournalLost};
use halley_journal::{Batch, PushError};
use parking_lot::{Condvar, Mutex};

/// A record in a batch.
pub(super) struct Staged {
    pub(super) record: Arc<Record>,
    pub(super) offset_in_batch: u32,
}

/// The batch that is being filled.
pub(super) struct Pending {
    pub(super) batch: Batch,
    pub(super) staged: Vec<Staged>,
    /// Weight of what is staged here.
    pub(super) staged_bytes: usize,
    /// Weight of what is being committed and not yet in the tail.
    pub(super) committing_bytes: usize,
    /// Weight of what the tail holds unindexed: never less than the truth, which is asked when this says "full".
    pub(super) unindexed_bytes: usize,
    /// The committer sleeps; the next append wakes it.
    pub(super) is_committer_asleep: bool,
    /// No more appends.
    pub(super) is_closing: bool,
    /// Who waits for room.
    pub(super) waiting: Vec<Waker>,
}

/// See the module.
pub(super) struct Shared {
    pub(super) epoch: Epoch,
    pub(super) tail: Arc<Tail>,
    pub(super) unindexed_bytes_max: usize,
    pub(super) mark: DurableMark,
    /// The newest record when the journal was opened: its key may be of an older epoch.
    pub(super) opened_at: (LogSeq, SyncKey),
    pub(super) pending: Mutex<Pending>,
    pub(super) wake: Condvar,
    pub(super) is_disk_full: AtomicBool,
    /// Somebody waits for the segment that is written to end.
    pub(super) is_seal_wanted: AtomicBool,
    /// Somebody waits for a marker.
    pub(super) is_mark_wanted: AtomicBool,
}

impl Shared {
    /// The key of a record of this run, or of the newest one before it.
    pub(super) fn key_of(&self, seq: LogSeq) -> SyncKey {
        if seq <= self.opened_at.0 {
            return self.opened_at.1;
        }
        // Beyond 2^44 records there is no key; `stage` refuses long before.
        SyncKey::new(self.epoch, seq.0).unwrap_or(SyncKey::END)
    }

    /// Puts an encoded record into the batch; answers its sequence.
    pub(super) fn stage(&self, record: &Arc<Record>, payload: &[u8]) -> Result<LogSeq, AppendRefused> {
        self.mark.get()?;
        if self.is_disk_full.load(Ordering::Relaxed) {
            return Err(AppendRefused::DiskFull);
        }
        let weight = record.weight_bytes();
        let mut pending = self.pending.lock();
        if pending.is_closing || SyncKey::new(self.epoch, pending.batch.next_seq().get()).is_none() {
            return Err(AppendRefused::Lost(JournalLost));
        }
        if !self.has_room(&mut pending) {
            return Err(AppendRefused::Full);
        }
        let pushed = pending.batch.push(payload).map_err(|error| match error {
            PushError::Full => AppendRefused::Full,
            PushError::TooLong { .. } => AppendRefused::TooLarge,
        })?;
        pending.staged_bytes += weight;
        pending.staged.push(Staged { record: Arc::clone(record), offset_in_batch: pushed.offset_in_batch });
        let wake = std::mem::take(&mut pending.is_committer_asleep);
        drop(pending);
        if wake {
            self.wake.notify_one();
        }
        Ok(LogSeq(pushed.seq.get()))
    }

    /// Whether another record may enter: the bound holds for the tail's unindexed records and what is on its way there.
    fn has_room(&self, pending: &mut Pending) -> bool {
        let on_the_way = pending.staged_bytes + pending.committing_bytes;
        if on_the_way + pending.unindexed_bytes < self.unindexed_bytes_max {
            return true;
        }
        pending.unindexed_bytes = self.tail.backlog().1;
        on_the_way + pending.unindexed_bytes < self.unindexed_bytes_max
    }

    /// Whether a typical record fits the batch; one that does not fit waits for the next commit.
    fn has_batch_room(pending: &Pending) -> bool {
        pending.batch.has_room_for(TYPICAL_RECORD_BYTES) || pending.batch.is_empty()
    }

    pub(super) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_ready() {
            return Poll::Ready(());
        }
        {
            let mut pending = self.pending.lock();
            if !pending.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                pending.waiting.push(context.waker().clone());
            }
        }
        self.tail.wake_on_release(context.waker());
        // Again: room may have come between the question and the registration.
        if self.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// A lost, closing or full-disk journal is "ready" too: the append says which.
    fn is_ready(&self) -> bool {
        if self.mark.get().is_err() || self.is_disk_full.load(Ordering::Relaxed) {
            return true;
        }
        let mut pending = self.pending.lock();
        pending.is_closing || (Self::has_batch_room(&pending) && self.has_room(&mut pending))
    }

    /// Wakes who waits for room.
    pub(super) fn wake_waiting(&self) {
        let waiting = std::mem::take(&mut self.pending.lock().waiting);
        for waker in waiting {
            waker.wake();
        }
    }

    /// Nothing is acknowledged any more.
    pub(super) fn fail(&self) {
        self.mark.fail();
        self.wake_waiting();
    }

    /// Takes no more appends and lets the committer finish.
    pub(super) fn close(&self) {
        self.pending.lock().is_closing = true;
        self.wake.notify_all();
        self.wake_waiting();
    }

    /// The committer's sleep, until there is something to commit, the time is up, or the journal closes.
    pub(super) fn sleep(&self, until: Option<Instant>) {
        let mut pending = self.pending.lock();
        if !pending.batch.is_empty() || pending.is_closing {
            return;
        }
        pending.is_committer_asleep = true;
        match until {
            Some(until) => {
                self.wake.wait_until(&mut pending, until);
            }
            None => self.wake.wait(&mut pending),
        }
        pending.is_committer_asleep = false;
    }

    /// The committer's pause while the disk is full: appends do not end it.
    pub(super) fn pause(&self, until: Instant) {
        let mut pending = self.pending.lock();
        while !pending.is_closing && !self.wake.wait_until(&mut pending, until).timed_out() {}
    }
}

/// What a batch must have room for before those are woken that found it full.
const TYPICAL_RECORD_BYTES: usize = 64 << 10;

impl Durability for Shared {
    fn poll_durable(&self, place: u64, context: &mut Context<'_>) -> Poll<Result<SyncKey, JournalLost>> {
        let seq = LogSeq(place);
        self.mark.poll_reached(seq, context).map(|reached| reached.map(|()| self.key_of(seq)))
    }
}
