//! `Catalog` and `Past`: what retention asks, held against a model. A failure means that something is deleted too early,
//! or never.

use std::collections::BTreeSet;

use halley_core::key::SyncKey;
use halley_core::timeline::TimelineId;

use crate::common::{World, inbox, message};
use crate::in_both_worlds;

in_both_worlds! {
    every_timeline_is_met_once_however_few_at_a_time,
    the_nth_newest_is_counted_above_the_floor,
    the_past_ends_where_the_first_young_record_is,
    the_past_is_right_over_many_segments_and_asked_in_any_order,
}

fn fill(world: &mut World, messages: i64) -> Vec<SyncKey> {
    (1..=messages).map(|id| world.send(message(id, 1 + id % 3, 10 + id % 7, b"x"))).collect()
}

fn every_timeline_is_met_once_however_few_at_a_time(world: &mut World) {
    fill(world, 40);
    world.follow(16);
    for round in 0..2 {
        for max in [1, 2, 3, 100] {
            let (mut behind, mut met) = (None, Vec::new());
            loop {
                let found = world.parts().catalog.timelines_behind(behind, max).expect("reads");
                let Some(last) = found.last() else { break };
                behind = Some(*last);
                met.extend(found);
            }
            let expected: BTreeSet<TimelineId> = (1..=3).chain(10..=16).map(inbox).collect();
            assert_eq!(met.len(), expected.len(), "round {round} max {max}");
            assert_eq!(met.into_iter().collect::<BTreeSet<_>>(), expected, "round {round} max {max}");
        }
        // On disk the rows move from memory into tables here; more come on top.
        world.reopen();
        world.send(message(100 + round, 1, 16, b"x"));
        world.follow(16);
    }
}

fn the_nth_newest_is_counted_above_the_floor(world: &mut World) {
    let keys: Vec<_> = (1..=2_500).map(|id| world.append(message(id, 1, 2, b"x"))).collect();
    let keys: Vec<_> = keys.into_iter().map(|ticket| world.wait(ticket).expect("durable")).collect();
    world.follow(512);
    for (floor, nth, expected) in [
        (SyncKey::START, 1, Some(keys[2_499])),
        (SyncKey::START, 1_024, Some(keys[2_500 - 1_024])),
        (SyncKey::START, 1_025, Some(keys[2_500 - 1_025])),
        (SyncKey::START, 2_500, Some(keys[0])),
        (SyncKey::START, 2_501, None),
        (keys[2_489], 10, Some(keys[2_490])),
        (keys[2_489], 11, None),
        (keys[2_499], 1, None),
    ] {
        let found = world.parts().catalog.nth_newest(inbox(1), floor, nth).expect("reads");
        assert_eq!(found, expected, "above {floor:?}, number {nth}");
    }
    assert_eq!(world.parts().catalog.nth_newest(inbox(3), SyncKey::START, 1).expect("reads"), None);
}

/// As [`message`] dates them.
const FIRST_MS: u64 = 1_700_000_000_000;

fn the_past_ends_where_the_first_young_record_is(world: &mut World) {
    let past = |world: &World, ms: u64| world.parts().past.newest_older_than(FIRST_MS + ms).expect("reads");
    assert_eq!(past(world, 100), SyncKey::START);
    let keys = fill(world, 10);
    assert_eq!(past(world, 1), SyncKey::START);
    assert_eq!(past(world, 2), keys[0]);
    assert_eq!(past(world, 10), keys[8]);
    assert_eq!(past(world, 11), keys[9]);
    let more = world.send(message(11, 1, 2, b"x"));
    assert_eq!(past(world, 11), keys[9]);
    assert_eq!(past(world, 1_000), more);
}

fn the_past_is_right_over_many_segments_and_asked_in_any_order(world: &mut World) {
    let body = vec![b'x'; 60_000];
    let keys: Vec<_> = (1..=60).map(|id| world.send(message(id, 1, 2, &body))).collect();
    for round in 0..2u64 {
        for step in 0..61 {
            let ms = (step * 37 + round) % 61;
            let found = world.parts().past.newest_older_than(FIRST_MS + ms).expect("reads");
            let expected = usize::try_from(ms).expect("small").checked_sub(2).map(|at| keys[at]);
            assert_eq!(found, expected.unwrap_or_default(), "before {ms}");
        }
        world.reopen();
    }
}
