//! [`Floors`]: only raised, in force when answered, and there after every reopen.

use std::collections::BTreeMap;

use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::floors::{FloorOf, Floors};
use halley_core::timeline::TimelineId;

use crate::common::{APP, World, inbox};
use crate::in_both_worlds;

in_both_worlds! {
    without_floors_everything_is_shown,
    a_floor_is_raised_and_never_lowered,
    the_floor_of_the_app_holds_for_all_of_its_timelines_and_no_others,
    a_sender_is_forgotten_when_nothing_is_left,
    floors_equal_a_model_over_reopens,
}

fn key(raw: i64) -> SyncKey {
    SyncKey::from_raw(raw).expect("positive")
}

fn raise(world: &mut World, floors: Vec<(FloorOf, SyncKey)>) {
    let raised = world.parts().state.raise(floors);
    world.wait(raised).expect("durable");
}

fn floor(world: &World, timeline: TimelineId) -> SyncKey {
    world.parts().state.floor(timeline).expect("reads")
}

fn without_floors_everything_is_shown(world: &mut World) {
    assert_eq!(floor(world, inbox(1)), SyncKey::START);
    assert_eq!(world.parts().state.sender_floor(APP, UserId(1)), SyncKey::START);
    assert_eq!(world.parts().state.senders(), []);
    let before = world.parts().state.generation();
    raise(world, vec![(FloorOf::Timeline(inbox(1)), key(1))]);
    assert_ne!(world.parts().state.generation(), before);
}

fn a_floor_is_raised_and_never_lowered(world: &mut World) {
    let feed = TimelineId::Feed(APP, GroupId(1));
    for (floors, expected) in [(vec![5], 5), (vec![3], 5), (vec![9, 7], 9)] {
        raise(world, floors.iter().map(|floor| (FloorOf::Timeline(inbox(1)), key(*floor))).collect());
        for _ in 0..2 {
            assert_eq!(floor(world, inbox(1)), key(expected));
            assert_eq!(floor(world, feed), SyncKey::START, "the group of the same number is another");
            assert_eq!(floor(world, inbox(2)), SyncKey::START);
            world.reopen();
        }
    }
}

fn the_floor_of_the_app_holds_for_all_of_its_timelines_and_no_others(world: &mut World) {
    raise(world, vec![(FloorOf::App(APP), key(5)), (FloorOf::Timeline(inbox(2)), key(8))]);
    for _ in 0..2 {
        assert_eq!(floor(world, inbox(1)), key(5));
        assert_eq!(floor(world, inbox(2)), key(8));
        assert_eq!(floor(world, TimelineId::Inbox(AppId(2), UserId(1))), SyncKey::START);
        world.reopen();
    }
    raise(world, vec![(FloorOf::App(APP), SyncKey::END)]);
    assert_eq!(floor(world, inbox(2)), SyncKey::END);
}

fn a_sender_is_forgotten_when_nothing_is_left(world: &mut World) {
    raise(world, vec![(FloorOf::Sender(APP, UserId(1)), key(5))]);
    for _ in 0..2 {
        assert_eq!(world.parts().state.sender_floor(APP, UserId(1)), key(5));
        assert_eq!(world.parts().state.sender_floor(APP, UserId(2)), SyncKey::START);
        assert_eq!(world.parts().state.senders(), [(APP, UserId(1), key(5))]);
        assert_eq!(floor(world, inbox(1)), SyncKey::START, "what others sent there stays");
        world.reopen();
    }
    let forgotten = world.parts().state.forget_sender(APP, UserId(1));
    world.wait(forgotten).expect("durable");
    for _ in 0..2 {
        assert_eq!(world.parts().state.sender_floor(APP, UserId(1)), SyncKey::START);
        world.reopen();
    }
}

fn floors_equal_a_model_over_reopens(world: &mut World) {
    let mut model: BTreeMap<i64, i64> = BTreeMap::new();
    let mut random = 7u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    for round in 0..60 {
        let floors: Vec<_> = (0..below(6))
            .map(|_| {
                let (user, floor) = (1 + below(20).cast_signed(), 1 + below(1_000).cast_signed());
                let known = model.entry(user).or_default();
                *known = floor.max(*known);
                (FloorOf::Timeline(inbox(user)), key(floor))
            })
            .collect();
        raise(world, floors);
        for user in 1..=21 {
            let expected = model.get(&user).copied().unwrap_or_default();
            assert_eq!(floor(world, inbox(user)), key(expected), "round {round} user {user}");
        }
        if below(10) == 0 {
            world.reopen();
        }
    }
}
