//! The ways to open: over a data directory with threads, over a simulated disk or memory without.

use std::path::Path;
use std::sync::Arc;

use halley_journal::failing::FailingFiles;
use halley_journal::real::DirFiles;
use halley_journal::sim::SimDisk;
use halley_journal::{Files, Preparer};
use parking_lot::Mutex;
use redb::backends::InMemoryBackend;

use super::options::Options;
use super::past::LogPast;
use super::reclaim::{Parts as ReclaimParts, ReclaimOptions, Reclaimer};
use super::recovered::{IndexParts, Recovered, Settings, newest, recover};
use super::running::{Driver, Embedded, Parts, Stepped};
use super::{OpenError, version};
use crate::disk::index::{FjallRows, LogIndex, MemoryRows, Opening, ReadPool, Reads, Rows};
use crate::disk::journal::{
    Committer, Directory, DiskJournal, FreeSpace, Fsync, JournalThreads, Start, Unlimited,
};
use crate::disk::state::{FilesBackend, RedbState, StateThread};

/// The state database's file on a simulated disk, beside the segments.
const SIMULATED_STATE: &str = "state.redb";

impl Embedded {
    /// Opens the data directory, creating what is not there.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing has been served.
    pub fn open(data: &Path, options: Options) -> Result<Self, OpenError> {
        version::check(data)?;
        // Its lock is the lock of the directory: first.
        let mut files: Arc<dyn Files> = Arc::new(DirFiles::open(&data.join("journal"))?);
        if let Some(fault) = options.fault {
            files = Arc::new(FailingFiles::new(files, fault));
        }
        let state = RedbState::open(&data.join("state.redb"), options.state)?;
        let index = disk_index(&data.join("index"), &state)?;
        let pool = ReadPool::spawn(options.read_threads).map_err(OpenError::Thread)?;
        let space = Box::new(Directory(data.join("journal")));
        let reads = Reads::Pool(pool.handle());
        let assembled = assemble(&files, state, index, reads, space, options)?;
        let (parts, committer) = (assembled.parts, assembled.committer);
        let journal = (*parts.journal).clone();
        let journal = JournalThreads::spawn(journal, committer, assembled.preparer, assembled.on_lost);
        let driver = Driver::Threads {
            journal: journal.map_err(OpenError::Thread)?,
            state: StateThread::spawn((*parts.state).clone())?,
            pool,
            index: assembled.index,
        };
        Ok(Self::new(parts, driver))
    }

    /// Opens what is on a simulated disk; the index is in memory and rebuilt each time. Nothing happens but in
    /// [`Embedded::step`] and [`Embedded::flush_state`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn simulated(disk: &SimDisk, options: Options) -> Result<Self, OpenError> {
        let files = disk.files();
        let backend = FilesBackend::open(files.as_ref(), SIMULATED_STATE)
            .map_err(|source| OpenError::Io { doing: "open", path: SIMULATED_STATE.into(), source })?;
        let state = RedbState::open_backend(backend, options.state)?;
        Self::stepped(&files, state, options)
    }

    /// Everything in memory, empty, and gone with it; driven as [`Embedded::simulated`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn memory(options: Options) -> Result<Self, OpenError> {
        let state = RedbState::open_backend(InMemoryBackend::new(), options.state)?;
        Self::stepped(&SimDisk::new(0).files(), state, options)
    }

    fn stepped(files: &Arc<dyn Files>, state: RedbState, options: Options) -> Result<Self, OpenError> {
        let index = IndexParts {
            rows: MemoryRows::default(),
            reach: Default::default(),
            discarded: None,
            reset: Box::new(|_, _| Ok(Default::default())),
        };
        let space = Box::new(Unlimited);
        let assembled = assemble(files, state, index, Reads::Inline, space, options)?;
        let stepped = Stepped {
            committer: assembled.committer,
            preparer: assembled.preparer,
            on_lost: Some(assembled.on_lost),
        };
        Ok(Self::new(assembled.parts, Driver::Steps(Box::new(stepped))))
    }
}

fn disk_index(path: &Path, state: &RedbState) -> Result<IndexParts<FjallRows>, OpenError> {
    let opening = Opening::new(path, Arc::new(state.clone()));
    let opened = opening.open()?;
    Ok(IndexParts {
        rows: opened.rows,
        reach: opened.reach,
        discarded: opened.discarded,
        reset: Box::new(move |rows, reason| {
            drop(rows);
            opening.discard(reason)?;
            let opened = opening.open()?;
            Ok((opened.rows, opened.reach))
        }),
    })
}

/// The parts, and what drives them.
struct Assembled<R> {
    parts: Parts,
    index: Arc<LogIndex<R>>,
    committer: Committer,
    preparer: Preparer,
    on_lost: Box<dyn FnOnce() + Send>,
}

fn assemble<R: Rows>(
    files: &Arc<dyn Files>,
    state: RedbState,
    index: IndexParts<R>,
    reads: Reads,
    space: Box<dyn FreeSpace>,
    options: Options,
) -> Result<Assembled<R>, OpenError> {
    let mut on_progress = options.on_progress;
    let settings = Settings {
        log: options.log,
        tail: options.tail,
        weak_fsync: options.journal.fsync != Fsync::Always,
        metrics: Arc::clone(&options.metrics),
        on_progress: &mut on_progress,
    };
    let recovered = recover(files, &state, index, reads, settings)?;
    let newest = newest(&recovered);
    let Recovered { log, index, tail, report } = recovered;
    let start = Start {
        epoch: report.epoch,
        newest,
        tail: Arc::clone(&tail),
        unindexed_bytes_max: options.tail.bytes_max,
    };
    let metrics = Arc::clone(&options.metrics);
    let (journal, committer) = DiskJournal::new(log.writer, start, options.journal, space, options.metrics);
    let (journal, state) = (Arc::new(journal), Arc::new(state));
    let reclaimer = Reclaimer::new(
        ReclaimParts {
            compactor: log.compactor,
            log: log.reader.clone(),
            state: Arc::clone(&state),
            journal: Arc::clone(&journal),
            index: Box::new(Arc::clone(&index)),
            metrics,
        },
        ReclaimOptions::default(),
    );
    let parts = Parts {
        journal,
        tail,
        index: Arc::clone(&index) as _,
        catalog: Arc::clone(&index) as _,
        past: Arc::new(LogPast::new(log.reader.clone())),
        state,
        reclaimer: Mutex::new(Some(reclaimer)),
        log: log.reader,
        recovery: report,
    };
    Ok(Assembled { parts, index, committer, preparer: log.preparer, on_lost: options.on_lost })
}
