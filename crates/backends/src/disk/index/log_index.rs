//! The index over any kind of rows: the same reading code for memory and disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::channel::oneshot;
use halley_core::event::RevokedBy;
use halley_core::ids::{AppId, MsgId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::dedup::{DedupKey, Known};
use halley_core::ports::index::{TimelineIndex, Watermark};
use halley_core::ports::timelines::{Direction, Page, TimelineRange};
use halley_core::record::Entry;
use halley_core::reply::Reply;
use halley_core::tail::TailRecord;
use halley_core::timeline::TimelineId;
use parking_lot::Mutex;

use super::bodies::Bodies;
use super::pool::PoolHandle;
use super::{IndexError, Reach, Row};

/// Where rows are kept.
pub trait Rows: Send + Sync + 'static {
    /// Adds a batch, as a whole or not at all, and remembers that it leads from `from` to `to`. A crash may take it
    /// back, and then all that follow too.
    ///
    /// # Errors
    /// When nothing of it was added.
    fn write(&self, batch: &[TailRecord], from: &Reach, to: &Reach) -> Result<(), IndexError>;

    /// Up to `max` rows of a timeline with keys in `low..high`, both exclusive, in the direction.
    ///
    /// # Errors
    /// When they cannot be read.
    fn scan(
        &self,
        timeline: TimelineId,
        low: SyncKey,
        high: SyncKey,
        direction: Direction,
        max: usize,
    ) -> Result<Vec<Row>, IndexError>;

    /// Up to `max` timelines that have rows, behind this one in the order of their rows' keys.
    ///
    /// # Errors
    /// When they cannot be read.
    fn timelines_behind(&self, behind: Option<TimelineId>, max: usize)
    -> Result<Vec<TimelineId>, IndexError>;

    /// The place of the message with this id.
    ///
    /// # Errors
    /// When it cannot be read.
    fn find_message(&self, app: AppId, id: MsgId) -> Result<Option<Row>, IndexError>;

    /// Which messages of a timeline with keys in `from..=to` are revoked.
    ///
    /// # Errors
    /// When they cannot be read.
    fn revoked(
        &self,
        timeline: TimelineId,
        from: SyncKey,
        to: SyncKey,
    ) -> Result<BTreeMap<SyncKey, RevokedBy>, IndexError>;

    /// The newest message with this dedup key.
    ///
    /// # Errors
    /// When it cannot be read.
    fn find_dedup(&self, key: &DedupKey) -> Result<Option<Known>, IndexError>;

    /// Makes everything survive the end of the process.
    ///
    /// # Errors
    /// When it does not: it is replayed then.
    fn flush(&self) -> Result<(), IndexError> {
        Ok(())
    }

    /// How far what survives the end of the process goes; `None` where nothing does, and everything is read again.
    fn durable_reach(&self) -> Option<Reach> {
        None
    }

    /// As [`Rows::flush`], in a quiet moment, if it is worth it.
    ///
    /// # Errors
    /// When it is not written: it stays where it was.
    fn settle(&self) -> Result<(), IndexError> {
        Ok(())
    }

    /// Something read from it was not what it should be: do not trust it at the next start.
    fn suspect(&self, _error: &IndexError) {}
}

/// Where reads that may wait for the disk happen.
pub enum Reads {
    /// In the calling thread: memory, simulations.
    Inline,
    /// On the threads of a pool.
    Pool(PoolHandle),
}

/// See the module.
pub struct LogIndex<R> {
    rows: R,
    bodies: Bodies,
    reads: Reads,
    reach: Mutex<Reach>,
}

/// Rows are scanned for at most so many entries at once, whatever was asked.
const SCAN_MAX: usize = 1_024;

impl<R: Rows> LogIndex<R> {
    /// Rows that reach so far, bodies of this log.
    #[must_use]
    pub fn new(rows: R, reach: Reach, bodies: Bodies, reads: Reads) -> Self {
        Self { rows, bodies, reads, reach: Mutex::new(reach) }
    }

    /// How far it goes.
    #[must_use]
    pub fn reach(&self) -> Reach {
        *self.reach.lock()
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &R {
        &self.rows
    }

    /// As [`TimelineIndex::apply`], for a log that records were taken out of: what is missing between them is not there.
    pub(crate) fn apply_sparse(&self, batch: &[TailRecord]) -> Result<(), PortError> {
        if !batch.is_empty() {
            self.write(batch)?;
        }
        Ok(())
    }

    fn write(&self, batch: &[TailRecord]) -> Result<Watermark, PortError> {
        let from = self.reach();
        let Some(last) = batch.last() else { return Ok(from.watermark) };
        let ids = batch.iter().map(|record| record.entry.record.message.last_id());
        let to = Reach {
            watermark: Watermark { seq: last.seq, key: last.entry.key, position: last.position },
            newest_id: ids.fold(from.newest_id, MsgId::max),
        };
        self.rows.write(batch, &from, &to)?;
        *self.reach.lock() = to;
        Ok(to.watermark)
    }

    fn read_now(&self, range: &TimelineRange) -> Result<Page, PortError> {
        let watermark = self.reach().watermark.key;
        let top = watermark.next();
        let (low, high) = match range.direction {
            Direction::After => (range.from, top),
            Direction::Before => (SyncKey::START, range.from.min(top)),
        };
        let entries_max = range.entries_max.clamp(1, SCAN_MAX);
        let rows = self.rows.scan(range.timeline, low, high, range.direction, entries_max + 1);
        let rows = rows.inspect_err(|error| self.rows.suspect(error))?;
        let mut more = rows.len() > entries_max;
        let mut entries = Vec::with_capacity(rows.len().min(entries_max));
        let (mut bytes, mut last) = (0, None);
        for row in rows.iter().take(entries_max) {
            // What was taken out of the log is no entry any more.
            if let Some(entry) = self.bodies.read(row.key, row.position)? {
                bytes += entry.record.weight_bytes();
                if bytes > range.bytes_max && !entries.is_empty() {
                    more = true;
                    break;
                }
                entries.push(entry);
            }
            last = Some(row.key);
        }
        self.show_revoked(range.timeline, &mut entries)?;
        let complete_to = match (range.direction, last) {
            (_, Some(last)) if more => last,
            (Direction::After, _) => watermark,
            (Direction::Before, _) => SyncKey::START,
        };
        Ok(Page { entries, complete_to, more })
    }

    /// Puts what reads show in the place of revoked messages: one look at the range of the entries, mostly at nothing.
    fn show_revoked(&self, timeline: TimelineId, entries: &mut [Entry]) -> Result<(), PortError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let (from, to) = (first.key.min(last.key), first.key.max(last.key));
        let revoked = self.rows.revoked(timeline, from, to).inspect_err(|error| self.rows.suspect(error))?;
        if !revoked.is_empty() {
            for entry in entries {
                if let Some(by) = revoked.get(&entry.key) {
                    *entry = by.show(entry);
                }
            }
        }
        Ok(())
    }

    fn find_message_now(&self, app: AppId, id: MsgId) -> Result<Option<Entry>, PortError> {
        let found = self.rows.find_message(app, id).inspect_err(|error| self.rows.suspect(error))?;
        let Some(row) = found else { return Ok(None) };
        let Some(entry) = self.bodies.read(row.key, row.position)? else { return Ok(None) };
        let mut found = [entry];
        // It is revoked in all its timelines or in none.
        let timeline = found[0].record.timelines().next();
        if let Some(timeline) = timeline {
            self.show_revoked(timeline, &mut found)?;
        }
        let [entry] = found;
        Ok(Some(entry))
    }
}

impl<R: Rows> LogIndex<R> {
    /// Reads where reads happen.
    fn on_pool<T: Send + 'static>(
        self: Arc<Self>,
        read: impl FnOnce(&Self) -> Result<T, PortError> + Send + 'static,
    ) -> Reply<Result<T, PortError>> {
        let Reads::Pool(pool) = &self.reads else {
            return Reply::Ready(read(&self));
        };
        let (answer, answered) = oneshot::channel();
        let index = Arc::clone(&self);
        let job = Box::new(move || {
            // Nobody waits any more when this fails.
            let _ = answer.send(read(&index));
        });
        if !pool.submit(job) {
            return Reply::Ready(Err(busy()));
        }
        Reply::later(async move { answered.await.unwrap_or_else(|_| Err(busy())) })
    }
}

impl<R: Rows> TimelineIndex for LogIndex<R> {
    fn watermark(&self) -> Watermark {
        self.reach().watermark
    }

    fn settle(&self) -> Result<(), PortError> {
        Ok(self.rows.settle()?)
    }

    fn apply(&self, batch: &[TailRecord]) -> Result<Watermark, PortError> {
        let from = self.reach().watermark;
        let Some(first) = batch.first() else { return Ok(from) };
        if first.seq.0 != from.seq.0 + 1 {
            return Err(IndexError::Gap { found: first.seq.0, watermark: from.seq.0 }.into());
        }
        self.write(batch)
    }

    fn read(self: Arc<Self>, range: TimelineRange) -> Reply<Result<Page, PortError>> {
        self.on_pool(move |index| index.read_now(&range))
    }

    fn find_message(self: Arc<Self>, app: AppId, id: MsgId) -> Reply<Result<Option<Entry>, PortError>> {
        self.on_pool(move |index| index.find_message_now(app, id))
    }

    fn find_dedup(&self, key: &DedupKey) -> Reply<Result<Option<Known>, PortError>> {
        let found = self.rows.find_dedup(key).inspect_err(|error| self.rows.suspect(error));
        Reply::Ready(found.map_err(PortError::from))
    }

    fn newest(&self, timeline: TimelineId) -> Result<SyncKey, PortError> {
        let top = self.reach().watermark.key.next();
        let rows = self.rows.scan(timeline, SyncKey::START, top, Direction::Before, 1);
        let rows = rows.inspect_err(|error| self.rows.suspect(error))?;
        Ok(rows.first().map_or(SyncKey::START, |row| row.key))
    }
}

fn busy() -> PortError {
    PortError::Unavailable {
        what: "index",
        why: "too many reads are waiting, or the index is closing".into(),
    }
}
