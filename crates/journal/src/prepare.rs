//! Zeros ahead of the end, so that a commit overwrites what is allocated and its sync writes no metadata.

use std::io;
use std::sync::Arc;

use crate::config::Config;
use crate::error::PrepareError;
use crate::files::{File, is_disk_full, write_zeros};
use crate::format::HEADER_BYTES;
use crate::segments::{SpareError, make_spare, name_of};
use crate::shared::{Prep, Shared};

/// Keeps zeros ahead; the owner calls [`Preparer::prepare_step`] from a thread of its own, after commits and until it
/// answers [`Prepared::Nothing`]. There is one per log.
pub struct Preparer {
    pub(crate) shared: Arc<Shared>,
    /// A handle of its own: a write-back error is reported once per handle, and the writer must see its own.
    pub(crate) open: Option<(u32, Arc<dyn File>)>,
}

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prepared {
    /// There is enough.
    Nothing,
    /// Zeros were added to the segment that is written.
    Zeroed {
        /// How many.
        bytes: u32,
    },
    /// The next segment exists now.
    Segment {
        /// Its number.
        segment: u32,
    },
}

enum Work {
    Zero { segment: u32, from: u32, to: u32 },
    Spare { segment: u32 },
}

impl Preparer {
    /// Does at most one piece of work: some zeros, or the next segment.
    pub fn prepare_step(&mut self) -> Result<Prepared, PrepareError> {
        if self.shared.is_poisoned() {
            return Err(PrepareError::Poisoned);
        }
        let shared = Arc::clone(&self.shared);
        let Some((work, claim)) = Claim::take(&shared) else {
            return Ok(Prepared::Nothing);
        };
        match work {
            Work::Zero { segment, from, to } => {
                let file = self.file(segment)?;
                let written = write_zeros(file.as_ref(), u64::from(from), u64::from(to));
                self.check_write(written)?;
                let synced = file.sync_data();
                self.check_sync(synced)?;
                claim.finish(|prep| prep.zeroed_to = to);
                Ok(Prepared::Zeroed { bytes: to - from })
            }
            Work::Spare { segment } => {
                let zero_bytes = shared.config.spare_zero_bytes();
                match make_spare(shared.files.as_ref(), segment, zero_bytes) {
                    Ok(_) => {}
                    Err(SpareError::Write(error)) => return self.check_write(Err(error)),
                    Err(SpareError::Sync(error)) => return self.check_sync(Err(error)),
                }
                claim.finish(|prep| prep.spare_bytes = Some(zero_bytes));
                Ok(Prepared::Segment { segment })
            }
        }
    }

    fn file(&mut self, segment: u32) -> Result<Arc<dyn File>, PrepareError> {
        if let Some((number, file)) = &self.open
            && *number == segment
        {
            return Ok(Arc::clone(file));
        }
        let file = self.shared.files.open(&name_of(segment)).map_err(PrepareError::Io)?;
        self.open = Some((segment, Arc::clone(&file)));
        Ok(file)
    }

    fn check_write<T>(&self, written: io::Result<T>) -> Result<T, PrepareError> {
        written.map_err(|error| {
            if is_disk_full(&error) { PrepareError::DiskFull(error) } else { PrepareError::Io(error) }
        })
    }

    fn check_sync<T>(&self, synced: io::Result<T>) -> Result<T, PrepareError> {
        synced.map_err(|error| {
            self.shared.poison();
            PrepareError::Io(error)
        })
    }
}

/// The right to write zeros where the writer has not been; given back when it is dropped.
struct Claim<'a> {
    shared: &'a Shared,
}

impl<'a> Claim<'a> {
    fn take(shared: &'a Shared) -> Option<(Work, Self)> {
        let end = shared.end().position;
        let mut prep = shared.prep();
        let tail = if end.segment() == prep.segment { end.offset() } else { HEADER_BYTES };
        let work = next_work(&prep, tail, &shared.config)?;
        prep.is_busy = true;
        Some((work, Self { shared }))
    }

    fn finish(self, change: impl FnOnce(&mut Prep)) {
        change(&mut self.shared.prep());
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.shared.prep().is_busy = false;
        self.shared.notify_idle();
    }
}

fn next_work(prep: &Prep, tail: u32, config: &Config) -> Option<Work> {
    let wanted = tail.saturating_add(config.zero_ahead_bytes).min(config.segment_bytes);
    let step = config.zero_step_bytes();
    let missing = wanted.saturating_sub(prep.zeroed_to);
    if missing >= step || (missing > 0 && wanted == config.segment_bytes) {
        let to = (prep.zeroed_to + missing.min(step)).next_multiple_of(4096).min(config.segment_bytes);
        return Some(Work::Zero { segment: prep.segment, from: prep.zeroed_to, to });
    }
    let is_ending = prep.zeroed_to >= config.segment_bytes;
    let next = prep.segment.checked_add(1)?;
    (is_ending && prep.spare_bytes.is_none()).then_some(Work::Spare { segment: next })
}
