//! Where the suites run: over a directory with threads, and over a simulated disk driven step by step.
#![allow(dead_code, unreachable_pub, clippy::missing_panics_doc)]

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use halley_backends::{Embedded, OpenError, Options};
use halley_core::group::GroupChange;
use halley_core::ids::{AppId, GroupId, LogSeq, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::metrics::Metrics;
use halley_core::ports::accounts::{GroupState, JournaledChange};
use halley_core::ports::index::Watermark;
use halley_core::ports::journal::Journal;
use halley_core::ports::timelines::{Direction, Page, TimelineRange};
use halley_core::record::{Record, Targets};
use halley_core::tail::TailRecord;
use halley_core::ticket::Ticket;
use halley_core::timeline::TimelineId;
use halley_journal::sim::SimDisk;
use tempfile::TempDir;

pub const APP: AppId = AppId(1);

pub enum Place {
    Disk(TempDir),
    Simulated(SimDisk),
}

/// Open backends somewhere.
pub struct World {
    pub place: Place,
    pub open: Option<Embedded>,
    pub now: Instant,
    pub tune: fn(&mut Options),
}

impl World {
    pub fn disk() -> Self {
        Self::at(Place::Disk(tempfile::tempdir().expect("a directory")), |_| {})
    }

    pub fn simulated() -> Self {
        Self::at(Place::Simulated(SimDisk::new(1)), |_| {})
    }

    pub fn at(place: Place, tune: fn(&mut Options)) -> Self {
        let mut world = Self { place, open: None, now: Instant::now(), tune };
        world.open();
        world
    }

    pub fn try_open(&self) -> Result<Embedded, OpenError> {
        let mut options = Options::new(Metrics::new().0);
        (self.tune)(&mut options);
        match &self.place {
            Place::Disk(dir) => Embedded::open(dir.path(), options),
            Place::Simulated(disk) => {
                options.log.segment_bytes = 1 << 20;
                options.log.zero_ahead_bytes = 64 << 10;
                options.log.first_segment_zero_bytes = 64 << 10;
                options.log.batch_bytes_max = 256 << 10;
                options.log.record_bytes_max = 128 << 10;
                Embedded::simulated(disk, options)
            }
        }
    }

    pub fn open(&mut self) {
        self.open = Some(self.try_open().expect("opens"));
    }

    pub fn path(&self) -> &std::path::Path {
        match &self.place {
            Place::Disk(dir) => dir.path(),
            Place::Simulated(_) => panic!("no directory"),
        }
    }

    /// Closes cleanly and opens again.
    pub fn reopen(&mut self) {
        self.open.take().expect("open").close().expect("closes");
        self.open();
    }

    pub fn parts(&self) -> &Embedded {
        self.open.as_ref().expect("open")
    }

    pub fn step(&mut self) {
        self.now += Duration::from_millis(1);
        let now = self.now;
        if let Some(open) = &mut self.open {
            open.step(now);
        }
    }

    /// Drives the backends until this is ready.
    pub fn wait<T>(&mut self, future: impl Future<Output = T>) -> T {
        if matches!(self.place, Place::Disk(_)) {
            return futures::executor::block_on(future);
        }
        let mut future = pin!(future);
        for _ in 0..1_000 {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return value;
            }
            self.step();
        }
        panic!("never ready");
    }

    pub fn append(&self, record: Record) -> Ticket {
        self.parts().journal.append(&Arc::new(record)).expect("takes it")
    }

    /// Appends where the disk may be off.
    pub fn append_if_possible(&self, record: Record) -> Option<Ticket> {
        self.parts().journal.append(&Arc::new(record)).ok()
    }

    /// Appends and waits until it is durable.
    pub fn send(&mut self, record: Record) -> SyncKey {
        let ticket = self.append(record);
        self.wait(ticket).expect("durable")
    }

    /// What store does: group changes into the state, rows into the index, until the end of the tail.
    pub fn follow(&self, batch_max: usize) {
        follow(self.parts(), batch_max);
    }

    pub fn read(&mut self, timeline: TimelineId, from: SyncKey, direction: Direction, max: usize) -> Page {
        let range = TimelineRange { timeline, from, direction, entries_max: max, bytes_max: 1 << 20 };
        self.read_range(range)
    }

    pub fn read_range(&mut self, range: TimelineRange) -> Page {
        let reply = Arc::clone(&self.parts().index).read(range);
        self.wait(reply).expect("reads")
    }

    /// The message ids of a whole timeline in the index.
    pub fn ids(&mut self, timeline: TimelineId) -> Vec<i64> {
        let mut ids = Vec::new();
        let mut from = SyncKey::START;
        loop {
            let page = self.read(timeline, from, Direction::After, 100);
            ids.extend(page.entries.iter().map(|entry| entry.record.message.id.0));
            if !page.more {
                return ids;
            }
            from = page.complete_to;
        }
    }
}

pub fn follow(parts: &Embedded, batch_max: usize) {
    loop {
        let done = parts.index.watermark().seq;
        let batch = parts.tail.read_after(done, batch_max).expect("still there");
        if batch.is_empty() {
            return;
        }
        apply_groups(parts, &batch);
        let reached = parts.index.apply(&batch).expect("indexes");
        parts.tail.release(reached.seq);
    }
}

pub fn apply_groups(parts: &Embedded, batch: &[TailRecord]) {
    let changes: Vec<_> = batch.iter().filter_map(|record| JournaledChange::of(&record.entry)).collect();
    if let Some(last) = batch.last() {
        parts.state.apply(&changes, watermark(last)).expect("applies");
    }
}

pub fn watermark(record: &TailRecord) -> Watermark {
    Watermark { seq: record.seq, key: record.entry.key, position: record.position }
}

pub fn message(id: i64, from: i64, to: i64, text: &[u8]) -> Record {
    let message = Message {
        id: MsgId(id),
        app: APP,
        conversation: Conversation::User(UserId(to)),
        from: UserId(from),
        kind: EntryKind::MESSAGE,
        content: Content { kind: 1, bytes: Bytes::copy_from_slice(text) },
        ext: Bytes::new(),
        client_id: Bytes::from(format!("client-{id}")),
        time_ms: 1_700_000_000_000 + id.unsigned_abs(),
        device: Bytes::new(),
    };
    Record { message, targets: Targets::new(vec![UserId(from), UserId(to)], None) }
}

pub fn group_change(id: i64, group: i64, change: &GroupChange) -> Record {
    let mut record = message(id, 0, 1, &serde_json::to_vec(change).expect("serialises"));
    record.message.kind = EntryKind::GROUP_CHANGE;
    record.message.conversation = Conversation::Group(GroupId(group));
    record.message.client_id = Bytes::new();
    record.targets = Targets::new(vec![], Some(GroupId(group)));
    record
}

pub fn inbox(user: i64) -> TimelineId {
    TimelineId::Inbox(APP, UserId(user))
}

pub fn seq(number: u64) -> LogSeq {
    LogSeq(number)
}

/// Runs every function of the list in both worlds.
#[macro_export]
macro_rules! in_both_worlds {
    ($($name:ident),* $(,)?) => {
        mod on_disk {
            $(#[test] fn $name() { super::$name(&mut $crate::common::World::disk()); })*
        }
        mod simulated {
            $(#[test] fn $name() { super::$name(&mut $crate::common::World::simulated()); })*
        }
    };
}
