//! The journal's two threads: one commits, one keeps zeros ahead.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use halley_journal::{CommitError, PrepareError, Prepared, Preparer};

use super::committer::{Committer, Stepped};
use super::port::DiskJournal;

/// The running threads; [`JournalThreads::close`] ends them, dropping does too, without waiting for the result.
#[derive(Debug)]
pub struct JournalThreads {
    journal: DiskJournal,
    commit: Option<JoinHandle<Result<(), CommitError>>>,
    prepare: Option<JoinHandle<()>>,
}

/// The commit thread waits for the disk several times in each commit. Each time it wakes, who writes pushes to thousands
/// would otherwise have the processor for milliseconds more.
const COMMIT_SLICE: Duration = Duration::from_micros(100);

/// Zeros are looked after each time so many bytes were committed.
const PREPARE_EVERY_BYTES: u64 = 256 << 10;

impl JournalThreads {
    /// Starts both. `on_lost` is called once, on the commit thread, when the journal has failed.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn spawn(
        journal: DiskJournal,
        committer: Committer,
        preparer: Preparer,
        on_lost: Box<dyn FnOnce() + Send>,
    ) -> io::Result<Self> {
        let (kick, kicked) = sync_channel(1);
        let prepare =
            thread::Builder::new().name("journal-zeros".into()).spawn(move || prepare(preparer, &kicked))?;
        let commit = thread::Builder::new()
            .name("journal-commit".into())
            .spawn(move || commit(committer, &kick, on_lost))?;
        Ok(Self { journal, commit: Some(commit), prepare: Some(prepare) })
    }

    /// Takes no more appends, commits what was taken, ends the run cleanly and the threads with it.
    ///
    /// # Errors
    /// When not everything could be made durable.
    pub fn close(mut self) -> Result<(), CommitError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), CommitError> {
        self.journal.close();
        let closed =
            self.commit.take().map_or(Ok(()), |commit| commit.join().unwrap_or(Err(CommitError::Poisoned)));
        if let Some(prepare) = self.prepare.take() {
            // It has ended on its own: its channel closed with the commit thread.
            let _ = prepare.join();
        }
        closed
    }
}

impl Drop for JournalThreads {
    fn drop(&mut self) {
        if self.commit.is_some()
            && let Err(error) = self.end()
        {
            tracing::error!(%error, "the journal was not closed cleanly");
        }
    }
}

fn commit(
    mut committer: Committer,
    kick: &SyncSender<()>,
    on_lost: Box<dyn FnOnce() + Send>,
) -> Result<(), CommitError> {
    let shared = std::sync::Arc::clone(&committer.shared);
    let is_closing = || shared.pending.lock().is_closing;
    let mut unprepared_bytes = PREPARE_EVERY_BYTES;
    let _supported = halley_sys::prefer_short_slices(COMMIT_SLICE);
    loop {
        if unprepared_bytes >= PREPARE_EVERY_BYTES {
            // Full: it is awake already. Closed: it has stopped, commits write their zeros themselves.
            let _ = kick.try_send(());
            unprepared_bytes = 0;
        }
        match committer.step(Instant::now()) {
            Stepped::Committed { bytes, .. } => {
                unprepared_bytes += u64::from(bytes);
                let gather = committer.recent_sync.min(committer.config.gather_max);
                if !gather.is_zero() && !shared.pending.lock().batch.is_empty() {
                    thread::sleep(gather);
                }
            }
            Stepped::Idle { .. } | Stepped::NoSpace { .. } if is_closing() => break,
            Stepped::Idle { until } => shared.sleep(until),
            Stepped::NoSpace { until } => shared.pause(until),
            Stepped::Lost => {
                on_lost();
                return Err(CommitError::Poisoned);
            }
        }
    }
    committer.close()
}

/// After a lack of space, or any other failure, zeros are tried again at the next kick, this much later at the latest.
const PREPARE_RETRY: Duration = Duration::from_secs(1);

fn prepare(mut preparer: Preparer, kicked: &Receiver<()>) {
    let mut is_failing = false;
    loop {
        let wait = match preparer.prepare_step() {
            Ok(Prepared::Zeroed { .. } | Prepared::Segment { .. }) => Some(Duration::ZERO),
            Ok(Prepared::Nothing) => None,
            Err(PrepareError::Poisoned) => return,
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "no zeros ahead of the journal; commits are slower");
                }
                Some(PREPARE_RETRY)
            }
        };
        let received = match wait {
            Some(wait) => kicked.recv_timeout(wait),
            None => kicked.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if received == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
