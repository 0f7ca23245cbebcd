//! The handle that the owner drives.

use std::io;
use std::ops::ControlFlow;

use super::error::{RemoveError, RewriteError};
use super::plan::Fate;
use super::rewrite::Source;
use crate::ids::LogSeq;
use crate::reader::LogReader;
use crate::segments::{name_of, rewrite_name_of};
use crate::shared::{Shared, count};

/// Takes records out of sealed segments. There is one per log; the owner moves it to a background thread.
///
/// **What the owner must guarantee.** Every position that it will give to [`crate::Log::open`] or [`LogReader::scan`]
/// as a place to start from (what its index and its state have seen, what a follower has) lies in a segment *above* the
/// one it removes or rewrites. Positions kept only for [`LogReader::read`] may stay as they are: in a rewritten segment
/// records are found by their sequence. A record that went is answered with [`crate::ReadError::Dropped`] or
/// [`crate::ReadError::NoSegment`]; neither is damage.
///
/// Scans and scrubs that have the old file open finish with it, and until then its bytes stay on the disk.
#[derive(Debug)]
pub struct Compactor {
    reader: LogReader,
}

/// What [`Compactor::remove_before`] came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// Nothing is left below.
    Done,
    /// The log does not yet durably state that the oldest segment may be missing. The next synced commit does, or
    /// [`crate::LogWriter::mark_idle`]. Ask again then.
    WaitsForFloor,
    /// The oldest segment is gone, durably. Ask again for the next.
    Removed {
        /// Its number.
        segment: u32,
        /// Bytes of its file.
        bytes: u64,
    },
}

/// A segment that was rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rewritten {
    /// Bytes of the file before, zeros at its end included.
    pub bytes_before: u64,
    /// Bytes of the file now.
    pub bytes_after: u64,
    /// Records it holds now.
    pub kept: u64,
    /// Records that went. When there were none, nothing was written.
    pub dropped: u64,
    /// Runs of missing sequences it lists now.
    pub holes: u64,
}

impl Compactor {
    pub(crate) const fn new(reader: LogReader) -> Self {
        Self { reader }
    }

    /// Removes the oldest segment if it is below `segment`, which must be the one that is written at most: one segment a
    /// call, until it answers [`Removal::Done`].
    pub fn remove_before(&mut self, segment: u32) -> Result<Removal, RemoveError> {
        let shared = &self.reader.shared;
        if shared.is_poisoned() {
            return Err(RemoveError::Poisoned);
        }
        if segment > shared.end().position.segment() {
            return Err(RemoveError::NotSealed { segment });
        }
        let oldest = shared.oldest();
        if oldest >= segment {
            return Ok(Removal::Done);
        }
        shared.floor.raise(segment);
        if shared.floor.durable() <= oldest {
            return Ok(Removal::WaitsForFloor);
        }
        let io = |doing| move |source| RemoveError::Io { doing, source };
        let name = name_of(oldest);
        let bytes = match shared.files.open(&name) {
            Ok(file) => file.size().map_err(io("read the size of a segment"))?,
            // An earlier attempt has come as far as that.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(io("open a segment")(error)),
        };
        // No reader opens it from here on, so none finds its name gone.
        let first_seq = self.reader.forget(oldest);
        match shared.files.remove(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                first_seq.inspect(|first_seq| shared.add_segment(oldest, *first_seq));
                return Err(io("remove a segment")(error));
            }
            _ => {}
        }
        // Each for itself: a crash must not keep an older one and lose a newer one.
        sync_dir(shared).map_err(io("sync the directory"))?;
        count(&shared.counts.removed_segments, 1);
        count(&shared.counts.freed_bytes, bytes);
        Ok(Removal::Removed { segment: oldest, bytes })
    }

    /// Rewrites a sealed segment without the records that `fate` lets go. It is asked once for every record, in order,
    /// with its sequence and payload, before anything is written.
    ///
    /// A segment in the middle of which nothing is left stays as a header with one hole. `pace` is told the bytes read
    /// or written since it was last asked, about a mebibyte each time; it may wait, or end the attempt with
    /// [`ControlFlow::Break`].
    pub fn rewrite(
        &mut self,
        segment: u32,
        fate: &mut dyn FnMut(LogSeq, &[u8]) -> Fate,
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Rewritten, RewriteError> {
        let shared = &self.reader.shared;
        if shared.is_poisoned() {
            return Err(RewriteError::Poisoned);
        }
        if segment >= shared.end().position.segment() {
            return Err(RewriteError::NotSealed { segment });
        }
        let old = Source::open(&self.reader, segment)?;
        self.count_damage(self.rewrite_sealed(&old, segment, fate, pace))
    }

    fn rewrite_sealed(
        &self,
        old: &Source,
        segment: u32,
        fate: &mut dyn FnMut(LogSeq, &[u8]) -> Fate,
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Rewritten, RewriteError> {
        let shared = &self.reader.shared;
        let (chosen, before) = old.choose(fate, pace)?;
        let mut rewritten = Rewritten {
            bytes_before: old.bytes(),
            bytes_after: old.bytes(),
            kept: before.records - chosen.dropped,
            dropped: chosen.dropped,
            holes: chosen.holes.len() as u64,
        };
        if chosen.dropped == 0 {
            return Ok(rewritten);
        }
        let name = rewrite_name_of(segment);
        let new = old.write(shared.files.as_ref(), &name, &chosen, before, pace).inspect_err(|_| {
            // What is left of it the next attempt removes, or the next open.
            let _ = shared.files.remove(&name);
        })?;
        let renamed = shared.files.rename(&name, &name_of(segment));
        renamed.map_err(RewriteError::io("rename a rewritten segment"))?;
        self.reader.forget_file(segment);
        sync_dir(shared).map_err(RewriteError::io("sync the directory"))?;
        rewritten.bytes_after = new.bytes();
        count(&shared.counts.rewritten_segments, 1);
        count(&shared.counts.freed_bytes, rewritten.bytes_before.saturating_sub(rewritten.bytes_after));
        Ok(rewritten)
    }

    fn count_damage<T>(&self, result: Result<T, RewriteError>) -> Result<T, RewriteError> {
        if matches!(result, Err(RewriteError::Damaged(_))) {
            count(&self.reader.shared.counts.damaged_reads, 1);
        }
        result
    }
}

/// A directory that could not be synced may lose any later name too, and a second sync would not tell.
fn sync_dir(shared: &Shared) -> io::Result<()> {
    shared.files.sync_dir().inspect_err(|_| shared.poison())
}
