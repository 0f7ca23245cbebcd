//! [`Devices`]: read your writes; a push token is one device's; what is forgotten stays forgotten.

use halley_core::device::{DeviceClass, DeviceCursor, DeviceKey, DeviceRecord};
use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::cursors::Cursors;
use halley_core::ports::devices::Devices;

use crate::common::{APP, World};
use crate::in_both_worlds;

in_both_worlds! {
    what_was_put_is_seen_at_once_and_kept,
    users_and_apps_are_apart,
    a_push_token_moves_to_who_presents_it,
    a_device_that_is_forgotten_takes_its_cursor_and_token_along,
    the_end_of_a_session_does_not_bring_a_forgotten_device_back,
}

fn key(uuid: &str) -> DeviceKey {
    DeviceKey::new(uuid, DeviceClass::Phone, "")
}

fn record(user: i64, uuid: &str, push_token: &str, at_ms: u64) -> DeviceRecord {
    DeviceRecord {
        app: APP,
        user: UserId(user),
        key: key(uuid),
        class: DeviceClass::Phone,
        platform: 1,
        name: format!("phone {uuid}").into(),
        user_name: format!("user {user}").into(),
        push_token: push_token.into(),
        logged_in_ms: at_ms,
    }
}

fn cursor(user: i64, uuid: &str, position: i64) -> DeviceCursor {
    DeviceCursor {
        app: APP,
        user: UserId(user),
        device: key(uuid),
        class: DeviceClass::Phone,
        position: SyncKey::from_raw(position).expect("positive"),
        lagging: Vec::new(),
        updated_ms: 1,
    }
}

fn put(world: &mut World, record: DeviceRecord) {
    world.parts().state.put(record);
}

fn devices(world: &mut World, user: i64) -> Vec<DeviceRecord> {
    let reply = world.parts().state.of_user(APP, UserId(user));
    let mut records = world.wait(reply).expect("reads");
    records.sort_by(|a, b| a.key.cmp(&b.key));
    records
}

fn tokens(world: &mut World, user: i64) -> Vec<String> {
    devices(world, user).iter().map(|record| record.push_token.to_string()).collect()
}

fn owner(world: &mut World, token: &str) -> Option<(i64, String)> {
    let reply = world.parts().state.push_token_owner(APP, token);
    let owner = world.wait(reply).expect("reads");
    owner.map(|(user, device)| (user.0, device.uuid().to_owned()))
}

fn remove(world: &mut World, user: i64, uuid: &str) -> bool {
    let reply = world.parts().state.remove(APP, UserId(user), key(uuid));
    world.wait(reply).expect("writes")
}

fn cursors(world: &mut World, user: i64) -> usize {
    let reply = world.parts().state.load(APP, UserId(user));
    world.wait(reply).expect("reads").len()
}

/// As things are in memory, in the database, and after a start.
fn at_each_stage(world: &mut World, check: impl Fn(&mut World)) {
    check(world);
    world.parts().flush_state().expect("flushes");
    check(world);
    world.reopen();
    check(world);
}

fn what_was_put_is_seen_at_once_and_kept(world: &mut World) {
    assert_eq!(devices(world, 1), []);
    for at_ms in 1..50 {
        put(world, record(1, "a", &format!("t-{at_ms}"), at_ms));
        if at_ms % 10 == 0 {
            world.parts().flush_state().expect("flushes");
        }
        assert_eq!(devices(world, 1), [record(1, "a", &format!("t-{at_ms}"), at_ms)]);
    }
    put(world, record(1, "b", "", 7));
    at_each_stage(world, |world| {
        assert_eq!(devices(world, 1), [record(1, "a", "t-49", 49), record(1, "b", "", 7)]);
        assert_eq!(owner(world, "t-49"), Some((1, "a".to_owned())));
        for old in ["t-48", "t-1", "t-10", "", "never"] {
            assert_eq!(owner(world, old), None, "{old}");
        }
    });
}

fn users_and_apps_are_apart(world: &mut World) {
    for user in [1, 2, i64::MAX] {
        put(world, record(user, "a", "", 1));
    }
    put(world, DeviceRecord { app: AppId(2), ..record(1, "b", "t", 1) });
    put(world, record(2, "b", "t", 2));
    at_each_stage(world, |world| {
        assert_eq!(devices(world, 1).len(), 1);
        assert_eq!(devices(world, 2), [record(2, "a", "", 1), record(2, "b", "t", 2)]);
        assert_eq!(devices(world, i64::MAX), [record(i64::MAX, "a", "", 1)]);
        assert_eq!(devices(world, 3), []);
        let reply = world.parts().state.push_token_owner(AppId(2), "t");
        assert_eq!(world.wait(reply).expect("reads"), Some((UserId(1), key("b"))));
    });
}

fn a_push_token_moves_to_who_presents_it(world: &mut World) {
    // Both in memory; both in the database; the one here and the other there.
    for stage in 0..3 {
        let (first, second) = (10 + stage, 20 + stage);
        let token = format!("t-{stage}");
        put(world, record(first, "a", &token, 1));
        put(world, record(first, "b", "own", 1));
        if stage > 0 {
            world.parts().flush_state().expect("flushes");
        }
        put(world, record(second, "a", &token, 2));
        if stage > 1 {
            world.parts().flush_state().expect("flushes");
        }
        at_each_stage(world, |world| {
            assert_eq!(tokens(world, first), ["", "own"], "{stage}");
            assert_eq!(tokens(world, second), std::slice::from_ref(&token), "{stage}");
            assert_eq!(owner(world, &token), Some((second, "a".to_owned())), "{stage}");
        });
        // And back, after whoever had it gave it up.
        put(world, record(second, "a", "new", 3));
        at_each_stage(world, |world| {
            assert_eq!(owner(world, &token), None, "{stage}");
            assert_eq!(tokens(world, first), ["", "own"], "{stage}: it does not fall back");
        });
        put(world, record(first, "a", &token, 4));
        at_each_stage(world, |world| assert_eq!(tokens(world, first), [token.as_str(), "own"], "{stage}"));
        assert!(remove(world, first, "b"));
    }
}

fn a_device_that_is_forgotten_takes_its_cursor_and_token_along(world: &mut World) {
    for is_flushed in [false, true] {
        put(world, record(1, "a", "t", 1));
        put(world, record(1, "b", "", 1));
        for uuid in ["a", "b"] {
            let begun = world.parts().state.begin(cursor(1, uuid, 5));
            world.wait(begun).expect("writes");
            world.parts().state.save(cursor(1, uuid, 9));
        }
        if is_flushed {
            world.parts().flush_state().expect("flushes");
        }
        assert!(remove(world, 1, "a"));
        assert!(!remove(world, 1, "a"), "it is gone");
        at_each_stage(world, |world| {
            assert_eq!(devices(world, 1), [record(1, "b", "", 1)]);
            assert_eq!(owner(world, "t"), None);
            assert_eq!(cursors(world, 1), 1);
        });
    }
}

fn the_end_of_a_session_does_not_bring_a_forgotten_device_back(world: &mut World) {
    put(world, record(1, "a", "", 1));
    let begun = world.parts().state.begin(cursor(1, "a", 5));
    world.wait(begun).expect("writes");
    assert!(remove(world, 1, "a"));
    world.parts().state.save(cursor(1, "a", 9));
    at_each_stage(world, |world| {
        assert_eq!(cursors(world, 1), 0);
        assert_eq!(devices(world, 1), []);
    });
}
