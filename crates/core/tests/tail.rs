//! The tail over messages to large groups. A failure means that dropping what is indexed holds everybody up, leaves something
//! behind, or takes too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use halley_core::ids::{AppId, GroupId, LogSeq, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::record::{Record, Targets};
use halley_core::tail::{Tail, TailLimits, tail_record};
use halley_core::timeline::TimelineId;
use proptest::prelude::*;

const MEMBERS: i64 = 5_000;
/// More than are kept apart from the others.
const MESSAGES: u64 = 200;

fn to_all(id: i64) -> Arc<Record> {
    to_users(id, 1..=MEMBERS, None)
}

fn to_users(id: i64, users: impl IntoIterator<Item = i64>, feed: Option<GroupId>) -> Arc<Record> {
    let message = Message {
        id: MsgId(id),
        app: AppId(1),
        conversation: Conversation::Group(GroupId(1)),
        from: UserId(1),
        kind: EntryKind::MESSAGE,
        content: Content::default(),
        ext: Bytes::new(),
        client_id: Bytes::new(),
        time_ms: 0,
        device: Bytes::new(),
    };
    Arc::new(Record { message, targets: Targets::new(users.into_iter().map(UserId).collect(), feed) })
}

fn key(place: u64) -> SyncKey {
    SyncKey::from_raw(i64::try_from(place).expect("small")).expect("positive")
}

/// A tail with messages to everybody, which keeps nothing that is indexed.
fn filled() -> Tail {
    let tail = Tail::new(TailLimits { keep_bytes: 0, bytes_max: usize::MAX }, LogSeq(0), SyncKey::START);
    let record = to_all(1);
    for place in 1..=MESSAGES {
        tail.publish([tail_record(LogSeq(place), 0, key(place), Arc::clone(&record))]);
    }
    tail
}

fn places(tail: &Tail, user: i64) -> usize {
    tail.timeline_after(TimelineId::Inbox(AppId(1), UserId(user)), SyncKey::START, usize::MAX).entries.len()
}

#[test]
fn a_release_drops_everything_indexed_however_much_it_is_and_nothing_else() {
    let tail = filled();
    assert_eq!(places(&tail, MEMBERS), MESSAGES as usize);
    tail.release(LogSeq(MESSAGES - 7));
    assert_eq!([places(&tail, 1), places(&tail, MEMBERS)], [7, 7]);
    assert!(tail.read_after(LogSeq(MESSAGES - 8), 1).is_none(), "it is below the floor");
    assert_eq!(tail.read_after(LogSeq(MESSAGES - 7), 100).expect("it is not").len(), 7);
    assert_eq!(tail.backlog().0, 7);
}

/// Releases everything while another thread reads; whether that saw the middle of it.
fn is_seen_in_the_middle() -> bool {
    let tail = filled();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = false;
            while !done.load(Ordering::Acquire) {
                seen |= (1..MESSAGES as usize).contains(&places(&tail, 1));
            }
            seen
        });
        tail.release(LogSeq(MESSAGES));
        done.store(true, Ordering::Release);
        reader.join().expect("it does not panic")
    })
}

#[test]
fn others_read_while_a_release_goes_on() {
    // Whether the other thread gets a processor meanwhile is not ours to say: many rounds.
    assert!((0..50).any(|_| is_seen_in_the_middle()), "nobody got in between");
}

/// Users of a record: a few, or very many.
fn users() -> impl Strategy<Value = Vec<i64>> {
    prop_oneof![
        prop::collection::vec(1..6i64, 0..3),
        (1..5i64).prop_map(|first| (first..first + 256).collect())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_timeline_has_its_records_in_order_whether_they_go_to_few_or_to_very_many(
        all in prop::collection::vec((users(), any::<bool>()), 1..320),
        released_percent in 0..120u64,
        from_percent in 0..120u64,
        limit in 1..40usize,
    ) {
        let count = all.len() as u64;
        let tail = Tail::new(TailLimits { keep_bytes: 0, bytes_max: usize::MAX }, LogSeq(0), SyncKey::START);
        let group = GroupId(9);
        let records: Vec<_> = all.iter().zip(1..).map(|((users, is_in_feed), id)| {
            to_users(id, users.iter().copied(), is_in_feed.then_some(group))
        }).collect();
        // Keys have gaps, as the journal's have.
        let entries = records.iter().zip(1..).map(|(record, place)| tail_record(LogSeq(place), 0, key(place * 3), Arc::clone(record)));
        entries.for_each(|record| tail.publish([record]));
        let released = (count * released_percent / 100).min(count);
        tail.release(LogSeq(released));
        let from = key(3 * count * from_percent / 100 + 1);
        let timelines = (0..7).map(|user| TimelineId::Inbox(AppId(1), UserId(user))).chain([
            TimelineId::Feed(AppId(1), group),
            TimelineId::Feed(AppId(1), GroupId(1)),
            TimelineId::Inbox(AppId(2), UserId(4)),
        ]);
        for timeline in timelines {
            let expected = |keep: &dyn Fn(SyncKey) -> bool| -> Vec<SyncKey> {
                let here = records.iter().zip(1..).filter(|(record, place)| *place > released && record.timelines().any(|of| of == timeline));
                here.map(|(_, place)| key(place * 3)).filter(|key| keep(*key)).collect()
            };
            let page = tail.timeline_after(timeline, from, limit);
            let mut after = expected(&|key| key > from);
            let is_whole = after.len() <= limit;
            after.truncate(limit);
            prop_assert_eq!(page.entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), after.clone());
            let newest = key(count * 3);
            prop_assert_eq!(page.complete_to, if is_whole { newest } else { after[limit - 1] });
            let mut before = expected(&|key| key < from);
            before.reverse();
            before.truncate(limit);
            let page = tail.timeline_before(timeline, from, limit);
            prop_assert_eq!(page.entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), before);
        }
    }
}
