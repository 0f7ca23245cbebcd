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

const MEMBERS: i64 = 5_000;
const MESSAGES: u64 = 60;

fn to_all(id: i64) -> Arc<Record> {
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
    Arc::new(Record { message, targets: Targets::new((1..=MEMBERS).map(UserId).collect(), None) })
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
