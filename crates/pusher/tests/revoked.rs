//! What was revoked, wherever message and revocation are: in the tail, in a run, in tables, in one and the other. Method: random
//! histories against a model, over the backends in memory and on disk. A failure means that somebody is shown the content
//! of a revoked message, or is not shown a message that was not revoked.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use halley_backends::{Embedded, Options};
use halley_core::event::Revocation;
use halley_core::ids::{AppId, GroupId, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::metrics::Metrics;
use halley_core::ports::journal::Journal;
use halley_core::ports::timelines::{Direction, MessageLookup, TimelineRange, Timelines};
use halley_core::record::{Entry, Record, Targets};
use halley_core::tail::TailLimits;
use halley_core::timeline::TimelineId;
use halley_pusher::FreshTimelines;
use proptest::prelude::*;

const APP: AppId = AppId(1);
const GROUP: GroupId = GroupId(9);
const REVOKER: UserId = UserId(77);

#[derive(Clone, Debug)]
enum Op {
    /// To a user, or with 0 to the group of all.
    Say(i64),
    /// One of the messages so far, by its place among them.
    Revoke(usize),
    /// The index takes so many records.
    Follow(usize),
    /// The run becomes tables.
    Settle,
    /// The tail drops what it may.
    Trim,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..4_i64).prop_map(Op::Say),
        3 => any::<usize>().prop_map(Op::Revoke),
        3 => (1..12_usize).prop_map(Op::Follow),
        1 => Just(Op::Settle),
        1 => Just(Op::Trim),
        1 => Just(Op::Reopen),
    ]
}

struct World {
    dir: Option<tempfile::TempDir>,
    open: Option<Embedded>,
    keep_bytes: usize,
    now: Instant,
    /// What was said: by key its id, its timelines, and whether it is revoked.
    said: BTreeMap<SyncKey, (MsgId, Vec<TimelineId>, bool)>,
    next_id: i64,
}

impl World {
    fn new(on_disk: bool, keep_bytes: usize) -> Self {
        let dir = on_disk.then(|| tempfile::tempdir().expect("a directory"));
        let now = Instant::now();
        let mut world = Self { dir, open: None, keep_bytes, now, said: BTreeMap::new(), next_id: 1 };
        world.open();
        world
    }

    fn open(&mut self) {
        let mut options = Options::new(Metrics::new().0);
        options.tail = TailLimits { keep_bytes: self.keep_bytes, bytes_max: 1 << 20 };
        let open = match &self.dir {
            Some(dir) => Embedded::open(dir.path(), options),
            None => Embedded::memory(options),
        };
        self.open = Some(open.expect("opens"));
    }

    fn parts(&self) -> &Embedded {
        self.open.as_ref().expect("open")
    }

    fn wait<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        if self.dir.is_some() {
            return futures::executor::block_on(future);
        }
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return value;
            }
            self.now += Duration::from_millis(1);
            if let Some(open) = &mut self.open {
                open.step(self.now);
            }
        }
    }

    fn append(&mut self, kind: EntryKind, content: Bytes, to: i64, targets: Targets) -> SyncKey {
        let conversation = if to == 0 { Conversation::Group(GROUP) } else { Conversation::User(UserId(to)) };
        let message = Message {
            id: MsgId(self.next_id),
            app: APP,
            conversation,
            from: UserId(1),
            kind,
            content: Content { kind: 1, bytes: content },
            ext: Bytes::from_static(b"ext"),
            client_id: Bytes::from(format!("c-{}", self.next_id)),
            time_ms: 1_000,
            device: Bytes::new(),
        };
        self.next_id += 1;
        let ticket = self.parts().journal.append(&Arc::new(Record { message, targets })).expect("takes it");
        self.wait(ticket).expect("durable")
    }

    fn targets(to: i64) -> Targets {
        if to == 0 {
            return Targets::new((1..4).map(UserId).collect(), Some(GROUP));
        }
        Targets::new(vec![UserId(1), UserId(to)], None)
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Say(to) => {
                let id = MsgId(self.next_id);
                let targets = Self::targets(to);
                let key = self.append(EntryKind::MESSAGE, Bytes::from_static(b"secret"), to, targets);
                let mut timelines: Vec<_> = if to == 0 {
                    (1..4).map(|user| TimelineId::Inbox(APP, UserId(user))).collect()
                } else {
                    vec![TimelineId::Inbox(APP, UserId(1)), TimelineId::Inbox(APP, UserId(to))]
                };
                if to == 0 {
                    timelines.push(TimelineId::Feed(APP, GROUP));
                }
                self.said.insert(key, (id, timelines, false));
            }
            Op::Revoke(which) => {
                let alive: Vec<_> =
                    self.said.iter().filter(|(_, said)| !said.2).map(|(key, said)| (*key, said.0)).collect();
                if alive.is_empty() {
                    return;
                }
                let (key, id) = alive[which % alive.len()];
                let found = self.find(id).expect("it was said");
                let revocation =
                    Revocation { message: id.0, key: key.raw(), operator: REVOKER.0, by_sender: false };
                self.append(EntryKind::REVOCATION, revocation.encode(), 1, found.record.targets.clone());
                if let Some(said) = self.said.get_mut(&key) {
                    said.2 = true;
                }
            }
            Op::Follow(records) => {
                let parts = self.parts();
                let batch = parts.tail.read_after(parts.index.watermark().seq, records).expect("there");
                let reached = parts.index.apply(&batch).expect("indexes");
                parts.tail.release(reached.seq);
            }
            Op::Settle => self.parts().index.settle().expect("settles"),
            Op::Trim => self.parts().tail.trim(),
            Op::Reopen if self.dir.is_some() => {
                self.open.take().expect("open").close().expect("closes");
                self.open();
            }
            Op::Reopen => {}
        }
    }

    fn fresh(&self) -> FreshTimelines {
        FreshTimelines::new(Arc::clone(&self.parts().tail), Arc::clone(&self.parts().index) as _)
    }

    fn find(&mut self, id: MsgId) -> Option<Entry> {
        let reply = self.fresh().find_message(APP, id);
        self.wait(reply).expect("reads")
    }

    fn walk(&mut self, timeline: TimelineId, direction: Direction, entries_max: usize) -> Vec<Entry> {
        let mut from = if direction == Direction::After { SyncKey::START } else { SyncKey::END };
        let mut seen = Vec::new();
        loop {
            let range = TimelineRange { timeline, from, direction, entries_max, bytes_max: 1 << 20 };
            let reply = self.fresh().read(range);
            let page = self.wait(reply).expect("reads");
            seen.extend(page.entries);
            if !page.more {
                return seen;
            }
            from = page.complete_to;
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let said = self.said.clone();
        let timelines = (1..4).map(|user| TimelineId::Inbox(APP, UserId(user)));
        for timeline in timelines.chain([TimelineId::Feed(APP, GROUP)]) {
            let expected: Vec<_> = said
                .iter()
                .filter(|(_, (_, timelines, _))| timelines.contains(&timeline))
                .map(|(key, (id, _, revoked))| (*key, *id, *revoked))
                .collect();
            for (direction, limit) in [(Direction::After, 3), (Direction::Before, 4), (Direction::After, 500)]
            {
                let mut seen = self.walk(timeline, direction, limit);
                if direction == Direction::Before {
                    seen.reverse();
                }
                seen.retain(|entry| entry.record.message.kind != EntryKind::REVOCATION);
                let seen: Vec<_> = seen.iter().map(shown).collect::<Result<_, _>>()?;
                prop_assert_eq!(&seen, &expected, "{:?} {:?}", timeline, direction);
            }
        }
        for (key, (id, _, revoked)) in said {
            let found = self.find(id).expect("it was said");
            prop_assert_eq!(shown(&found)?, (key, id, revoked));
        }
        prop_assert_eq!(self.find(MsgId(i64::MAX)), None);
        Ok(())
    }
}

/// Key, id and whether it is revoked, after checking that what is shown of it is what may be.
fn shown(entry: &Entry) -> Result<(SyncKey, MsgId, bool), TestCaseError> {
    let message = &entry.record.message;
    let revoked = message.kind == EntryKind::REVOKED;
    if revoked {
        prop_assert!(message.ext.is_empty());
        let revocation = Revocation::decode(&message.content.bytes).expect("its content is the revocation");
        prop_assert_eq!((revocation.operator(), revocation.message()), (REVOKER, message.id));
        prop_assert_eq!(revocation.key(), Some(entry.key));
    } else {
        prop_assert_eq!((message.kind, &message.content.bytes[..]), (EntryKind::MESSAGE, &b"secret"[..]));
    }
    Ok((entry.key, message.id, revoked))
}

fn run(on_disk: bool, keep_bytes: usize, history: &[Op]) -> Result<(), TestCaseError> {
    let mut world = World::new(on_disk, keep_bytes);
    for (at, op) in history.iter().enumerate() {
        world.apply(op);
        if at % 8 == 7 {
            world.check()?;
        }
    }
    world.check()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn in_memory_reads_show_what_was_not_revoked_and_nothing_else(
        history in prop::collection::vec(op(), 1..60),
        keep_bytes in prop_oneof![Just(0_usize), Just(4_000), Just(1 << 20)],
    ) {
        run(false, keep_bytes, &history)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn on_disk_too_over_tables_and_restarts(
        history in prop::collection::vec(op(), 1..60),
        keep_bytes in prop_oneof![Just(0_usize), Just(4_000), Just(1 << 20)],
    ) {
        run(true, keep_bytes, &history)?;
    }
}
