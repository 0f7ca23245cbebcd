//! Opening a log: finding out where it ends, repairing its end, handing out its four handles.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use crate::compact::Compactor;
use crate::config::Config;
use crate::error::{CommitError, OpenError, VisitError};
use crate::files::{File, Files};
use crate::format::SegmentHeader;
use crate::ids::{LogSeq, Position};
use crate::prepare::Preparer;
use crate::reader::LogReader;
use crate::repair::{Repaired, repair};
use crate::scan::Record;
use crate::segments::{self, SpareError, make_spare, name_of};
use crate::shared::{End, Prep, Shared};
use crate::survey::{Survey, survey};
use crate::writer::{Active, LogWriter};

/// An open log: its four handles, to be moved to where they are used.
pub struct Log {
    /// For the commit thread.
    pub writer: LogWriter,
    /// For everybody.
    pub reader: LogReader,
    /// For the background thread that keeps zeros ahead.
    pub preparer: Preparer,
    /// For the background thread that takes records out again.
    pub compactor: Compactor,
}

/// What an open found and did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// There was no log; it was created.
    pub is_new: bool,
    /// The last run ended with [`LogWriter::close`] and nothing was cut.
    pub is_clean: bool,
    /// The sequence that the next record gets.
    pub next_seq: LogSeq,
    /// Where the records end.
    pub end: Position,
    /// The highest position that the log itself proved durable.
    pub durable: Position,
    /// Records shown to the visitor.
    pub visited: u64,
    /// What was cut.
    pub torn: Option<Torn>,
    /// Bytes above `durable` that were valid and were written again.
    pub rewritten_bytes: u64,
    /// The sequence that the oldest segment begins with.
    pub oldest_seq: LogSeq,
    /// Identity of the log.
    pub log_id: u64,
}

/// Bytes above the last durable mark that were not a whole batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Torn {
    /// Where they began.
    pub position: Position,
    /// How many, up to the last that was not zero.
    pub bytes: u64,
}

const FIRST_SEGMENT: u32 = 1;

impl Log {
    /// Opens the log in a directory, or creates it.
    ///
    /// Everything from the segment of `from` on is checked (from `from` itself if a batch begins there) and the
    /// records from `from` on are shown to `visit`; `None` is everything. A batch is shown only when it is whole, but
    /// damage further on may still refuse the open: what was visited counts only after `Ok`.
    ///
    /// A log may begin with any segment: retention takes the oldest. `from` must lie in one that is there
    /// ([`OpenError::Removed`]). If its segment was rewritten, positions in it have moved, and every record of it is
    /// shown: more than asked, never fewer.
    pub fn open(
        files: Arc<dyn Files>,
        config: Config,
        from: Option<Position>,
        visit: &mut dyn FnMut(Record<'_>) -> Result<(), VisitError>,
    ) -> Result<(Self, Recovery), OpenError> {
        config.check().map_err(OpenError::Config)?;
        let found = segments::list(files.as_ref())
            .map_err(|error| OpenError::io(error.doing, &error.name)(error.source))?;
        let is_empty = found.is_empty();
        if is_empty && let Some(from) = from.filter(|from| *from > Position::ZERO) {
            return Err(OpenError::Shorter { from, end: Position::ZERO });
        }
        let (mut log, recovery) = if is_empty {
            create(files, config, None)?
        } else {
            let survey = survey(files.as_ref(), found, from, config.new_log.first_seq, visit)?;
            let repaired = repair(files.as_ref(), &survey)?;
            if survey.stop.offset() == 0 {
                create(files, config, repaired.torn)?
            } else {
                assemble(files, config, &survey, &repaired)?
            }
        };
        if let Some(torn) = recovery.torn {
            tracing::warn!(
                target: "journal.recovery",
                position = %torn.position,
                bytes = torn.bytes,
                "cut a torn tail that was never known durable"
            );
        }
        match log.writer.begin() {
            // The disk is full: reading works, and the first commit tries again.
            Ok(()) | Err(CommitError::DiskFull(_)) => Ok((log, recovery)),
            Err(CommitError::Write(source) | CommitError::Sync(source)) => {
                Err(OpenError::io("mark segment", &name_of(log.writer.active.number))(source))
            }
            Err(other) => Err(OpenError::io("mark segment", ".")(std::io::Error::other(other))),
        }
    }
}

/// Starts a new log in a directory without one, or with one that was never started.
fn create(files: Arc<dyn Files>, config: Config, torn: Option<Torn>) -> Result<(Log, Recovery), OpenError> {
    let name = name_of(FIRST_SEGMENT);
    let zeroed_to = config.spare_zero_bytes();
    let file = make_spare(files.as_ref(), FIRST_SEGMENT, zeroed_to).map_err(|error| match error {
        SpareError::Write(source) | SpareError::Sync(source) => {
            OpenError::io("create segment", &name)(source)
        }
    })?;
    let header = SegmentHeader {
        log_id: config.new_log.log_id.unwrap_or_else(random_id),
        number: FIRST_SEGMENT,
        first_seq: config.new_log.first_seq,
        durable: Position::new(FIRST_SEGMENT, 0),
        holes: Vec::new(),
    };
    file.write_all_at(&header.encode(), 0).map_err(OpenError::io("write segment", &name))?;
    file.sync_data().map_err(OpenError::io("sync segment", &name))?;
    files.sync_dir().map_err(OpenError::io("sync the directory", "."))?;

    let first_seq = header.first_seq;
    let end = End { position: Position::new(FIRST_SEGMENT, header.header_bytes()), next_seq: first_seq };
    let recovery = Recovery {
        is_new: true,
        is_clean: torn.is_none(),
        next_seq: first_seq,
        end: end.position,
        durable: end.position,
        visited: 0,
        torn,
        rewritten_bytes: 0,
        oldest_seq: first_seq,
        log_id: header.log_id,
    };
    let prep = Prep { segment: FIRST_SEGMENT, zeroed_to, spare_bytes: None, is_busy: false };
    let first_seqs = BTreeMap::from([(FIRST_SEGMENT, first_seq)]);
    let shared = Shared::new(files, config, header.log_id, end, first_seqs, prep, FIRST_SEGMENT);
    Ok((handles(Arc::new(shared), file), recovery))
}

/// Puts the handles of an existing log together.
fn assemble(
    files: Arc<dyn Files>,
    config: Config,
    survey: &Survey,
    repaired: &Repaired,
) -> Result<(Log, Recovery), OpenError> {
    let tail = &survey.segments[survey.tail];
    let name = name_of(tail.number);
    let first_seqs = survey.first_seqs();
    let oldest = survey.segments.first().map_or(FIRST_SEGMENT, |segment| segment.number);
    let recovery = Recovery {
        is_new: false,
        is_clean: survey.last_flags.is_clean() && repaired.torn.is_none(),
        next_seq: survey.next_seq,
        end: survey.stop,
        durable: survey.durable,
        visited: survey.visited,
        torn: repaired.torn,
        rewritten_bytes: repaired.rewritten_bytes,
        oldest_seq: first_seqs.values().next().copied().unwrap_or(survey.next_seq),
        log_id: survey.log_id.unwrap_or(0),
    };
    let zeroed_to = (tail.bytes as u32).max(survey.stop.offset());
    let prep = Prep { segment: tail.number, zeroed_to, spare_bytes: repaired.spare_bytes, is_busy: false };
    let end = End { position: survey.stop, next_seq: survey.next_seq };
    let file = files.open(&name).map_err(OpenError::io("open segment", &name))?;
    let floor_segment = survey.floor_segment.max(oldest);
    let shared = Shared::new(files, config, recovery.log_id, end, first_seqs, prep, floor_segment);
    Ok((handles(Arc::new(shared), file), recovery))
}

fn handles(shared: Arc<Shared>, file: Arc<dyn File>) -> Log {
    let end = shared.end();
    let tail = end.position.offset();
    let writer = LogWriter {
        shared: Arc::clone(&shared),
        active: Active { file, number: end.position.segment(), tail, dirty_to: tail },
        next_seq: end.next_seq,
        synced: end.position,
        is_marked: true,
        is_begun: false,
        stated_floor: shared.floor.wanted(),
    };
    let preparer = Preparer { shared: Arc::clone(&shared), open: None };
    let reader = LogReader::new(shared);
    Log { writer, preparer, compactor: Compactor::new(reader.clone()), reader }
}

/// The standard library seeds its hash maps from the operating system.
fn random_id() -> u64 {
    RandomState::new().build_hasher().finish()
}
