//! Reads that end at the floors: the one place where what was deleted stops being shown.

use std::sync::Arc;

use halley_core::ids::{AppId, MsgId};
use halley_core::key::SyncKey;
use halley_core::metrics::Metrics;
use halley_core::ports::PortError;
use halley_core::ports::floors::Floors;
use halley_core::ports::timelines::{Direction, MessageLookup, Page, TimelineRange, Timelines};
use halley_core::record::Entry;
use halley_core::reply::Reply;
use halley_core::timeline::TimelineId;

/// [`Timelines`] of which nothing at or below a floor is shown, whatever the ones under it still hold.
#[derive(Clone)]
pub struct FlooredTimelines {
    below: Arc<dyn Timelines>,
    floors: Arc<dyn Floors>,
    metrics: Arc<Metrics>,
}

impl FlooredTimelines {
    /// Over these reads.
    #[must_use]
    pub fn new(below: Arc<dyn Timelines>, floors: Arc<dyn Floors>, metrics: Arc<Metrics>) -> Self {
        Self { below, floors, metrics }
    }

    /// Cuts a page at the floor, and takes out what deleted users sent.
    fn show(&self, range: TimelineRange, floor: SyncKey, mut page: Page) -> Page {
        let app = range.timeline.app();
        let is_above = |key: SyncKey| key > floor;
        let reaches_floor = !is_above(page.complete_to) || page.entries.iter().any(|it| !is_above(it.key));
        page.entries.retain(|entry| {
            is_above(entry.key) && entry.key > self.floors.sender_floor(app, entry.record.message.from)
        });
        if range.direction == Direction::Before && floor > SyncKey::START && reaches_floor {
            page.complete_to = SyncKey::START;
            page.more = false;
        }
        page
    }

    /// The floor as it was before the read may have been raised while it went on: the page is cut at what it is now.
    fn show_now(&self, range: TimelineRange, page: Page) -> Result<Page, PortError> {
        let floor = self.floors.floor(range.timeline)?;
        Ok(self.show(range, floor, page))
    }

    async fn read_later(self, mut range: TimelineRange) -> Result<Page, PortError> {
        loop {
            let page = self.below.read(range).await?;
            let page = self.show_now(range, page)?;
            if !page.entries.is_empty() || !page.more {
                return Ok(page);
            }
            // All of it was of deleted users: a page is only empty where the timeline ends.
            range.from = page.complete_to;
        }
    }
}

impl Timelines for FlooredTimelines {
    fn read(&self, range: TimelineRange) -> Reply<Result<Page, PortError>> {
        let floor = match self.floors.floor(range.timeline) {
            Ok(floor) => floor,
            Err(error) => return Reply::Ready(Err(error)),
        };
        let mut range = range;
        match range.direction {
            Direction::After if range.from < floor => {
                if range.from > SyncKey::START {
                    self.metrics.cursors_moved.inc();
                }
                range.from = floor;
            }
            Direction::Before if floor > SyncKey::START && range.from <= floor.next() => {
                let page = Page { entries: Vec::new(), complete_to: SyncKey::START, more: false };
                return Reply::Ready(Ok(page));
            }
            Direction::After | Direction::Before => {}
        }
        match self.below.read(range) {
            Reply::Ready(Ok(page)) => match self.show_now(range, page) {
                Ok(page) if page.entries.is_empty() && page.more => {
                    let rest = TimelineRange { from: page.complete_to, ..range };
                    Reply::later(self.clone().read_later(rest))
                }
                shown => Reply::Ready(shown),
            },
            Reply::Ready(Err(error)) => Reply::Ready(Err(error)),
            later => {
                let this = self.clone();
                Reply::later(async move {
                    let page = this.show_now(range, later.await?)?;
                    if !page.entries.is_empty() || !page.more {
                        return Ok(page);
                    }
                    let rest = TimelineRange { from: page.complete_to, ..range };
                    this.read_later(rest).await
                })
            }
        }
    }

    fn head(&self, timeline: TimelineId) -> Reply<Result<SyncKey, PortError>> {
        self.below.head(timeline)
    }
}

/// [`MessageLookup`] that finds what some timeline still shows.
#[derive(Clone)]
pub struct FlooredMessages {
    below: Arc<dyn MessageLookup>,
    floors: Arc<dyn Floors>,
}

impl FlooredMessages {
    /// Over this lookup.
    #[must_use]
    pub fn new(below: Arc<dyn MessageLookup>, floors: Arc<dyn Floors>) -> Self {
        Self { below, floors }
    }

    fn is_shown(&self, entry: &Entry) -> Result<bool, PortError> {
        let message = &entry.record.message;
        if entry.key <= self.floors.sender_floor(message.app, message.from) {
            return Ok(false);
        }
        for timeline in entry.record.timelines() {
            if entry.key > self.floors.floor(timeline)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl MessageLookup for FlooredMessages {
    fn find_message(&self, app: AppId, id: MsgId) -> Reply<Result<Option<Entry>, PortError>> {
        let found = self.below.find_message(app, id);
        let this = self.clone();
        Reply::later(async move {
            let Some(entry) = found.await? else { return Ok(None) };
            Ok(this.is_shown(&entry)?.then_some(entry))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::task::{Context, Poll, Waker};

    use halley_core::ids::{AppId, LogSeq, UserId};
    use halley_core::ports::floors::FloorOf;
    use halley_core::tail::{Tail, TailLimits, tail_record};
    use parking_lot::Mutex;

    use super::*;
    use crate::fresh::FreshTimelines;
    use crate::fresh::tests::{ListIndex, key, record};

    #[derive(Default)]
    struct MapFloors(Mutex<BTreeMap<FloorOf, SyncKey>>);

    impl MapFloors {
        fn of(&self, of: FloorOf) -> SyncKey {
            self.0.lock().get(&of).copied().unwrap_or_default()
        }
    }

    impl Floors for MapFloors {
        fn floor(&self, timeline: TimelineId) -> Result<SyncKey, PortError> {
            Ok(self.of(FloorOf::Timeline(timeline)).max(self.of(FloorOf::App(timeline.app()))))
        }
        fn sender_floor(&self, app: AppId, user: UserId) -> SyncKey {
            self.of(FloorOf::Sender(app, user))
        }
        fn senders(&self) -> Vec<(AppId, UserId, SyncKey)> {
            Vec::new()
        }
        fn raise(&self, floors: Vec<(FloorOf, SyncKey)>) -> Reply<Result<(), PortError>> {
            self.0.lock().extend(floors);
            Reply::Ready(Ok(()))
        }
        fn forget_sender(&self, app: AppId, user: UserId) -> Reply<Result<(), PortError>> {
            self.0.lock().remove(&FloorOf::Sender(app, user));
            Reply::Ready(Ok(()))
        }
        fn generation(&self) -> u64 {
            0
        }
    }

    fn at_once<T>(reply: Reply<Result<T, PortError>>) -> T {
        let mut reply = reply;
        match std::pin::Pin::new(&mut reply).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value.expect("readable"),
            Poll::Pending => panic!("this index answers at once"),
        }
    }

    fn walk(timelines: &FlooredTimelines, direction: Direction, limit: usize) -> Vec<u64> {
        let timeline = TimelineId::Inbox(AppId(1), UserId(7));
        let mut from = if direction == Direction::After { SyncKey::START } else { SyncKey::END };
        let mut seen = Vec::new();
        loop {
            let range = TimelineRange { timeline, from, direction, entries_max: limit, bytes_max: 1 << 20 };
            let page = at_once(timelines.read(range));
            seen.extend(page.entries.iter().map(|entry| entry.key.place()));
            assert!(!page.entries.is_empty() || !page.more, "an empty page is the last one");
            if !page.more {
                return seen;
            }
            from = match direction {
                Direction::After => page.complete_to,
                Direction::Before => page.entries.last().expect("not empty").key,
            };
        }
    }

    #[test]
    fn nothing_at_or_below_a_floor_is_shown_wherever_index_and_tail_meet() {
        // Records 1 to 30; those that are 2 modulo 3 are sent by a user who was deleted after record 20.
        let from = |place: u64| if place % 3 == 2 { UserId(5) } else { UserId(8) };
        for indexed in [0, 9, 10, 11, 30] {
            for floor in [0, 1, 9, 10, 11, 29, 30, 99] {
                for of in [FloorOf::App(AppId(1)), FloorOf::Timeline(TimelineId::Inbox(AppId(1), UserId(7)))]
                {
                    let limits = TailLimits { keep_bytes: 0, bytes_max: 1 << 20 };
                    let tail = Arc::new(Tail::new(limits, LogSeq(0), SyncKey::START));
                    for place in 1..=30 {
                        let mut sent = (*record(&[7])).clone();
                        sent.message.from = from(place);
                        tail.publish([tail_record(LogSeq(place), 0, key(place), Arc::new(sent))]);
                    }
                    let index = Arc::new(ListIndex::default());
                    let batch = tail.read_after(LogSeq(0), indexed).expect("nothing dropped yet");
                    halley_core::ports::index::TimelineIndex::apply(&*index, &batch).expect("in memory");
                    tail.release(LogSeq(indexed as u64));
                    let floors = Arc::new(MapFloors::default());
                    if floor > 0 {
                        let _at_once = floors.raise(vec![(of, key(floor))]);
                    }
                    let _at_once = floors.raise(vec![(FloorOf::Sender(AppId(1), UserId(5)), key(20))]);
                    let below = Arc::new(FreshTimelines::new(tail, index));
                    let timelines = FlooredTimelines::new(below, floors, Metrics::new().0);
                    let is_shown = |place: &u64| *place > floor && (*place > 20 || from(*place) != UserId(5));
                    let up: Vec<u64> = (1..=30).filter(is_shown).collect();
                    let down: Vec<u64> = up.iter().copied().rev().collect();
                    for limit in [1, 2, 7, 100] {
                        let what = format!("indexed {indexed} floor {floor} {of:?} limit {limit}");
                        assert_eq!(walk(&timelines, Direction::After, limit), up, "{what}");
                        assert_eq!(walk(&timelines, Direction::Before, limit), down, "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_cursor_below_the_floor_moves_up_and_is_counted() {
        let tail = Arc::new(Tail::new(TailLimits::default(), LogSeq(0), SyncKey::START));
        for place in 1..=5 {
            tail.publish([tail_record(LogSeq(place), 0, key(place), record(&[7]))]);
        }
        let floors = Arc::new(MapFloors::default());
        let _at_once = floors.raise(vec![(FloorOf::App(AppId(1)), key(5))]);
        let (metrics, _registry) = Metrics::new();
        let below = Arc::new(FreshTimelines::new(tail, Arc::new(ListIndex::default())));
        let timelines = FlooredTimelines::new(below, floors, Arc::clone(&metrics));
        let read = |from| {
            let timeline = TimelineId::Inbox(AppId(1), UserId(7));
            let direction = Direction::After;
            at_once(timelines.read(TimelineRange {
                timeline,
                from,
                direction,
                entries_max: 9,
                bytes_max: 1 << 20,
            }))
        };
        assert_eq!((read(key(2)).complete_to, metrics.cursors_moved.get()), (key(5), 1));
        assert_eq!((read(SyncKey::START).complete_to, metrics.cursors_moved.get()), (key(5), 1));
        assert_eq!((read(key(5)).complete_to, metrics.cursors_moved.get()), (key(5), 1));
    }

    #[test]
    fn a_message_is_found_while_one_of_its_timelines_shows_it() {
        let inbox = |user| FloorOf::Timeline(TimelineId::Inbox(AppId(1), UserId(user)));
        let app = FloorOf::App(AppId(1));
        let sender = FloorOf::Sender(AppId(1), UserId(8));
        for (raised, is_found) in [
            (vec![], true),
            (vec![(inbox(7), 5)], true),
            (vec![(inbox(7), 5), (inbox(9), 5)], false),
            (vec![(inbox(7), 5), (inbox(9), 4)], true),
            (vec![(app, 4)], true),
            (vec![(app, 5)], false),
            (vec![(sender, 4)], true),
            (vec![(sender, 5)], false),
        ] {
            let tail = Arc::new(Tail::new(TailLimits::default(), LogSeq(4), key(4)));
            tail.publish([tail_record(LogSeq(5), 0, key(5), record(&[7, 9]))]);
            let floors = Arc::new(MapFloors::default());
            let _at_once = floors.raise(raised.iter().map(|(of, at)| (*of, key(*at))).collect());
            let below = Arc::new(FreshTimelines::new(tail, Arc::new(ListIndex::default())));
            let messages = FlooredMessages::new(below, floors);
            let found = at_once(messages.find_message(AppId(1), MsgId(1)));
            assert_eq!(found.is_some(), is_found, "{raised:?}");
            assert_eq!(at_once(messages.find_message(AppId(1), MsgId(2))), None);
        }
    }
}
