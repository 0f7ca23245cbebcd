//! Bringing log, index and state together: what comes out of it serves.

use std::sync::Arc;

use halley_core::ids::{LogSeq, MsgId};
use halley_core::key::{Epoch, SyncKey};
use halley_core::metrics::Metrics;
use halley_core::ports::accounts::GroupState;
use halley_core::ports::index::{TimelineIndex, Watermark};
use halley_core::tail::{Tail, TailLimits, TailRecord};
use halley_journal::{Files, Log, Position, Recovery};

use super::OpenError;
use super::options::Progress;
use super::replay::{Replay, decode};
use crate::disk::index::{Bodies, LogIndex, Reach, Reads, Rows};
use crate::disk::state::{Installation, RedbState, Run};

/// What opening found and did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveryReport {
    /// What the log says.
    pub log: Recovery,
    /// The epoch of this run.
    pub epoch: Epoch,
    /// Every message of the journal has an id at or below this one: the floor of new ids.
    pub newest_id: Option<MsgId>,
    /// Why the index that was there was thrown away, if it was.
    pub index_discarded: Option<&'static str>,
    /// Records indexed while opening.
    pub indexed: u64,
    /// Records left in the tail for the indexer.
    pub in_tail: u64,
    /// Group changes applied.
    pub changes_applied: usize,
}

/// Index rows of some kind, and how to get empty ones in their place.
pub(super) struct IndexParts<R> {
    pub(super) rows: R,
    pub(super) reach: Reach,
    pub(super) discarded: Option<&'static str>,
    /// Throws the rows away and begins anew.
    pub(super) reset: Reset<R>,
}

/// See [`IndexParts::reset`].
pub(super) type Reset<R> = Box<dyn FnMut(R, &'static str) -> Result<(R, Reach), OpenError>>;

impl<R> IndexParts<R> {
    fn reset(self, reason: &'static str) -> Result<Self, OpenError> {
        let Self { rows, mut reset, .. } = self;
        let (rows, reach) = reset(rows, reason)?;
        Ok(Self { rows, reach, discarded: Some(reason), reset })
    }
}

/// How they are brought together.
pub(super) struct Settings<'a> {
    pub(super) log: halley_journal::Config,
    pub(super) tail: TailLimits,
    pub(super) weak_fsync: bool,
    pub(super) metrics: Arc<Metrics>,
    pub(super) on_progress: &'a mut dyn FnMut(Progress),
}

/// Everything but the threads.
pub(super) struct Recovered<R> {
    pub(super) log: Log,
    pub(super) index: Arc<LogIndex<R>>,
    pub(super) tail: Arc<Tail>,
    pub(super) report: RecoveryReport,
}

const BATCH_RECORDS: usize = 4_096;
const PROGRESS_EVERY: u64 = 100_000;

/// Opens the log, and lets index and state follow it to its end.
pub(super) fn recover<R: Rows>(
    files: &Arc<dyn Files>,
    state: &RedbState,
    index: IndexParts<R>,
    reads: Reads,
    mut settings: Settings<'_>,
) -> Result<Recovered<R>, OpenError> {
    let installation = state.installation()?;
    let (log, recovery, replay, mut index) = open_log(files, index, installation, &settings)?;
    let epoch = begin_run(state, installation, &recovery, &settings)?;
    let end = LogSeq(recovery.next_seq.get() - 1);
    if index.reach.watermark.seq > end || replay.is_index_foreign {
        index = index.reset("it is of another journal")?;
        return finish(log, recovery, state, index, reads, replay_again(replay), epoch, &mut settings);
    }
    finish(log, recovery, state, index, reads, replay, epoch, &mut settings)
}

/// The same, for an index that has just been emptied.
fn replay_again(mut replay: Replay) -> Replay {
    replay.indexed = Watermark::default();
    replay.records.clear();
    replay.is_partial = true;
    replay
}

fn open_log<R: Rows>(
    files: &Arc<dyn Files>,
    mut index: IndexParts<R>,
    installation: Installation,
    settings: &Settings<'_>,
) -> Result<(Log, Recovery, Replay, IndexParts<R>), OpenError> {
    let mut applied = installation.applied;
    loop {
        let mut replay = Replay::new(index.reach.watermark, applied, settings.tail.bytes_max / 2);
        let from = replay.from();
        let from = (from.seq.0 > 0).then(|| Position::from_bits(from.position));
        let opened = Log::open(Arc::clone(files), settings.log.clone(), from, &mut |record| {
            replay.visit(&record).map_err(Into::into)
        });
        // A log that acknowledged before it synced may lose what it acknowledged; and what was never installed is new.
        let may_be_shorter = installation.weak_fsync || installation.log_id.is_none();
        match opened {
            Ok((log, recovery)) => return Ok((log, recovery, replay, index)),
            Err(halley_journal::OpenError::Shorter { .. }) if may_be_shorter && from.is_some() => {
                index = index.reset("the journal lost records that were not synced")?;
                applied = Watermark::default();
            }
            Err(halley_journal::OpenError::Removed { .. }) if index.reach.watermark.seq.0 > 0 => {
                index = index.reset("the journal begins behind it")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Checks that log and state belong together, and writes down what this run is.
fn begin_run(
    state: &RedbState,
    installation: Installation,
    recovery: &Recovery,
    settings: &Settings<'_>,
) -> Result<Epoch, OpenError> {
    match installation.log_id {
        Some(expected) if expected != recovery.log_id => {
            return Err(OpenError::ForeignJournal { expected, found: recovery.log_id });
        }
        None if recovery.next_seq.get() > 1 => return Err(OpenError::StateMissing),
        _ => {}
    }
    let mut epoch = installation.epoch;
    if installation.weak_fsync && !recovery.is_clean && !recovery.is_new {
        epoch.0 += 1;
        if epoch > Epoch::LAST {
            return Err(OpenError::EpochsExhausted);
        }
        tracing::warn!(
            epoch = epoch.0,
            "unclean start without fsync = always: a new epoch of sync keys begins"
        );
    }
    state.begin_run(Run { epoch, weak_fsync: settings.weak_fsync, log_id: recovery.log_id })?;
    Ok(epoch)
}

#[expect(clippy::too_many_arguments, reason = "the parts that are being joined")]
fn finish<R: Rows>(
    log: Log,
    recovery: Recovery,
    state: &RedbState,
    index: IndexParts<R>,
    reads: Reads,
    replay: Replay,
    epoch: Epoch,
    settings: &mut Settings<'_>,
) -> Result<Recovered<R>, OpenError> {
    let end = LogSeq(recovery.next_seq.get() - 1);
    let discarded = index.discarded;
    let known_id = index.reach.newest_id;
    let index = Arc::new(LogIndex::new(index.rows, index.reach, Bodies::new(log.reader.clone()), reads));
    let mut records = replay.records;
    let before = index.watermark().seq.0;
    if replay.is_partial {
        catch_up(&log, &index, std::mem::take(&mut records), end, settings.on_progress)?;
    }
    let indexed = index.watermark();
    let tail = Arc::new(Tail::new(settings.tail, indexed.seq, indexed.key));
    let in_tail = records.len() as u64;
    tail.publish(records);
    let newest = if replay.newest.seq == end { replay.newest } else { indexed };
    let changes_applied = replay.changes.len();
    if state.applied().seq > end {
        state.rewind_applied(newest)?;
    } else if newest.seq > replay.applied.seq {
        state.apply(&replay.changes, newest)?;
    }
    let newest_id = replay.newest_id.max(known_id).max(index.reach().newest_id);
    if let Some(torn) = recovery.torn {
        settings.metrics.torn_bytes.inc_by(torn.bytes);
    }
    let report = RecoveryReport {
        log: recovery,
        epoch,
        newest_id: (newest_id > MsgId(0)).then_some(newest_id),
        index_discarded: discarded,
        indexed: indexed.seq.0 - before,
        in_tail,
        changes_applied,
    };
    Ok(Recovered { log, index, tail, report })
}

/// Indexes everything up to the end of the log: what was visited, then what a scan of the log shows.
fn catch_up<R: Rows>(
    log: &Log,
    index: &LogIndex<R>,
    visited: Vec<TailRecord>,
    end: LogSeq,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<(), OpenError> {
    for batch in visited.chunks(BATCH_RECORDS) {
        index.apply_sparse(batch)?;
    }
    drop(visited);
    let start = index.watermark();
    let total = end.0 - start.seq.0;
    if total > PROGRESS_EVERY {
        tracing::info!(records = total, "indexing the journal");
    }
    let mut scan = log.reader.scan(Position::from_bits(start.position));
    let mut batch = Vec::with_capacity(BATCH_RECORDS);
    let mut done = 0;
    loop {
        let record = scan.next_record()?;
        let is_end = record.is_none();
        if let Some(record) = record {
            if record.seq.get() <= start.seq.0 {
                continue;
            }
            batch.push(decode(&record)?);
        }
        if batch.len() == BATCH_RECORDS || is_end {
            // Records that were taken out are missing between the others, and before the first.
            index.apply_sparse(&batch)?;
            let before = done / PROGRESS_EVERY;
            done += batch.len() as u64;
            batch.clear();
            on_progress(Progress { done, total });
            if done / PROGRESS_EVERY > before {
                tracing::info!(done, total, "indexing the journal");
            }
        }
        if is_end {
            return Ok(());
        }
    }
}

/// The newest record there is: its sequence and key, 0 and START in an empty log.
pub(super) fn newest<R>(recovered: &Recovered<R>) -> (LogSeq, SyncKey) {
    recovered.tail.last()
}
