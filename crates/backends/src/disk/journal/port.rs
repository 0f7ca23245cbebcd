//! The appending side: [`Journal`] as the roles see it.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use halley_core::ids::LogSeq;
use halley_core::key::{Epoch, SyncKey};
use halley_core::metrics::Metrics;
use halley_core::ports::journal::{AppendRefused, Journal};
use halley_core::record::Record;
use halley_core::tail::Tail;
use halley_core::ticket::{Durability, DurableMark, JournalLost, Ticket};
use halley_journal::LogWriter;
use parking_lot::{Condvar, Mutex};

use super::JournalConfig;
use super::committer::Committer;
use super::pending::{Pending, Shared};
use super::space::FreeSpace;

/// Appends to the log. Cheap to clone.
#[derive(Clone)]
pub struct DiskJournal {
    shared: Arc<Shared>,
}

/// What a journal starts with.
pub struct Start {
    /// The epoch of the keys of this run.
    pub epoch: Epoch,
    /// Sequence and key of the newest record there is; 0 and START in an empty log.
    pub newest: (LogSeq, SyncKey),
    /// Where records go once they are durable.
    pub tail: Arc<Tail>,
    /// At this many bytes of records that are not indexed yet, appends wait.
    pub unindexed_bytes_max: usize,
}

thread_local! {
    /// Records are encoded outside the lock, into a buffer that is kept.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A larger scratch is given back after use.
const SCRATCH_BYTES_KEPT: usize = 64 << 10;

impl DiskJournal {
    /// The journal and its committer, over the writer of an open log.
    #[must_use]
    pub fn new(
        writer: LogWriter,
        start: Start,
        config: JournalConfig,
        space: Box<dyn FreeSpace>,
        metrics: Arc<Metrics>,
    ) -> (Self, Committer) {
        let pending = Pending {
            batch: writer.new_batch(),
            staged: Vec::new(),
            staged_bytes: 0,
            committing_bytes: 0,
            unindexed_bytes: 0,
            is_committer_asleep: false,
            is_closing: false,
            waiting: Vec::new(),
        };
        let shared = Arc::new(Shared {
            epoch: start.epoch,
            tail: start.tail,
            unindexed_bytes_max: start.unindexed_bytes_max,
            mark: DurableMark::new(start.newest.0),
            opened_at: start.newest,
            pending: Mutex::new(pending),
            wake: Condvar::new(),
            is_disk_full: false.into(),
            is_seal_wanted: false.into(),
            is_mark_wanted: false.into(),
        });
        let committer = Committer::new(Arc::clone(&shared), writer, config, space, metrics);
        (Self { shared }, committer)
    }

    /// Whether it has failed: nothing more is acknowledged, the process should exit with 1.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shared.mark.get().is_err()
    }

    /// Has the segment that is written end soon, so that something can be taken out of it.
    pub fn seal_soon(&self) {
        self.shared.is_seal_wanted.store(true, Ordering::Relaxed);
        self.shared.wake.notify_all();
    }

    /// Has a marker written soon, which states what may be missing below.
    pub fn mark_soon(&self) {
        self.shared.is_mark_wanted.store(true, Ordering::Relaxed);
        self.shared.wake.notify_all();
    }

    /// Takes no more appends; what was taken is committed by the committer.
    pub(super) fn close(&self) {
        self.shared.close();
    }
}

impl Journal for DiskJournal {
    fn append(&self, record: &Arc<Record>) -> Result<Ticket, AppendRefused> {
        SCRATCH.with_borrow_mut(|bytes| {
            bytes.clear();
            record.encode(self.shared.epoch, bytes);
            let seq = self.shared.stage(record, bytes);
            bytes.shrink_to(SCRATCH_BYTES_KEPT);
            Ok(Ticket::new(Arc::clone(&self.shared) as _, seq?.0))
        })
    }

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.shared.poll_ready(context)
    }

    fn durable_end(&self) -> Result<SyncKey, JournalLost> {
        self.shared.mark.get().map(|seq| self.shared.key_of(seq))
    }
}

/// For those who follow the journal rather than append to it: places are log sequences.
impl Durability for DiskJournal {
    fn poll_durable(&self, place: u64, context: &mut Context<'_>) -> Poll<Result<SyncKey, JournalLost>> {
        self.shared.poll_durable(place, context)
    }
}

impl fmt::Debug for DiskJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskJournal").field("durable", &self.shared.mark.get()).finish_non_exhaustive()
    }
}
