//! Giving disk space back: what lies below its floors, and what deleted users sent, leaves the journal.
//!
//! Owns: which segments may be touched, which records are dead, when a segment is removed or rewritten.
//!
//! Does not: raise floors; start a thread; touch what an index or a state that lags would still read.
//!
//! **Order.** A segment is touched only when the durable index and the durable group state are both beyond it. Records
//! younger than the dedup window stay, so that an index that is rebuilt knows them; what a deleted user sent goes at any age.
//! A segment is removed when nothing in it is live and none before it is left; it is rewritten when less than a third
//! is live, or when something in it must go.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use futures::executor::block_on;
use halley_core::ids::{AppId, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::metrics::Metrics;
use halley_core::ports::PortError;
use halley_core::ports::accounts::GroupState as _;
use halley_core::ports::floors::Floors as _;
use halley_core::ports::journal::Journal as _;
use halley_core::record::{Record, Targets};
use halley_journal::{Compactor, Fate, LogReader, Position, Removal, SegmentInfo};

use crate::disk::index::{LogIndex, Reach, Rows};
use crate::disk::journal::DiskJournal;
use crate::disk::state::RedbState;

/// How it works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReclaimOptions {
    /// Records younger than this stay, below a floor or not: as long as a repetition of them is recognised.
    pub window_ms: u64,
    /// A segment is looked through again at most so often, but for what must go.
    pub look_every_ms: u64,
}

impl Default for ReclaimOptions {
    fn default() -> Self {
        Self { window_ms: halley_core::ports::dedup::DEDUP_WINDOW_MS, look_every_ms: 3_600_000 }
    }
}

/// What the index says about how far it goes, for whoever takes away what it was made of.
pub(super) trait IndexEnd: Send {
    /// In memory.
    fn reach(&self) -> Reach;
    /// After a crash.
    fn durable_reach(&self) -> Reach;
    /// Makes the second what the first is.
    fn flush(&self) -> Result<(), PortError>;
}

impl<R: Rows> IndexEnd for Arc<LogIndex<R>> {
    fn reach(&self) -> Reach {
        LogIndex::reach(self)
    }

    fn durable_reach(&self) -> Reach {
        self.rows().durable_reach().unwrap_or_else(|| LogIndex::reach(self))
    }

    fn flush(&self) -> Result<(), PortError> {
        Ok(self.rows().flush()?)
    }
}

/// What it works on.
pub(super) struct Parts {
    pub(super) compactor: Compactor,
    pub(super) log: LogReader,
    pub(super) state: Arc<RedbState>,
    pub(super) journal: Arc<DiskJournal>,
    pub(super) index: Box<dyn IndexEnd>,
    pub(super) metrics: Arc<Metrics>,
}

/// See the module. One per log, to be moved to where it is stepped.
pub struct Reclaimer {
    parts: Parts,
    options: ReclaimOptions,
    looked: BTreeMap<u32, Looked>,
}

/// What a look through a segment showed.
#[derive(Clone, Copy, Default, Debug)]
struct Looked {
    /// Under these floors.
    generation: u64,
    at_ms: u64,
    bytes: u64,
    live_bytes: u64,
    /// Records that must go.
    erased: u64,
    /// Something was too young to be dead; from then on it is not.
    young_until_ms: u64,
    /// It was rewritten after that look.
    is_rewritten: bool,
}

impl Looked {
    fn is_dead(&self) -> bool {
        self.live_bytes == 0
    }

    /// Among others: one in which nothing is live goes as a whole, unless something before it stays.
    fn is_worth_rewriting(&self, something_stays_before: bool) -> bool {
        let is_mostly_dead = self.live_bytes * 3 < self.bytes && (something_stays_before || !self.is_dead());
        !self.is_rewritten && (self.erased > 0 || is_mostly_dead)
    }
}

/// Told the bytes read or written: it may wait, or end the step.
pub type Pace<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

impl Reclaimer {
    pub(super) fn new(parts: Parts, options: ReclaimOptions) -> Self {
        Self { parts, options, looked: BTreeMap::new() }
    }

    /// Works like this from now on.
    pub fn configure(&mut self, options: ReclaimOptions) {
        self.options = options;
    }

    /// Looks at one segment, rewrites one, or removes one; answers whether it did something. May block on the disk.
    ///
    /// # Errors
    /// When a part did not do what was asked; nothing is lost, the next step tries again.
    pub fn step(&mut self, now_ms: u64, pace: Pace<'_>) -> Result<bool, PortError> {
        self.tell_sizes();
        let generation = self.parts.state.generation();
        let senders = self.parts.state.senders();
        if !self.parts.state.has_floors() {
            return Ok(false);
        }
        let segments = self.parts.log.segments();
        if let Some(active) = segments.last()
            && senders
                .iter()
                .any(|(_, _, floor)| floor.place().min(self.last_seq()) >= active.first_seq.get())
        {
            // What must go is in the segment that is written: end it.
            self.parts.journal.seal_soon();
        }
        let border = self.border()?;
        let has_ended = segments.last().is_some_and(|active| active.first_seq == self.parts.log.next_seq());
        let is_last = |info: &&SegmentInfo| info.segment >= border && info.first_seq.get() <= self.last_seq();
        if has_ended
            && let Some(last) = segments.iter().find(is_last)
            && senders.iter().any(|(_, _, floor)| floor.place() >= last.first_seq.get())
        {
            // The newest record is where index and state begin again after a crash: one must come behind it.
            self.append_mark(now_ms)?;
        }
        let touchable: Vec<u32> =
            segments.iter().map(|info| info.segment).filter(|segment| *segment < border).collect();
        self.looked.retain(|segment, _| touchable.contains(segment));
        let mut something_stays = false;
        for segment in &touchable {
            let known = self.looked.get(segment).copied();
            if known.is_none_or(|known| self.is_due(&known, generation, !senders.is_empty(), now_ms)) {
                let looked = self.look(*segment, generation, now_ms, pace)?;
                let Some(looked) = looked else { return Ok(false) };
                self.looked.insert(*segment, looked);
                return Ok(true);
            }
            if known.is_some_and(|known| known.is_worth_rewriting(something_stays)) {
                self.rewrite(*segment, now_ms, pace)?;
                return Ok(true);
            }
            something_stays |= known.is_some_and(|known| !known.is_dead());
        }
        if self.remove(&touchable, border)? {
            return Ok(true);
        }
        self.forget_senders(&senders, border, generation)
    }

    fn append_mark(&self, now_ms: u64) -> Result<(), PortError> {
        let message = Message {
            id: MsgId(1),
            app: AppId(0),
            conversation: Conversation::System,
            from: UserId::SYSTEM,
            kind: EntryKind::MARK,
            content: Content::default(),
            ext: Bytes::new(),
            client_id: Bytes::new(),
            time_ms: now_ms,
            device: Bytes::new(),
        };
        let record = Arc::new(Record { message, targets: Targets::none() });
        // Nobody waits for it: the next step sees whether it is there.
        let appended = self.parts.journal.append(&record);
        appended.map(drop).map_err(|refused| unavailable(refused.to_string()))
    }

    fn last_seq(&self) -> u64 {
        self.parts.log.next_seq().get().saturating_sub(1)
    }

    fn is_due(&self, known: &Looked, generation: u64, must: bool, now_ms: u64) -> bool {
        let is_changed =
            known.generation != generation || (known.young_until_ms > 0 && known.young_until_ms <= now_ms);
        is_changed && (must || now_ms >= known.at_ms.saturating_add(self.options.look_every_ms))
    }

    /// Nothing from this segment on is touched: an index or a state that lags after a crash reads from there.
    fn border(&self) -> Result<u32, PortError> {
        let segment = |position: u64| Position::from_bits(position).segment();
        let index = &self.parts.index;
        let (now, durable) = (index.reach().watermark, index.durable_reach().watermark);
        let mut indexed = segment(durable.position);
        if segment(now.position) > indexed {
            index.flush()?;
            indexed = segment(index.durable_reach().watermark.position);
        }
        let applied = |parts: &Parts| {
            let installation = parts.state.installation();
            let unreadable =
                |error| PortError::Unavailable { what: "state database", why: crate::disk::chain(&error) };
            installation.map(|known| segment(known.applied.position)).map_err(unreadable)
        };
        let mut followed = applied(&self.parts)?;
        if segment(self.parts.state.applied().position) > followed {
            self.parts.state.flush()?;
            followed = applied(&self.parts)?;
        }
        Ok(indexed.min(followed).min(self.parts.log.committed_end().segment()))
    }

    /// What is live in a segment; `None` when the pace ended it.
    fn look(
        &self,
        segment: u32,
        generation: u64,
        now_ms: u64,
        pace: Pace<'_>,
    ) -> Result<Option<Looked>, PortError> {
        let judge = Judge { state: &self.parts.state, window_ms: self.options.window_ms, now_ms };
        let mut looked = Looked { generation, at_ms: now_ms, ..Looked::default() };
        let mut scan = self.parts.log.scan(Position::new(segment, 0));
        let mut unpaced = 0;
        loop {
            let record = scan.next_record().map_err(|error| damaged(crate::disk::chain(&error)))?;
            let Some(record) = record.filter(|record| record.position.segment() == segment) else { break };
            let bytes = record.payload.len() as u64;
            looked.bytes += bytes;
            unpaced += bytes;
            match judge.fate(record.seq.get(), record.payload)? {
                Verdict::Live => looked.live_bytes += bytes,
                Verdict::Young { until_ms } => {
                    looked.live_bytes += bytes;
                    looked.young_until_ms = looked.young_until_ms.max(until_ms);
                }
                Verdict::Dead => {}
                Verdict::Erased => looked.erased += 1,
            }
            if unpaced >= 1 << 20 && pace(std::mem::take(&mut unpaced)) == ControlFlow::Break(()) {
                return Ok(None);
            }
        }
        Ok(Some(looked))
    }

    fn rewrite(&mut self, segment: u32, now_ms: u64, pace: Pace<'_>) -> Result<(), PortError> {
        let Parts { compactor, state, metrics, .. } = &mut self.parts;
        let judge = Judge { state, window_ms: self.options.window_ms, now_ms };
        let mut failed = None;
        let mut fate = |seq: halley_journal::LogSeq, payload: &[u8]| match judge.fate(seq.get(), payload) {
            Ok(Verdict::Live | Verdict::Young { .. }) => Fate::Live,
            Ok(Verdict::Dead) => Fate::Dead,
            Ok(Verdict::Erased) => Fate::Erased,
            Err(error) => {
                // What cannot be judged stays.
                failed = Some(error);
                Fate::Live
            }
        };
        let rewritten = compactor.rewrite(segment, &mut fate, pace);
        let rewritten = rewritten.map_err(|error| unavailable(crate::disk::chain(&error)))?;
        if let Some(error) = failed {
            return Err(error);
        }
        let freed = rewritten.bytes_before.saturating_sub(rewritten.bytes_after);
        metrics.reclaimed_bytes.inc_by(freed);
        if let Some(looked) = self.looked.get_mut(&segment) {
            looked.is_rewritten = true;
            looked.erased = 0;
        }
        tracing::info!(segment, dropped = rewritten.dropped, freed, "a segment of the journal was rewritten");
        Ok(())
    }

    /// Removes the oldest segment if nothing in it is live; `false`: it stays.
    fn remove(&mut self, touchable: &[u32], border: u32) -> Result<bool, PortError> {
        let is_live = |segment: &&u32| self.looked.get(segment).is_none_or(|looked| !looked.is_dead());
        let keep_from = touchable.iter().find(is_live).copied().unwrap_or(border);
        if touchable.first().is_none_or(|oldest| *oldest >= keep_from) {
            return Ok(false);
        }
        let removal = self.parts.compactor.remove_before(keep_from);
        match removal.map_err(|error| unavailable(crate::disk::chain(&error)))? {
            Removal::Removed { segment, bytes } => {
                self.looked.remove(&segment);
                self.parts.metrics.reclaimed_bytes.inc_by(bytes);
                tracing::info!(segment, bytes, "a segment of the journal was removed");
                Ok(true)
            }
            Removal::WaitsForFloor => {
                self.parts.journal.mark_soon();
                Ok(true)
            }
            Removal::Done => Ok(false),
        }
    }

    /// What is left of no deleted user needs to be hidden no longer.
    fn forget_senders(
        &self,
        senders: &[(AppId, UserId, SyncKey)],
        border: u32,
        generation: u64,
    ) -> Result<bool, PortError> {
        let is_clean = |looked: &Looked| looked.erased == 0 && looked.generation == generation;
        let first_untouched = self.parts.log.segments().into_iter().find(|info| info.segment >= border);
        let Some(untouched) = first_untouched.filter(|_| self.looked.values().all(is_clean)) else {
            return Ok(false);
        };
        let mut forgot = false;
        for (app, user, floor) in senders {
            // The highest key stands for a number that is never given again.
            let last = floor.place().min(self.last_seq());
            if last < untouched.first_seq.get() {
                block_on(self.parts.state.forget_sender(*app, *user))?;
                tracing::info!(app = app.0, user = user.0, "nothing is left of what a deleted user sent");
                forgot = true;
            }
        }
        Ok(forgot)
    }

    fn tell_sizes(&self) {
        let segments = self.parts.log.segments();
        self.parts.metrics.segments.set(i64::try_from(segments.len()).unwrap_or(i64::MAX));
    }
}

/// What a record is under the floors of a moment.
enum Verdict {
    Live,
    /// Below its floors, and kept for repetitions until then.
    Young {
        until_ms: u64,
    },
    Dead,
    /// A deleted user sent it.
    Erased,
}

struct Judge<'a> {
    state: &'a RedbState,
    window_ms: u64,
    now_ms: u64,
}

impl Judge<'_> {
    fn fate(&self, seq: u64, payload: &[u8]) -> Result<Verdict, PortError> {
        let (epoch, record) = Record::decode(&Bytes::copy_from_slice(payload))
            .map_err(|error| damaged(format!("record {seq}: {error}")))?;
        let key = SyncKey::new(epoch, seq).ok_or_else(|| damaged(format!("record {seq} has no key")))?;
        let message = &record.message;
        // A change of a group says numbers only, and belongs to the group.
        if message.kind != EntryKind::GROUP_CHANGE
            && key <= self.state.sender_floor(message.app, message.from)
        {
            return Ok(Verdict::Erased);
        }
        for timeline in record.timelines() {
            if key > self.state.floor(timeline)? {
                return Ok(Verdict::Live);
            }
        }
        let until_ms = message.time_ms.saturating_add(self.window_ms);
        if until_ms > self.now_ms && self.state.app_floor(message.app) != SyncKey::END {
            return Ok(Verdict::Young { until_ms });
        }
        Ok(Verdict::Dead)
    }
}

fn damaged(why: String) -> PortError {
    PortError::Damaged { what: "journal", why }
}

fn unavailable(why: String) -> PortError {
    PortError::Unavailable { what: "journal", why }
}
