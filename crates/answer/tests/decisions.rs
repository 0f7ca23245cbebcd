//! What answer decides. Method: a shard polled by hand over test doubles. A failure means that a message was acknowledged
//! before it was durable, recorded twice, or refused with the wrong reason.

#[path = "decisions/private.rs"]
mod private;
mod support;

use bytes::Bytes;
use halley_answer::{Config, RateLimit};
use halley_core::command::{Refusal, SendOutcome, Target};
use halley_core::group::GroupChange;
use halley_core::ids::{GroupId, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::Content;
use halley_core::ports::dedup::{DedupKey, Known};
use halley_core::ports::journal::AppendRefused;
use support::{ALICE, APP, Bench, GROUP, accepted};

const A: UserId = UserId(1);
const B: UserId = UserId(2);

fn bench() -> Bench {
    Bench::new(Config::default())
}

fn refused(frame: i32, refusal: Refusal) -> (i32, SendOutcome) {
    (frame, SendOutcome::Refused(refusal))
}

#[test]
fn nothing_is_acknowledged_before_it_is_durable_and_then_in_order() {
    let mut bench = bench();
    let ids: Vec<MsgId> = (0..5).map(|frame| bench.send(frame, A, Target::User(B), "")).collect();
    bench.turn();
    assert_eq!(bench.appended().len(), 5);
    assert_eq!(bench.told(), []);
    bench.disk.sync();
    bench.turn();
    let expected: Vec<_> = ids.iter().zip(0..).map(|(id, frame)| accepted(frame, *id)).collect();
    assert_eq!(bench.told(), expected);
    assert_eq!(bench.metrics.messages.get(), 5);
}

#[test]
fn a_repetition_while_the_first_is_on_its_way_waits_for_it_and_is_answered_alike() {
    let mut bench = bench();
    let id = bench.send(1, A, Target::User(B), "c-1");
    bench.send(2, A, Target::User(B), "c-1");
    bench.turn();
    bench.send(3, A, Target::User(B), "c-1");
    bench.turn();
    assert_eq!((bench.appended().len(), bench.told()), (1, vec![]));
    bench.disk.sync();
    bench.turn();
    assert_eq!(bench.told(), [accepted(1, id), accepted(2, id), accepted(3, id)]);
    assert_eq!((bench.metrics.messages.get(), bench.metrics.repetitions.get()), (1, 2));
}

#[test]
fn a_repetition_of_a_durable_message_is_answered_from_the_dedup_window() {
    let mut bench = bench();
    let known = Known { id: MsgId(77), time_ms: 1_000, key: SyncKey::START };
    bench.known.0.lock().insert(DedupKey::new(APP, A, b"c-1").expect("not empty"), known);
    bench.send(1, A, Target::User(B), "c-1");
    bench.send(2, B, Target::User(A), "c-1");
    bench.turn();
    assert_eq!(bench.told(), [accepted(1, MsgId(77))], "another sender's id is another message");
    assert_eq!(bench.appended().len(), 1);
}

#[test]
fn an_empty_client_id_is_never_a_repetition() {
    let mut bench = bench();
    bench.send(1, A, Target::User(B), "");
    bench.send(2, A, Target::User(B), "");
    bench.turn();
    assert_eq!(bench.appended().len(), 2);
}

#[test]
fn a_refusal_leaves_no_trace_and_a_repetition_is_decided_afresh() {
    let mut bench = bench();
    bench.send(1, UserId(9), Target::Group(GROUP), "c-1");
    bench.turn();
    assert_eq!(bench.told(), [refused(1, Refusal::NotMember)]);
    bench.group.change(&GroupChange::MembersAdded { members: vec![9] });
    let id = bench.send(2, UserId(9), Target::Group(GROUP), "c-1");
    bench.turn();
    bench.disk.sync();
    bench.turn();
    assert_eq!(bench.told(), [accepted(2, id)]);
}

#[test]
fn every_bad_message_is_refused_with_its_reason() {
    let mut bench = bench();
    let content = |kind, length| Content { kind, bytes: Bytes::from(vec![7; length]) };
    bench.send_content(1, A, Target::User(B), "", content(0, 1));
    bench.send_content(2, A, Target::User(B), "", content(7, 1));
    bench.send_content(3, A, Target::User(B), "", content(1, 16_384));
    bench.send(4, A, Target::UserNamed("nobody".into()), "");
    bench.send(5, A, Target::NoGroup, "");
    bench.send(6, A, Target::Group(GroupId(404)), "");
    bench.group.change(&GroupChange::MemberMuted { member: 2, until_ms: u64::MAX });
    bench.send(7, B, Target::Group(GROUP), "");
    bench.turn();
    let expected = [
        refused(1, Refusal::TypeNotAllowed),
        refused(2, Refusal::TypeNotAllowed),
        refused(3, Refusal::TooLarge),
        refused(4, Refusal::UnknownUser),
        refused(5, Refusal::UnknownGroup),
        refused(6, Refusal::UnknownGroup),
        refused(7, Refusal::Muted),
    ];
    assert_eq!(bench.told(), expected);
    assert_eq!(bench.appended().len(), 0);
    bench.names.is_down.store(true, std::sync::atomic::Ordering::Relaxed);
    bench.send(8, A, Target::UserNamed("alice".into()), "");
    bench.turn();
    assert_eq!(bench.told(), [refused(8, Refusal::Unavailable)]);
}

#[test]
fn a_message_stands_in_the_timelines_of_everybody_concerned() {
    let mut bench = bench();
    bench.send(1, A, Target::UserNamed("alice".into()), "");
    bench.send(2, A, Target::User(A), "");
    bench.send(3, B, Target::Group(GROUP), "");
    bench.turn();
    let targets: Vec<_> = bench.appended().iter().map(|record| record.targets.clone()).collect();
    assert_eq!((targets[0].inboxes(), targets[0].feed()), (&[A, ALICE][..], None));
    assert_eq!((targets[1].inboxes(), targets[1].feed()), (&[A][..], None), "to oneself: one entry");
    assert_eq!((targets[2].inboxes(), targets[2].feed()), (&[A, B, UserId(3)][..], Some(GROUP)));
}

#[test]
fn a_full_tail_makes_sends_wait_and_a_full_disk_refuses_them() {
    let mut bench = bench();
    let first = bench.send(1, A, Target::User(B), "");
    bench.turn();
    *bench.disk.refuse.lock() = Some(AppendRefused::Full);
    let second = bench.send(2, A, Target::User(B), "");
    bench.turn();
    bench.disk.sync();
    bench.turn();
    assert_eq!(bench.told(), [accepted(1, first)], "acknowledging goes on while an append waits");
    bench.disk.has_room_again();
    bench.turn();
    bench.disk.sync();
    bench.turn();
    assert_eq!(bench.told(), [accepted(2, second)]);
    *bench.disk.refuse.lock() = Some(AppendRefused::DiskFull);
    bench.send(3, A, Target::User(B), "");
    bench.turn();
    assert_eq!(bench.told(), [refused(3, Refusal::StorageFull)]);
}

#[test]
fn a_lost_journal_acknowledges_nothing() {
    let mut bench = bench();
    bench.send(1, A, Target::User(B), "");
    bench.turn();
    bench.disk.mark.fail();
    bench.turn();
    assert_eq!(bench.told(), []);
}

#[test]
fn one_user_is_limited_and_others_are_not() {
    let mut bench = Bench::new(Config { rate: RateLimit { per_second: 1, burst: 2 }, ..Config::default() });
    for frame in 0..5 {
        bench.send(frame, A, Target::User(B), "");
    }
    bench.send(9, B, Target::User(A), "");
    bench.turn();
    assert_eq!(bench.told(), [refused(3, Refusal::RateLimited), refused(4, Refusal::RateLimited)]);
    assert_eq!(bench.appended().len(), 4);
}

#[test]
fn an_app_is_limited_over_all_its_users_and_a_limited_user_takes_nothing_from_it() {
    let rate = RateLimit { per_second: 1, burst: 2 };
    let mut bench = Bench::new(Config { rate, app_messages_per_second: 4, ..Config::default() });
    for frame in 0..6 {
        bench.send(frame, A, Target::User(B), "");
    }
    for frame in 6..9 {
        bench.send(frame, B, Target::User(A), "");
    }
    bench.turn();
    let expected = [3, 4, 5, 8].map(|frame| refused(frame, Refusal::RateLimited));
    assert_eq!(bench.told(), expected, "three of the user's, then the app's sixth");
    assert_eq!(bench.appended().len(), 5);
    assert_eq!(bench.metrics.refusals.rate_limited.get(), 4);
    assert_eq!(bench.metrics.app_rate_limited.get(), 1);
}

#[test]
fn a_closing_shard_finishes_what_it_has_taken() {
    let mut bench = bench();
    let id = bench.send(1, A, Target::User(B), "");
    bench.close();
    assert!(!bench.turn(), "it waits for the disk");
    bench.disk.sync();
    assert!(bench.turn());
    assert_eq!(bench.told(), [accepted(1, id)]);
}
