//! Who may write to whom. Method: a shard polled by hand over test doubles. A failure means that somebody was heard who is
//! blacklisted or no friend, or that somebody was silenced who is neither.

use std::sync::atomic::Ordering;

use halley_answer::Config;
use halley_core::app::AppSettings;
use halley_core::command::{Refusal, SendOutcome, Target};
use halley_core::ids::UserId;
use halley_core::ports::relations::Relation;

use crate::support::{ALICE, Bench, GROUP};

const A: UserId = UserId(1);
const B: UserId = UserId(2);
const FRIEND: Relation = Relation { friend: true, blacklisted: false };
const BLACKLISTED: Relation = Relation { friend: false, blacklisted: true };

fn bench(friends_only: bool, blacklist: bool) -> Bench {
    let bench = Bench::new(Config::default());
    *bench.society.settings.lock() = AppSettings { friends_only, blacklist, ..AppSettings::default() };
    bench
}

/// Sends, and answers why it was refused, if it was.
fn refusal(bench: &mut Bench, from: UserId, target: Target) -> Option<Refusal> {
    bench.send(1, from, target, "");
    bench.turn();
    bench.disk.sync();
    bench.turn();
    match bench.told()[..] {
        [(1, SendOutcome::Refused(refusal))] => Some(refusal),
        [(1, SendOutcome::Accepted { .. })] => None,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn by_default_who_is_blacklisted_is_not_heard_by_that_user_and_by_nobody_else() {
    let mut bench = Bench::new(Config::default());
    assert_eq!(refusal(&mut bench, A, Target::User(B)), None);
    bench.society.relate(B, A, BLACKLISTED);
    bench.society.relate(ALICE, A, BLACKLISTED);
    assert_eq!(refusal(&mut bench, A, Target::User(B)), Some(Refusal::Blacklisted));
    assert_eq!(refusal(&mut bench, A, Target::UserNamed("alice".into())), Some(Refusal::Blacklisted));
    assert_eq!(refusal(&mut bench, B, Target::User(A)), None, "the other way round it is no obstacle");
    assert_eq!(refusal(&mut bench, A, Target::User(UserId(9))), None);
    assert_eq!(refusal(&mut bench, A, Target::Group(GROUP)), None, "private messages only");
    assert_eq!(bench.metrics.refusals.blacklisted.get(), 2);
    bench.society.relate(B, A, Relation::default());
    assert_eq!(refusal(&mut bench, A, Target::User(B)), None, "decided afresh");
}

#[test]
fn the_system_and_oneself_are_always_heard() {
    let mut bench = bench(true, true);
    bench.society.relate(B, UserId::SYSTEM, BLACKLISTED);
    bench.society.relate(A, A, BLACKLISTED);
    assert_eq!(refusal(&mut bench, UserId::SYSTEM, Target::User(B)), None);
    assert_eq!(refusal(&mut bench, A, Target::User(A)), None);
}

#[test]
fn with_friends_only_both_must_have_the_other_as_a_friend() {
    let mut bench = bench(true, true);
    let refused = Some(Refusal::NotFriend);
    for (of_a, of_b, expected) in [
        (Relation::default(), Relation::default(), refused),
        (FRIEND, Relation::default(), refused),
        (Relation::default(), FRIEND, refused),
        (FRIEND, FRIEND, None),
        (Relation { blacklisted: true, ..FRIEND }, FRIEND, None),
        (FRIEND, Relation { blacklisted: true, ..FRIEND }, Some(Refusal::Blacklisted)),
        (Relation::default(), BLACKLISTED, refused),
    ] {
        bench.society.relate(A, B, of_a);
        bench.society.relate(B, A, of_b);
        assert_eq!(refusal(&mut bench, A, Target::User(B)), expected, "{of_a:?} {of_b:?}");
    }
    assert_eq!(bench.metrics.refusals.not_friend.get(), 4);
}

#[test]
fn what_an_app_does_not_want_checked_is_not_checked() {
    let mut bench = bench(false, false);
    bench.society.relate(B, A, BLACKLISTED);
    bench.society.is_down.store(true, Ordering::Relaxed);
    assert_eq!(refusal(&mut bench, A, Target::User(B)), None);
    bench.society.settings.lock().blacklist = true;
    assert_eq!(refusal(&mut bench, A, Target::User(B)), Some(Refusal::Unavailable), "unknown is not allowed");
}
