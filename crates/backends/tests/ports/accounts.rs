//! [`Apps`], [`Users`], [`Tokens`]: what is answered is durable; numbers never change.

use halley_core::app::{AppSettings, AuthMethod};
use halley_core::ids::{AppId, UserId};
use halley_core::ports::accounts::{Apps, TokenGrant, Tokens, USER_NAME_BYTES_MAX, Unknown, Users};

use crate::common::{APP, World};
use crate::in_both_worlds;

in_both_worlds! {
    apps_keep_their_number_and_take_new_settings,
    canonical_decimals_are_themselves,
    an_alias_is_given_once_and_for_ever,
    unknown_ids_are_refused_and_get_nothing,
    many_logins_at_once_get_different_numbers,
    tokens_grant_until_they_expire_or_are_removed,
}

fn apps_keep_their_number_and_take_new_settings(world: &mut World) {
    let put = |world: &mut World, name: &str, settings: AppSettings| {
        let reply = Apps::put(&*world.parts().state, name, settings);
        world.wait(reply).expect("stored")
    };
    let first = put(world, "chat", AppSettings::default());
    let second = put(world, "other", AppSettings::default());
    assert_ne!(first.id, second.id);
    let dev = AppSettings { auth: vec![AuthMethod::Dev, AuthMethod::Token], ..AppSettings::default() };
    let again = put(world, "chat", dev.clone());
    assert_eq!((again.id, &again.settings), (first.id, &dev));
    for _ in 0..2 {
        let reply = world.parts().state.by_name("chat");
        let found = world.wait(reply).expect("reads").expect("known");
        assert_eq!((found.id, &found.settings), (first.id, &dev));
        let reply = world.parts().state.by_id(second.id);
        assert_eq!(world.wait(reply).expect("reads").expect("known").name.as_ref(), "other");
        let reply = world.parts().state.list();
        assert_eq!(world.wait(reply).expect("reads").len(), 2);
        let reply = world.parts().state.by_name("none");
        assert_eq!(world.wait(reply), Ok(None));
        world.reopen();
    }
    assert!(put(world, "third", AppSettings::default()).id > second.id);
}

fn number(world: &mut World, app: AppId, name: &str, unknown: Unknown) -> Option<UserId> {
    let reply = world.parts().state.number(app, name, unknown);
    world.wait(reply).expect("answers")
}

fn name(world: &mut World, user: UserId) -> Option<String> {
    let reply = Users::name(&*world.parts().state, APP, user);
    world.wait(reply).expect("answers").map(|name| name.to_string())
}

fn canonical_decimals_are_themselves(world: &mut World) {
    for (id, user) in [("1", 1), ("9223372036854775807", i64::MAX), ("9007199254740992", 1 << 53)] {
        assert_eq!(number(world, APP, id, Unknown::Refuse), Some(UserId(user)));
        assert_eq!(name(world, UserId(user)).as_deref(), Some(id));
    }
    assert_eq!(name(world, UserId(0)), None);
    assert_eq!(name(world, UserId(-4)), None);
}

fn an_alias_is_given_once_and_for_ever(world: &mut World) {
    let alice = number(world, APP, "alice", Unknown::Number).expect("given");
    assert!(alice.is_alias());
    let zero = number(world, APP, "007", Unknown::Number).expect("given");
    assert!(zero.is_alias() && zero != alice);
    let in_range = number(world, APP, "4503599627370496", Unknown::Number).expect("given");
    assert!(in_range.is_alias(), "a decimal in the alias range is an id like any other");
    for _ in 0..2 {
        assert_eq!(number(world, APP, "alice", Unknown::Refuse), Some(alice));
        assert_eq!(number(world, APP, "alice", Unknown::Number), Some(alice));
        assert_eq!(name(world, alice).as_deref(), Some("alice"));
        assert_eq!(name(world, in_range).as_deref(), Some("4503599627370496"));
        world.reopen();
    }
    let bob = number(world, APP, "bob", Unknown::Number).expect("given");
    assert!(![alice, zero, in_range].contains(&bob));
    assert_eq!(number(world, AppId(2), "alice", Unknown::Refuse), None, "another app's");
}

fn unknown_ids_are_refused_and_get_nothing(world: &mut World) {
    assert_eq!(number(world, APP, "nobody", Unknown::Refuse), None);
    assert_eq!(number(world, APP, "", Unknown::Number), None);
    let long = "x".repeat(USER_NAME_BYTES_MAX + 1);
    assert_eq!(number(world, APP, &long, Unknown::Number), None);
    assert!(number(world, APP, &long[1..], Unknown::Number).is_some());
    assert_eq!(name(world, UserId(UserId::ALIAS_FIRST.0 + 99)), None);
}

fn many_logins_at_once_get_different_numbers(world: &mut World) {
    let names: Vec<_> = (0..400).map(|user| format!("user-{}", user % 200)).collect();
    let replies: Vec<_> =
        names.iter().map(|name| world.parts().state.number(APP, name, Unknown::Number)).collect();
    let mut numbers = std::collections::HashMap::new();
    for (name, reply) in names.iter().zip(replies) {
        let user = world.wait(reply).expect("answers").expect("given");
        assert_eq!(*numbers.entry(name.clone()).or_insert(user), user);
    }
    let distinct: std::collections::HashSet<_> = numbers.values().collect();
    assert_eq!(distinct.len(), 200);
}

fn tokens_grant_until_they_expire_or_are_removed(world: &mut World) {
    let grant = TokenGrant { user: UserId(5), expires_ms: 1_000 };
    let reply = Tokens::put(&*world.parts().state, APP, "secret", grant);
    world.wait(reply).expect("stored");
    let verify = |world: &mut World, app, token: &str, now_ms| {
        let reply = world.parts().state.verify(app, token, now_ms);
        world.wait(reply).expect("reads")
    };
    for _ in 0..2 {
        assert_eq!(verify(world, APP, "secret", 999), Some(grant));
        assert_eq!(verify(world, APP, "secret", 1_000), None, "expired");
        assert_eq!(verify(world, APP, "Secret", 0), None);
        assert_eq!(verify(world, APP, "", 0), None);
        assert_eq!(verify(world, AppId(2), "secret", 0), None, "another app's");
        world.reopen();
    }
    let reply = world.parts().state.remove(APP, "secret");
    assert_eq!(world.wait(reply).expect("stored"), Some(grant));
    assert_eq!(verify(world, APP, "secret", 0), None);
    let reply = world.parts().state.remove(APP, "secret");
    assert_eq!(world.wait(reply).expect("stored"), None);
}
