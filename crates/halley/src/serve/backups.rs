//! Backups of the running server, on a thread of their own, one at a time.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use halley_backends::backup::{BackupOf, backup};
use halley_backends::disk::state::RedbState;
use halley_core::clock::Clock;
use halley_core::ports::backup::{BackupRefused, BackupStage, BackupStatus, Backups};
use halley_journal::LogReader;
use parking_lot::Mutex;

use crate::data_dir;

/// What a backup needs.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) data: PathBuf,
    pub(super) state: Arc<RedbState>,
    pub(super) log: LogReader,
    pub(super) clock: Arc<dyn Clock>,
    /// Held by whoever takes something out of the journal: nothing goes while a backup is made.
    pub(super) reclaiming: Arc<Mutex<()>>,
}

/// [`Backups`] of this process. Dropping it ends a backup that is being made, and waits for its thread.
pub(super) struct ServerBackups {
    source: Source,
    newest: Arc<Mutex<Option<BackupStatus>>>,
    ending: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl ServerBackups {
    pub(super) fn new(source: Source) -> Self {
        Self { source, newest: Arc::default(), ending: Arc::default(), thread: Mutex::default() }
    }

    /// Ends what is being made; it stays without a manifest.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of a backup ended with a panic");
        }
    }
}

impl Drop for ServerBackups {
    fn drop(&mut self) {
        self.end();
    }
}

impl Backups for ServerBackups {
    fn begin(&self, directory: &Path) -> Result<(), BackupRefused> {
        let mut thread = self.thread.lock();
        if thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Err(BackupRefused::Busy);
        }
        if self.ending.load(Ordering::Relaxed) {
            return Err(BackupRefused::Unavailable("the server is stopping".to_owned()));
        }
        let begun_ms = self.source.clock.now().wall_ms;
        let status = BackupStatus {
            directory: directory.to_owned(),
            stage: BackupStage::Running,
            done_bytes: 0,
            total_bytes: 0,
            begun_ms,
        };
        let before = self.newest.lock().replace(status);
        let (source, newest, ending) =
            (self.source.clone(), Arc::clone(&self.newest), Arc::clone(&self.ending));
        let directory = directory.to_owned();
        let work = move || make(&source, &directory, begun_ms, &newest, &ending);
        match thread::Builder::new().name("backup".to_owned()).spawn(work) {
            Ok(spawned) => {
                *thread = Some(spawned);
                Ok(())
            }
            Err(error) => {
                *self.newest.lock() = before;
                Err(BackupRefused::Unavailable(error.to_string()))
            }
        }
    }

    fn status(&self) -> Option<BackupStatus> {
        self.newest.lock().clone()
    }
}

fn make(
    source: &Source,
    directory: &Path,
    begun_ms: u64,
    newest: &Mutex<Option<BackupStatus>>,
    ending: &AtomicBool,
) {
    let _nothing_goes = source.reclaiming.lock();
    let update = |change: &dyn Fn(&mut BackupStatus)| {
        if let Some(status) = newest.lock().as_mut() {
            change(status);
        }
    };
    let mut on_progress = |done: u64, total: u64| {
        update(&|status| (status.done_bytes, status.total_bytes) = (done, total));
        if ending.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let of = BackupOf {
        data: &source.data,
        state: &source.state,
        log: &source.log,
        version: env!("CARGO_PKG_VERSION"),
        now_ms: begun_ms,
    };
    let made = backup(&of, directory, &mut on_progress);
    match made {
        Ok(manifest) => {
            tracing::info!(directory = %directory.display(), bytes = manifest.bytes(), "backup is whole");
            data_dir::note_backup(&source.data, directory, &manifest);
            update(&|status| status.stage = BackupStage::Done);
        }
        Err(error) => {
            let why = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(directory = %directory.display(), why, "backup failed");
            update(&|status| status.stage = BackupStage::Failed(why.clone()));
        }
    }
}
