//! The tail: the newest durable records of a partition, in memory.
//!
//! Owns: every record above the index's watermark, and a bounded rest below it that serves readers who are a little
//! late. From it come the live feed, fresh reads, the newest dedup rows and the indexer's batches.
//!
//! **Invariants:** records are contiguous in sequence; a record is here before the durable mark passes it
//! (so whoever was told "durable" finds it); one is dropped only once it is indexed. What is dropped is announced
//! by the floor: a reader below it must read the index.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use parking_lot::{Mutex, MutexGuard};

use crate::event::RevokedBy;
use crate::ids::{AppId, LogSeq, MsgId};
use crate::key::SyncKey;
use crate::message::{EntryKind, Message};
use crate::ports::dedup::{DedupKey, Known};
use crate::record::{Entry, Record};
use crate::timeline::TimelineId;

use places::Places;

mod places;

/// A record in the tail.
#[derive(Clone, Debug)]
pub struct TailRecord {
    /// Its sequence in the log.
    pub seq: LogSeq,
    /// Where its bytes are, opaque to everybody but the journal (0 where there is no such place).
    pub position: u64,
    /// Key and record.
    pub entry: Entry,
}

/// How much the tail keeps.
#[derive(Clone, Copy, Debug)]
pub struct TailLimits {
    /// At most so many bytes of indexed records are kept for readers who are a little late; with little traffic less,
    /// [`KEEP_BATCHES`] times what was indexed last.
    pub keep_bytes: usize,
    /// At this many bytes of records that are not indexed yet, appends wait.
    pub bytes_max: usize,
}

impl Default for TailLimits {
    fn default() -> Self {
        Self { keep_bytes: 16 << 20, bytes_max: 64 << 20 }
    }
}

/// Indexed records are kept for about as long as the index takes for so many of its batches.
pub const KEEP_BATCHES: usize = 8;
/// A search for a message looks at so many records under one lock.
const FIND_AT_ONCE: u64 = 1_024;
/// Places in timelines that are dropped before others pass: half a millisecond.
const PLACES_AT_ONCE: usize = 4_096;
/// Less than this is not worth dropping.
const KEEP_BYTES_MIN: usize = 64 << 10;

/// The newest records of a timeline that are in memory.
#[derive(Clone, Debug)]
pub struct TailPage {
    /// Every entry of the timeline above this key, up to `complete_to`, is in memory; the index has the others.
    pub floor: SyncKey,
    /// Those asked for, ascending; revoked messages without their content.
    pub entries: Vec<Entry>,
    /// Up to this key nothing of the timeline is missing from `entries` (given the floor).
    pub complete_to: SyncKey,
}

/// See the module.
#[derive(Debug)]
pub struct Tail {
    limits: TailLimits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    records: VecDeque<TailRecord>,
    /// The newest record dropped, or the place the journal began at.
    floor: (LogSeq, SyncKey),
    /// The newest record published.
    last: (LogSeq, SyncKey),
    indexed: LogSeq,
    /// What is kept of the indexed records at present.
    keep_bytes: usize,
    bytes: usize,
    bytes_unindexed: usize,
    places: Places,
    dedup: HashMap<DedupKey, Known>,
    /// What the revocations that are here revoke, wherever that is, by its key (the same in all its timelines).
    revoked: BTreeMap<SyncKey, RevokedBy>,
    /// Who waits for the next release.
    waiting: Vec<Waker>,
}

impl Tail {
    /// An empty tail behind the record at `seq` and `key` (the newest one indexed; 0 and START in the beginning).
    #[must_use]
    pub fn new(limits: TailLimits, seq: LogSeq, key: SyncKey) -> Self {
        let state = State {
            records: VecDeque::new(),
            floor: (seq, key),
            last: (seq, key),
            indexed: seq,
            keep_bytes: limits.keep_bytes.min(KEEP_BYTES_MIN),
            bytes: 0,
            bytes_unindexed: 0,
            places: Places::default(),
            dedup: HashMap::new(),
            revoked: BTreeMap::new(),
            waiting: Vec::new(),
        };
        Self { limits, state: Mutex::new(state) }
    }

    /// Adds records that have just become durable, in order and without a gap. The committer calls it before it
    /// moves the durable mark.
    pub fn publish(&self, batch: impl IntoIterator<Item = TailRecord>) {
        let mut state = self.state.lock();
        for record in batch {
            state.push(record);
        }
        let keep_bytes = state.keep_bytes;
        state.drop_indexed(keep_bytes, PLACES_AT_ONCE);
    }

    /// Whether there is room for more; when not, appends wait for the indexer.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.state.lock().bytes_unindexed < self.limits.bytes_max
    }

    /// Sequence and key of the newest record published.
    #[must_use]
    pub fn last(&self) -> (LogSeq, SyncKey) {
        self.state.lock().last
    }

    /// Up to `max` records above `after`; `None` when some of them are no longer here. Empty at the end.
    #[must_use]
    pub fn read_after(&self, after: LogSeq, max: usize) -> Option<Vec<TailRecord>> {
        let state = self.state.lock();
        if after < state.floor.0 {
            return None;
        }
        let skip = usize::try_from(after.0 - state.floor.0.0).ok()?;
        Some(state.records.iter().skip(skip).take(max).cloned().collect())
    }

    /// Up to `limit` entries of a timeline above `after`, ascending.
    #[must_use]
    pub fn timeline_after(&self, timeline: TimelineId, after: SyncKey, limit: usize) -> TailPage {
        let state = self.state.lock();
        let mut entries = Vec::new();
        let mut complete_to = state.last.1;
        for seq in state.places.ascending(timeline, state.seq_at(after)) {
            if entries.len() == limit {
                complete_to = entries.last().map_or(after, |last: &Entry| last.key);
                break;
            }
            entries.extend(state.get(seq).map(|record| state.shown(&record.entry)));
        }
        TailPage { floor: state.floor.1, entries, complete_to }
    }

    /// Up to `limit` entries of a timeline below `before`, newest first.
    #[must_use]
    pub fn timeline_before(&self, timeline: TimelineId, before: SyncKey, limit: usize) -> TailPage {
        let state = self.state.lock();
        let entries = state
            .places
            .descending(timeline, state.seq_from(before))
            .filter_map(|seq| state.get(seq))
            .take(limit)
            .map(|record| state.shown(&record.entry))
            .collect();
        TailPage { floor: state.floor.1, entries, complete_to: state.last.1 }
    }

    /// The message that had this dedup key, if its record is here.
    #[must_use]
    pub fn find_dedup(&self, key: &DedupKey) -> Option<Known> {
        self.state.lock().dedup.get(key).copied()
    }

    /// What the revocations that are here revoke in this range of keys, both inclusive. Messages below the floor are
    /// among them: asked before the index is read, it has what the index may not have yet.
    #[must_use]
    pub fn revoked(&self, from: SyncKey, to: SyncKey) -> BTreeMap<SyncKey, RevokedBy> {
        if from > to {
            return BTreeMap::new();
        }
        self.state.lock().revoked.range(from..=to).map(|(key, revoked_by)| (*key, *revoked_by)).collect()
    }

    /// The message with this id, if its record is here, as reads show it. Looks at everything, newest first, and lets
    /// others pass now and then: for what is rare.
    #[must_use]
    pub fn find_message(&self, app: AppId, id: MsgId) -> Option<Entry> {
        let mut below = u64::MAX;
        loop {
            let state = self.state.lock();
            let first = state.floor.0.0 + 1;
            let end = below.min(state.last.0.0 + 1);
            let start = end.saturating_sub(FIND_AT_ONCE).max(first);
            if start >= end {
                return None;
            }
            let found = (start..end).rev().filter_map(|seq| state.get(LogSeq(seq))).find(|record| {
                let message = &record.entry.record.message;
                (message.id, message.app, message.kind) == (id, app, EntryKind::MESSAGE)
            });
            if let Some(record) = found {
                return Some(state.shown(&record.entry));
            }
            below = start;
        }
    }

    /// Everything up to `seq` is indexed and may be dropped.
    pub fn release(&self, seq: LogSeq) {
        let mut state = self.state.lock();
        if seq <= state.indexed {
            return;
        }
        let newly: usize =
            state.between(state.indexed, seq).map(|record| record.entry.record.weight_bytes()).sum();
        state.bytes_unindexed -= newly;
        state.indexed = seq;
        let keep_bytes = newly.saturating_mul(KEEP_BATCHES).max(KEEP_BYTES_MIN).min(self.limits.keep_bytes);
        state.keep_bytes = keep_bytes;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        for waker in waiting {
            waker.wake();
        }
        self.drop_indexed(keep_bytes);
    }

    /// Drops what is indexed down to this size, letting others pass now and then.
    fn drop_indexed(&self, keep_bytes: usize) {
        let mut state = self.state.lock();
        while state.drop_indexed(keep_bytes, PLACES_AT_ONCE) {
            MutexGuard::bump(&mut state);
        }
    }

    /// Wakes once, at the next release that frees something; for appends that wait for room.
    pub fn wake_on_release(&self, waker: &Waker) {
        let mut state = self.state.lock();
        if !state.waiting.iter().any(|known| known.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
    }

    /// Drops everything that is indexed and gives memory back: for a journal that has been quiet for a while, whose
    /// readers have all caught up.
    pub fn trim(&self) {
        self.drop_indexed(0);
        let mut state = self.state.lock();
        state.records.shrink_to_fit();
        state.places.shrink();
        state.dedup.shrink_to_fit();
    }

    /// Records and bytes here that are not indexed yet, for the metrics.
    #[must_use]
    pub fn backlog(&self) -> (u64, usize) {
        let state = self.state.lock();
        (state.last.0.0 - state.indexed.0, state.bytes_unindexed)
    }
}

impl State {
    fn push(&mut self, record: TailRecord) {
        debug_assert_eq!(record.seq.0, self.last.0.0 + 1, "contiguous");
        let weight = record.entry.record.weight_bytes();
        self.bytes += weight;
        self.bytes_unindexed += weight;
        self.places.add(record.seq, &record.entry.record);
        let message = &record.entry.record.message;
        if let Some(key) = DedupKey::of(message) {
            self.dedup.insert(key, known(message, record.entry.key));
        }
        if let Some((revoked, by)) = RevokedBy::of(&record.entry) {
            self.revoked.entry(revoked).or_insert(by);
        }
        self.last = (record.seq, record.entry.key);
        self.records.push_back(record);
    }

    /// An entry as reads show it.
    fn shown(&self, entry: &Entry) -> Entry {
        self.revoked.get(&entry.key).map_or_else(|| entry.clone(), |by| by.show(entry))
    }

    fn get(&self, seq: LogSeq) -> Option<&TailRecord> {
        let place = seq.0.checked_sub(self.floor.0.0 + 1)?;
        self.records.get(usize::try_from(place).ok()?)
    }

    /// The newest record at or below this key; the floor when none is here.
    fn seq_at(&self, key: SyncKey) -> LogSeq {
        let newer = self.records.partition_point(|record| record.entry.key <= key);
        LogSeq(self.floor.0.0 + newer as u64)
    }

    /// The oldest record at or above this key; the next one to come when none is here.
    fn seq_from(&self, key: SyncKey) -> LogSeq {
        let older = self.records.partition_point(|record| record.entry.key < key);
        LogSeq(self.floor.0.0 + 1 + older as u64)
    }

    fn between(&self, after: LogSeq, up_to: LogSeq) -> impl Iterator<Item = &TailRecord> {
        let skip = usize::try_from(after.0.saturating_sub(self.floor.0.0)).unwrap_or(usize::MAX);
        self.records.iter().skip(skip).take_while(move |record| record.seq <= up_to)
    }

    /// Drops what is indexed down to this size, or until about so many places in timelines are gone. `true`: there is more.
    fn drop_indexed(&mut self, keep_bytes: usize, places_max: usize) -> bool {
        let mut places = 0;
        while self.bytes > keep_bytes && self.records.front().is_some_and(|front| front.seq <= self.indexed) {
            if places >= places_max {
                return true;
            }
            let Some(record) = self.records.pop_front() else {
                return false;
            };
            self.bytes -= record.entry.record.weight_bytes();
            self.floor = (record.seq, record.entry.key);
            places += 1 + self.places.remove(record.seq, &record.entry.record);
            let message = &record.entry.record.message;
            if let Some(key) = DedupKey::of(message)
                && self.dedup.get(&key).is_some_and(|known| known.id == message.id)
            {
                self.dedup.remove(&key);
            }
            if let Some((revoked, by)) = RevokedBy::of(&record.entry)
                && self.revoked.get(&revoked) == Some(&by)
            {
                self.revoked.remove(&revoked);
            }
        }
        false
    }
}

fn known(message: &Message, key: SyncKey) -> Known {
    Known { id: message.id, time_ms: message.time_ms, key }
}

/// A record with its place, for tests and for the journal's implementations.
#[must_use]
pub fn tail_record(seq: LogSeq, position: u64, key: SyncKey, record: Arc<Record>) -> TailRecord {
    TailRecord { seq, position, entry: Entry { key, record } }
}
