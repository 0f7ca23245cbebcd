//! [`Relations`]: directed, durable when answered, never older than the last change; lists in pages.

use halley_core::ids::{AppId, UserId};
use halley_core::ports::relations::{Directions, Pair, Relation, RelationKind, Relations};

use crate::common::{APP, World};
use crate::in_both_worlds;

in_both_worlds! {
    a_relation_has_a_direction_unless_both_are_asked_for,
    the_two_kinds_are_independent,
    an_answer_is_never_older_than_the_last_change,
    lists_are_paged_and_ascending,
    a_user_with_very_many_is_answered_too,
    who_is_forbidden_is_remembered,
}

const ONE: UserId = UserId(1);
const TWO: UserId = UserId(2);

fn pair(user: UserId, other: UserId) -> Pair {
    Pair { app: APP, user, other }
}

fn relation(world: &mut World, pair: Pair) -> Relation {
    let reply = world.parts().state.relation(pair);
    world.wait(reply).expect("reads")
}

fn set(world: &mut World, pair: Pair, kind: RelationKind, directions: Directions, is_set: bool) {
    let reply = world.parts().state.set_relation(pair, kind, directions, is_set);
    world.wait(reply).expect("stored");
}

fn related(world: &mut World, kind: RelationKind, after: Option<UserId>, max: usize) -> Vec<i64> {
    let reply = world.parts().state.related(APP, ONE, kind, after, max);
    world.wait(reply).expect("reads").into_iter().map(|user| user.0).collect()
}

fn a_relation_has_a_direction_unless_both_are_asked_for(world: &mut World) {
    let friend = Relation { friend: true, blacklisted: false };
    set(world, pair(ONE, TWO), RelationKind::Friend, Directions::One, true);
    for _ in 0..2 {
        assert_eq!(relation(world, pair(ONE, TWO)), friend);
        assert_eq!(relation(world, pair(TWO, ONE)), Relation::default());
        let elsewhere = Pair { app: AppId(2), ..pair(ONE, TWO) };
        assert_eq!(relation(world, elsewhere), Relation::default(), "another app's");
        world.reopen();
    }
    set(world, pair(ONE, TWO), RelationKind::Friend, Directions::Both, true);
    assert_eq!(relation(world, pair(TWO, ONE)), friend);
    set(world, pair(TWO, ONE), RelationKind::Friend, Directions::Both, false);
    for _ in 0..2 {
        assert_eq!(relation(world, pair(ONE, TWO)), Relation::default());
        assert_eq!(relation(world, pair(TWO, ONE)), Relation::default());
        world.reopen();
    }
}

fn the_two_kinds_are_independent(world: &mut World) {
    set(world, pair(ONE, TWO), RelationKind::Friend, Directions::One, true);
    set(world, pair(ONE, TWO), RelationKind::Blacklisted, Directions::One, true);
    assert_eq!(relation(world, pair(ONE, TWO)), Relation { friend: true, blacklisted: true });
    set(world, pair(ONE, TWO), RelationKind::Friend, Directions::One, false);
    set(world, pair(ONE, TWO), RelationKind::Friend, Directions::One, false);
    assert_eq!(relation(world, pair(ONE, TWO)), Relation { friend: false, blacklisted: true });
    assert_eq!(related(world, RelationKind::Friend, None, 9), Vec::<i64>::new());
    assert_eq!(related(world, RelationKind::Blacklisted, None, 9), [2]);
}

fn an_answer_is_never_older_than_the_last_change(world: &mut World) {
    for round in 0..60 {
        assert_eq!(relation(world, pair(ONE, TWO)).blacklisted, round % 2 == 1, "kept in memory");
        set(world, pair(ONE, TWO), RelationKind::Blacklisted, Directions::One, round % 2 == 0);
    }
}

fn lists_are_paged_and_ascending(world: &mut World) {
    let replies: Vec<_> = (2..=40_i64)
        .rev()
        .map(|other| {
            let kind = if other % 3 == 0 { RelationKind::Blacklisted } else { RelationKind::Friend };
            world.parts().state.set_relation(pair(ONE, UserId(other)), kind, Directions::Both, true)
        })
        .collect();
    for reply in replies {
        world.wait(reply).expect("stored");
    }
    let thirds: Vec<i64> = (2..=40).filter(|other| other % 3 == 0).collect();
    assert_eq!(related(world, RelationKind::Blacklisted, None, 100), thirds);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = related(world, RelationKind::Blacklisted, after, 4);
        after = page.last().map(|last| UserId(*last));
        paged.extend_from_slice(&page);
        if page.len() < 4 {
            break;
        }
    }
    assert_eq!(paged, thirds);
    assert_eq!(related(world, RelationKind::Friend, Some(UserId(i64::MAX)), 4), Vec::<i64>::new());
}

fn a_user_with_very_many_is_answered_too(world: &mut World) {
    let replies: Vec<_> = (0..10_050)
        .map(|other| {
            let pair = pair(ONE, UserId(100 + other));
            world.parts().state.set_relation(pair, RelationKind::Blacklisted, Directions::One, true)
        })
        .collect();
    // More writes than may wait are refused; what was refused is done again.
    for (reply, other) in replies.into_iter().zip(0..) {
        if world.wait(reply).is_err() {
            set(world, pair(ONE, UserId(100 + other)), RelationKind::Blacklisted, Directions::One, true);
        }
    }
    for _ in 0..2 {
        assert!(relation(world, pair(ONE, UserId(10_149))).blacklisted);
        assert_eq!(relation(world, pair(ONE, UserId(99))), Relation::default());
    }
    set(world, pair(ONE, UserId(10_149)), RelationKind::Blacklisted, Directions::One, false);
    assert!(!relation(world, pair(ONE, UserId(10_149))).blacklisted);
}

fn who_is_forbidden_is_remembered(world: &mut World) {
    let is_forbidden = |world: &mut World, user| {
        let reply = world.parts().state.is_forbidden(APP, user);
        world.wait(reply).expect("reads")
    };
    assert!(!is_forbidden(world, ONE));
    let reply = world.parts().state.set_forbidden(APP, ONE, true);
    world.wait(reply).expect("stored");
    for _ in 0..2 {
        assert!(is_forbidden(world, ONE) && !is_forbidden(world, TWO));
        world.reopen();
    }
    let reply = world.parts().state.set_forbidden(APP, ONE, false);
    world.wait(reply).expect("stored");
    assert!(!is_forbidden(world, ONE));
}
