//! Fresh reads: the durable index below, the tail above, one timeline to the reader, in which what was revoked is
//! revoked wherever message and revocation are.

use std::collections::BTreeMap;
use std::sync::Arc;

use halley_core::event::RevokedBy;
use halley_core::ids::{AppId, MsgId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::index::TimelineIndex;
use halley_core::ports::timelines::{Direction, MessageLookup, Page, TimelineRange, Timelines};
use halley_core::record::Entry;
use halley_core::reply::Reply;
use halley_core::tail::Tail;
use halley_core::timeline::TimelineId;

/// [`Timelines`] over index and tail, complete up to the durable end. Answers at once what the tail has.
#[derive(Clone)]
pub struct FreshTimelines {
    tail: Arc<Tail>,
    index: Arc<dyn TimelineIndex>,
}

impl FreshTimelines {
    /// Reads of this index and what the tail has above it.
    #[must_use]
    pub fn new(tail: Arc<Tail>, index: Arc<dyn TimelineIndex>) -> Self {
        Self { tail, index }
    }

    async fn read_after(self, range: TimelineRange) -> Result<Page, PortError> {
        let mut entries = Vec::new();
        let mut rest = range;
        loop {
            if let Some(page) = self.tail_after(rest) {
                entries.extend(page.entries);
                return Ok(Page { entries, ..page });
            }
            let page = self.read_index(rest).await?;
            entries.extend(page.entries);
            if page.more || entries.len() >= range.entries_max {
                let complete_to = entries.last().map_or(page.complete_to, |last| last.key);
                return Ok(Page { entries, complete_to, more: true });
            }
            // The index is complete up to its watermark, and the tail's floor is at or below that, unless the floor
            // has moved since; then the index has more by now.
            rest.from = page.complete_to.max(rest.from);
            rest.entries_max = range.entries_max - entries.len();
            rest.bytes_max = range.bytes_max.saturating_sub(weight(&entries)).max(1);
        }
    }

    /// What the tail alone can answer: ranges that begin at or above its floor.
    fn tail_after(&self, range: TimelineRange) -> Option<Page> {
        let page = self.tail.timeline_after(range.timeline, range.from, range.entries_max);
        if range.from < page.floor {
            return None;
        }
        let mut entries = page.entries;
        let mut complete_to = page.complete_to;
        if let Some(kept) = cut(&mut entries, range.bytes_max) {
            complete_to = kept;
        }
        Some(Page { entries, complete_to, more: complete_to < self.tail.last().1 })
    }

    /// The index's part of a range, with what the tail knows of it: a message down there may have been revoked up here.
    async fn read_index(&self, range: TimelineRange) -> Result<Page, PortError> {
        // First: what leaves the tail from now on is in the index when that is read.
        let revoked = match range.direction {
            Direction::After => self.tail.revoked(range.from.next(), SyncKey::END),
            Direction::Before => self.tail.revoked(SyncKey::START, range.from),
        };
        let mut page = Arc::clone(&self.index).read(range).await?;
        for entry in &mut page.entries {
            show(&revoked, entry);
        }
        Ok(page)
    }

    async fn find_below(self, app: AppId, id: MsgId) -> Result<Option<Entry>, PortError> {
        let revoked = self.tail.revoked(SyncKey::START, SyncKey::END);
        let mut found = Arc::clone(&self.index).find_message(app, id).await?;
        if let Some(entry) = &mut found {
            show(&revoked, entry);
        }
        Ok(found)
    }

    async fn read_before(self, range: TimelineRange) -> Result<Page, PortError> {
        let above = self.tail.timeline_before(range.timeline, range.from, range.entries_max);
        let mut entries = above.entries;
        if cut(&mut entries, range.bytes_max).is_some() || entries.len() >= range.entries_max {
            let complete_to = entries.last().map_or(SyncKey::START, |last| last.key);
            return Ok(Page { entries, complete_to, more: true });
        }
        let below = TimelineRange {
            from: range.from.min(above.floor.next()),
            entries_max: range.entries_max - entries.len(),
            bytes_max: range.bytes_max.saturating_sub(weight(&entries)).max(1),
            ..range
        };
        let page = self.read_index(below).await?;
        entries.extend(page.entries);
        Ok(Page { entries, ..page })
    }
}

impl Timelines for FreshTimelines {
    fn read(&self, range: TimelineRange) -> Reply<Result<Page, PortError>> {
        match range.direction {
            Direction::After => match self.tail_after(range) {
                Some(page) => Reply::Ready(Ok(page)),
                None => Reply::later(self.clone().read_after(range)),
            },
            Direction::Before => Reply::later(self.clone().read_before(range)),
        }
    }

    fn head(&self, _timeline: TimelineId) -> Reply<Result<SyncKey, PortError>> {
        Reply::Ready(Ok(self.tail.last().1))
    }
}

impl MessageLookup for FreshTimelines {
    fn find_message(&self, app: AppId, id: MsgId) -> Reply<Result<Option<Entry>, PortError>> {
        // In this order: what leaves the tail in the meantime is in the index.
        match self.tail.find_message(app, id) {
            Some(entry) => Reply::Ready(Ok(Some(entry))),
            None => Reply::later(self.clone().find_below(app, id)),
        }
    }
}

fn show(revoked: &BTreeMap<SyncKey, RevokedBy>, entry: &mut Entry) {
    if let Some(by) = revoked.get(&entry.key) {
        *entry = by.show(entry);
    }
}

fn weight(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.record.weight_bytes()).sum()
}

/// Cuts a page to about `bytes_max`, at least one entry; answers the last key kept when something was cut.
fn cut(entries: &mut Vec<Entry>, bytes_max: usize) -> Option<SyncKey> {
    let mut bytes = 0;
    let fits = entries.iter().take_while(|entry| {
        bytes += entry.record.weight_bytes();
        bytes <= bytes_max
    });
    let fits = fits.count().max(1);
    if fits >= entries.len() {
        return None;
    }
    entries.truncate(fits);
    entries.last().map(|last| last.key)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use bytes::Bytes;
    use halley_core::ids::{AppId, LogSeq, MsgId, UserId};
    use halley_core::key::Epoch;
    use halley_core::message::{Content, Conversation, EntryKind, Message};
    use halley_core::ports::dedup::{DedupKey, Known};
    use halley_core::ports::index::Watermark;
    use halley_core::record::{Record, Targets};
    use halley_core::tail::{TailLimits, TailRecord, tail_record};

    use super::*;

    pub(crate) fn key(place: u64) -> SyncKey {
        SyncKey::new(Epoch(0), place).expect("in bounds")
    }

    pub(crate) fn record(inboxes: &[i64]) -> Arc<Record> {
        let message = Message {
            id: MsgId(1),
            app: AppId(1),
            conversation: Conversation::User(UserId(7)),
            from: UserId(8),
            kind: EntryKind::MESSAGE,
            content: Content::default(),
            ext: Bytes::new(),
            client_id: Bytes::new(),
            time_ms: 0,
            device: Bytes::new(),
        };
        let targets = Targets::new(inboxes.iter().copied().map(UserId).collect(), None);
        Arc::new(Record { message, targets })
    }

    /// An index that holds what it was given, in order: enough of one to check the merge.
    #[derive(Default)]
    pub(crate) struct ListIndex(Mutex<Vec<TailRecord>>);

    impl TimelineIndex for ListIndex {
        fn watermark(&self) -> Watermark {
            let rows = self.0.lock().expect("not poisoned");
            rows.last().map_or(Watermark::default(), |last| Watermark {
                seq: last.seq,
                key: last.entry.key,
                position: 0,
            })
        }

        fn apply(&self, batch: &[TailRecord]) -> Result<Watermark, PortError> {
            self.0.lock().expect("not poisoned").extend_from_slice(batch);
            Ok(self.watermark())
        }

        fn read(self: Arc<Self>, range: TimelineRange) -> Reply<Result<Page, PortError>> {
            let watermark = self.watermark().key;
            let rows = self.0.lock().expect("not poisoned");
            let of_it = rows.iter().filter(|row| row.entry.record.timelines().any(|it| it == range.timeline));
            let mut found: Vec<Entry> = match range.direction {
                Direction::After => {
                    of_it.filter(|row| row.entry.key > range.from).map(|row| row.entry.clone()).collect()
                }
                Direction::Before => of_it
                    .rev()
                    .filter(|row| row.entry.key < range.from)
                    .map(|row| row.entry.clone())
                    .collect(),
            };
            let more = found.len() > range.entries_max;
            found.truncate(range.entries_max);
            let end = if range.direction == Direction::After { watermark } else { SyncKey::START };
            let complete_to = if more { found.last().map_or(end, |last| last.key) } else { end };
            Reply::Ready(Ok(Page { entries: found, complete_to, more }))
        }

        fn find_message(self: Arc<Self>, _app: AppId, _id: MsgId) -> Reply<Result<Option<Entry>, PortError>> {
            Reply::Ready(Ok(None))
        }

        fn find_dedup(&self, _key: &DedupKey) -> Reply<Result<Option<Known>, PortError>> {
            Reply::Ready(Ok(None))
        }

        fn newest(&self, _timeline: TimelineId) -> Result<SyncKey, PortError> {
            Ok(SyncKey::START)
        }
    }

    fn page(timelines: &FreshTimelines, direction: Direction, from: SyncKey, entries_max: usize) -> Page {
        let timeline = TimelineId::Inbox(AppId(1), UserId(7));
        let range = TimelineRange { timeline, from, direction, entries_max, bytes_max: 1 << 20 };
        let mut reply = timelines.read(range);
        match std::pin::Pin::new(&mut reply).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(page) => page.expect("readable"),
            Poll::Pending => panic!("this index answers at once"),
        }
    }

    fn walk(timelines: &FreshTimelines, direction: Direction, from: SyncKey, entries_max: usize) -> Vec<i64> {
        let (mut from, mut seen) = (from, Vec::new());
        loop {
            let page = page(timelines, direction, from, entries_max);
            seen.extend(page.entries.iter().map(|entry| entry.key.raw()));
            if !page.more {
                return seen;
            }
            from = page.complete_to;
        }
    }

    #[test]
    fn a_walk_over_index_and_tail_sees_every_entry_once_wherever_the_border_is() {
        // Records 1 to 30; those of user 7 are all but every third.
        let of_seven: Vec<i64> = (1..=30).filter(|place| place % 3 != 0).collect();
        for indexed in 0..=30u64 {
            for keep_bytes in [0, 2_000, 1 << 20] {
                let tail = Arc::new(Tail::new(
                    TailLimits { keep_bytes, bytes_max: 1 << 20 },
                    LogSeq(0),
                    key(1).min(SyncKey::START),
                ));
                let index = Arc::new(ListIndex::default());
                for place in 1..=30 {
                    let inboxes: &[i64] = if place % 3 == 0 { &[9] } else { &[7, 9] };
                    tail.publish([tail_record(LogSeq(place), 0, key(place), record(inboxes))]);
                }
                let batch = tail
                    .read_after(LogSeq(0), usize::try_from(indexed).expect("small"))
                    .expect("nothing dropped yet");
                index.apply(&batch).expect("in memory");
                tail.release(LogSeq(indexed));
                let timelines = FreshTimelines::new(tail, index);
                for limit in [1, 2, 7, 100] {
                    for from in [0, 5, 17, 30] {
                        let from_key = SyncKey::from_raw(from).expect("positive");
                        let up: Vec<i64> = of_seven.iter().copied().filter(|place| *place > from).collect();
                        assert_eq!(
                            walk(&timelines, Direction::After, from_key, limit),
                            up,
                            "{indexed} {keep_bytes} {limit} {from}"
                        );
                        let down: Vec<i64> =
                            of_seven.iter().copied().rev().filter(|place| *place < from).collect();
                        assert_eq!(
                            walk(&timelines, Direction::Before, from_key, limit),
                            down,
                            "{indexed} {keep_bytes} {limit} {from}"
                        );
                    }
                }
                assert_eq!(page(&timelines, Direction::After, SyncKey::START, 100).complete_to, key(30));
            }
        }
    }

    #[test]
    fn a_page_is_cut_to_its_bytes_but_never_empty() {
        let tail = Arc::new(Tail::new(TailLimits::default(), LogSeq(0), SyncKey::START));
        for place in 1..=5 {
            tail.publish([tail_record(LogSeq(place), 0, key(place), record(&[7]))]);
        }
        let timelines = FreshTimelines::new(tail, Arc::new(ListIndex::default()));
        let timeline = TimelineId::Inbox(AppId(1), UserId(7));
        let range = TimelineRange {
            timeline,
            from: SyncKey::START,
            direction: Direction::After,
            entries_max: 10,
            bytes_max: 1,
        };
        let Reply::Ready(Ok(page)) = timelines.read(range) else { panic!("the tail answers at once") };
        assert_eq!((page.entries.len(), page.complete_to, page.more), (1, key(1), true));
    }
}
