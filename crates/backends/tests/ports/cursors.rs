//! [`Cursors`]: read your writes; after a reopen they may lag, never lead.

use halley_core::device::{DeviceClass, DeviceCursor, DeviceKey};
use halley_core::ids::{GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::cursors::Cursors;

use crate::common::{APP, World};
use crate::in_both_worlds;

in_both_worlds! {
    what_was_saved_is_seen_at_once,
    a_clean_close_keeps_them,
    the_further_position_stays,
    devices_and_users_are_apart,
    the_feeds_that_lag_stay_with_their_cursor,
    a_device_that_is_not_known_is_not_saved,
}

fn cursor(user: i64, device: &str, position: i64) -> DeviceCursor {
    DeviceCursor {
        app: APP,
        user: UserId(user),
        device: DeviceKey::new(device, DeviceClass::Phone, ""),
        class: DeviceClass::Phone,
        position: SyncKey::from_raw(position).expect("positive"),
        lagging: Vec::new(),
        updated_ms: position.unsigned_abs(),
    }
}

/// Of a device that is known by then.
fn save(world: &mut World, cursor: DeviceCursor) {
    let begun = world.parts().state.begin(DeviceCursor { position: SyncKey::START, ..cursor.clone() });
    world.wait(begun).expect("writes");
    world.parts().state.save(cursor);
}

fn load(world: &mut World, user: i64) -> Vec<DeviceCursor> {
    let reply = world.parts().state.load(APP, UserId(user));
    let mut cursors = world.wait(reply).expect("reads");
    cursors.sort_by(|a, b| a.device.cmp(&b.device));
    cursors
}

fn what_was_saved_is_seen_at_once(world: &mut World) {
    assert_eq!(load(world, 1), []);
    for position in 1..100 {
        save(world, cursor(1, "a", position));
        if position % 10 == 0 {
            world.parts().flush_state().expect("flushes");
        }
        assert_eq!(load(world, 1), [cursor(1, "a", position)]);
    }
}

fn a_clean_close_keeps_them(world: &mut World) {
    for user in 1..=50 {
        save(world, cursor(user, "a", user * 3));
    }
    world.reopen();
    for user in 1..=50 {
        assert_eq!(load(world, user), [cursor(user, "a", user * 3)]);
    }
}

fn the_further_position_stays(world: &mut World) {
    save(world, cursor(1, "a", 50));
    save(world, cursor(1, "a", 20));
    assert_eq!(load(world, 1), [cursor(1, "a", 50)]);
    world.reopen();
    save(world, cursor(1, "a", 30));
    assert_eq!(load(world, 1), [cursor(1, "a", 50)]);
}

fn devices_and_users_are_apart(world: &mut World) {
    save(world, cursor(1, "a", 1));
    save(world, cursor(1, "b", 2));
    save(world, cursor(2, "a", 3));
    save(world, cursor(i64::MAX, "a", 4));
    for _ in 0..2 {
        assert_eq!(load(world, 1), [cursor(1, "a", 1), cursor(1, "b", 2)]);
        assert_eq!(load(world, 2), [cursor(2, "a", 3)]);
        assert_eq!(load(world, i64::MAX), [cursor(i64::MAX, "a", 4)]);
        assert_eq!(load(world, 3), []);
        world.reopen();
    }
}

fn the_feeds_that_lag_stay_with_their_cursor(world: &mut World) {
    let lagging = |position: i64, feeds: &[(i64, i64)]| {
        let feed = |(group, at): &(i64, i64)| (GroupId(*group), SyncKey::from_raw(*at).expect("positive"));
        DeviceCursor { lagging: feeds.iter().map(feed).collect(), ..cursor(1, "a", position) }
    };
    let begun = lagging(5, &[(9, 2)]);
    let reply = world.parts().state.begin(begun.clone());
    world.wait(reply).expect("begins");
    assert_eq!(load(world, 1), [begun]);
    let far = lagging(50, &[(7, 20), (i64::MAX, 0)]);
    world.parts().state.save(far.clone());
    world.parts().state.save(lagging(40, &[]));
    assert_eq!(load(world, 1), std::slice::from_ref(&far), "further, and what it says of its feeds");
    world.reopen();
    assert_eq!(load(world, 1), [far]);
    world.parts().state.save(lagging(50, &[]));
    for _ in 0..2 {
        assert_eq!(load(world, 1), [lagging(50, &[])], "nothing lags any more");
        world.reopen();
    }
}

fn a_device_that_is_not_known_is_not_saved(world: &mut World) {
    save(world, cursor(1, "a", 1));
    world.parts().state.save(cursor(1, "b", 2));
    for _ in 0..2 {
        assert_eq!(load(world, 1), [cursor(1, "a", 1)]);
        world.reopen();
    }
}
