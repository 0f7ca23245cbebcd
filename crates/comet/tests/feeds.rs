//! Super groups: a session follows the feeds of its user's super groups beside the inbox (design sections 1 and 5). A failure
//! means that a member misses an entry, is shown one twice or out of order, is shown what is not for them, or that a flood
//! in a group delays what is private.

mod common;

use std::time::Duration;

use common::{Client, World};
use halley_comet::Config;
use halley_core::device::DeviceCursor;
use halley_core::group::{GroupChange, GroupProfile};
use halley_core::ids::{GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::timeline::TimelineId;

const GROUP: i64 = 7;

fn created(is_super: bool, members: &[i64]) -> GroupChange {
    let profile = GroupProfile { is_super, ..GroupProfile::default() };
    GroupChange::Created { profile, owner: 1, members: members.to_vec() }
}

/// A super group of 1 and these.
fn create(world: &World, members: &[i64]) {
    let inboxes: Vec<i64> = members.iter().copied().chain([1]).collect();
    world.backend.change_group(GROUP, &inboxes, &created(true, members));
}

fn add(world: &mut World, user: i64) {
    world.backend.change_group(GROUP, &[user], &GroupChange::MembersAdded { members: vec![user] });
    world.settle();
}

fn remove(world: &mut World, user: i64) {
    world.backend.change_group(GROUP, &[user], &GroupChange::MembersRemoved { members: vec![user] });
    world.settle();
}

fn said(world: &mut World, text: &str) {
    world.backend.deliver_to_feed(GROUP, text);
    world.settle();
}

fn texts(client: &mut Client) -> Vec<String> {
    client.pushes().into_iter().map(|(_, text)| text).collect()
}

/// Reads and acknowledges until nothing more comes.
fn read_all(world: &mut World, client: &mut Client) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        world.settle();
        let pushes = client.pushes();
        if pushes.is_empty() {
            return all;
        }
        for (seq, text) in pushes {
            client.ack(seq);
            all.push(text);
        }
    }
}

fn numbered(from: usize, to: usize) -> Vec<String> {
    (from..=to).map(|number| format!("g{number}")).collect()
}

/// How often the feed was read.
fn feed_reads(world: &World) -> usize {
    let state = world.backend.lock();
    state.reads.iter().filter(|range| matches!(range.timeline, TimelineId::Feed(..))).count()
}

fn saved(world: &World) -> DeviceCursor {
    let state = world.backend.lock();
    state.offline.last().and_then(|(_, cursor)| cursor.clone()).expect("has a device")
}

#[test]
fn members_are_given_the_feed_in_one_order_with_the_inbox_and_nobody_else_is() {
    let mut world = World::new();
    create(&world, &[42, 43]);
    let mut clients = [42, 43, 44].map(|user| world.login(user, "phone"));
    let mut tablet = world.login(42, "tablet");
    for number in 1..=3 {
        said(&mut world, &format!("g{number}"));
        world.backend.deliver(42, &format!("p{number}"));
        world.settle();
    }
    let both = ["g1", "p1", "g2", "p2", "g3", "p3"];
    assert_eq!(texts(&mut clients[0]), both);
    assert_eq!(texts(&mut tablet), both);
    assert_eq!(texts(&mut clients[1]), ["g1", "g2", "g3"]);
    assert_eq!(texts(&mut clients[2]), Vec::<String>::new());
    assert_eq!(world.metrics.feeds_lagging.get(), 0);
}

#[test]
fn a_flood_in_a_group_does_not_delay_what_is_private() {
    let mut world = World::with(Config { window: 8, ..Config::default() }, 1, 0);
    create(&world, &[42]);
    let mut client = world.login(42, "phone");
    for number in 1..=100 {
        said(&mut world, &format!("g{number}"));
    }
    // The client acknowledges nothing, and still there is room for what is private.
    world.backend.deliver(42, "private");
    world.settle();
    let expected: Vec<String> = numbered(1, 6).into_iter().chain(["private".to_owned()]).collect();
    let pushed = client.pushes();
    assert_eq!(pushed.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(world.metrics.sessions_behind.get(), 0, "only the feed lags");
    assert_eq!(world.metrics.feeds_lagging.get(), 1);
    for (seq, _) in pushed {
        client.ack(seq);
    }
    assert_eq!(read_all(&mut world, &mut client), numbered(7, 100));
    // It has caught up: it is live again, without reads.
    let reads = feed_reads(&world);
    said(&mut world, "g101");
    world.backend.deliver(42, "after");
    world.settle();
    assert_eq!(read_all(&mut world, &mut client), ["g101", "after"]);
    assert_eq!(feed_reads(&world), reads);
    client.end.cut();
    world.settle();
    assert_eq!(saved(&world).lagging, [], "the main position covers it again");
}

#[test]
fn a_device_comes_back_to_where_its_feeds_stand() {
    let mut world = World::with(Config { window: 4, ..Config::default() }, 1, 0);
    create(&world, &[42]);
    let mut client = world.login(42, "phone");
    for number in 1..=10 {
        said(&mut world, &format!("g{number}"));
    }
    for (seq, _) in client.pushes() {
        client.ack(seq);
    }
    world.settle();
    world.backend.deliver(42, "private");
    world.settle();
    // What comes of the feed by itself is not acknowledged, what is private is.
    let pushes = client.pushes();
    let private = pushes.iter().find(|(_, text)| text == "private").expect("is not delayed");
    assert!(pushes.iter().any(|(_, text)| text == "g4"), "{pushes:?}");
    client.ack(private.0);
    world.settle();
    // Its sender has the receipt by then.
    world.pass(Duration::from_millis(50));
    client.end.cut();
    world.settle();
    let cursor = saved(&world);
    assert_eq!(cursor.lagging.len(), 1, "{cursor:?}");
    assert!(cursor.lagging[0].1 < cursor.position, "{cursor:?}");
    let mut client = world.login(42, "phone");
    assert_eq!(read_all(&mut world, &mut client), numbered(4, 10));
    client.end.cut();
    world.settle();
    assert_eq!(saved(&world).lagging, []);
    let mut client = world.login(42, "phone");
    assert_eq!(read_all(&mut world, &mut client), Vec::<String>::new());
}

#[test]
fn a_feed_without_news_costs_its_second_reader_nothing() {
    let mut world = World::new();
    create(&world, &[42, 43, 44]);
    for number in 1..=5 {
        said(&mut world, &format!("g{number}"));
    }
    let mut first = world.login(42, "phone");
    assert_eq!(read_all(&mut world, &mut first), numbered(1, 5));
    for number in 0..50 {
        world.backend.deliver(99, &format!("others {number}"));
    }
    world.settle();
    first.end.cut();
    world.settle();
    let mut second = world.login(43, "phone");
    assert_eq!(read_all(&mut world, &mut second), numbered(1, 5));
    let reads = feed_reads(&world);
    // 42 has seen everything, though the journal has gone on; 43 was here meanwhile, and knows where the feed ends.
    let mut first = world.login(42, "phone");
    assert_eq!(read_all(&mut world, &mut first), Vec::<String>::new());
    assert_eq!(feed_reads(&world), reads);
    said(&mut world, "g6");
    assert_eq!(texts(&mut first), ["g6"]);
}

#[test]
fn a_broken_feed_sends_everybody_back_to_the_timelines() {
    let mut world = World::new();
    create(&world, &[42, 43]);
    let mut clients = [42, 43].map(|user| world.login(user, "phone"));
    for number in 1..=9 {
        world.backend.deliver_to_feed(GROUP, &format!("g{number}"));
        if number % 3 == 2 {
            world.backend.break_feed();
        }
        if number == 4 {
            // Nobody here sees it come.
            world.backend.change_group(GROUP, &[43], &GroupChange::MembersRemoved { members: vec![43] });
            world.backend.break_feed();
        }
        world.settle();
    }
    assert_eq!(texts(&mut clients[0]), numbered(1, 9));
    assert_eq!(texts(&mut clients[1]), numbered(1, 3), "4 was not shown yet when they were removed");
}

#[test]
fn who_joins_is_given_what_comes_behind_and_who_leaves_nothing_more() {
    let mut world = World::new();
    create(&world, &[42]);
    let mut client = world.login(43, "phone");
    said(&mut world, "before");
    add(&mut world, 43);
    said(&mut world, "g1");
    world.backend.change_group(GROUP, &[43], &GroupChange::MembersRemoved { members: vec![43] });
    said(&mut world, "between");
    add(&mut world, 43);
    said(&mut world, "g2");
    assert_eq!(texts(&mut client), ["g1", "g2"]);
    let mut fresh = world.login(43, "tablet");
    assert_eq!(read_all(&mut world, &mut fresh), ["g2"], "since they joined for the last time");
    world.backend.change_group(GROUP, &[1, 42, 43], &GroupChange::Disbanded);
    said(&mut world, "after");
    assert_eq!(texts(&mut client), Vec::<String>::new());
}

#[test]
fn who_is_removed_while_the_feed_lags_is_not_given_the_rest() {
    let mut world = World::with(Config { window: 4, ..Config::default() }, 1, 0);
    create(&world, &[42]);
    let mut client = world.login(42, "phone");
    for number in 1..=10 {
        said(&mut world, &format!("g{number}"));
    }
    remove(&mut world, 42);
    assert_eq!(read_all(&mut world, &mut client), numbered(1, 3), "a quarter of the window stays free");
    add(&mut world, 42);
    said(&mut world, "again");
    assert_eq!(read_all(&mut world, &mut client), ["again"]);
}

#[test]
fn what_stands_in_the_inbox_and_in_the_feed_is_shown_once() {
    let mut world = World::new();
    world.backend.change_group(GROUP, &[], &created(false, &[42]));
    let mut live = world.login(42, "phone");
    world.backend.deliver_to_group(GROUP, &[1, 42], "normal");
    let profile = GroupProfile { is_super: true, ..GroupProfile::default() };
    world.backend.change_group(GROUP, &[1, 42], &GroupChange::Profile { profile });
    // Decided before the group became super, and written behind it.
    world.backend.deliver_to_group(GROUP, &[1, 42], "late");
    said(&mut world, "super");
    let expected = ["normal", "late", "super"];
    assert_eq!(texts(&mut live), expected);
    let mut sorted = read_all(&mut world, &mut live);
    assert_eq!(sorted, Vec::<String>::new());
    live.end.cut();
    let mut fresh = world.login(42, "web");
    sorted.extend(read_all(&mut world, &mut fresh));
    assert_eq!(sorted, expected);
}

#[test]
fn nothing_is_shown_before_it_is_known_what_the_user_follows() {
    let mut world = World::new();
    create(&world, &[42]);
    said(&mut world, "g1");
    world.backend.lock().failing_feeds = 2;
    let mut client = world.login(42, "phone");
    world.backend.deliver(42, "p1");
    said(&mut world, "g2");
    world.pass(Duration::from_millis(1_999));
    assert_eq!(texts(&mut client), Vec::<String>::new());
    world.pass(Duration::from_millis(1));
    assert_eq!(texts(&mut client), ["p1", "g1", "g2"]);
}

#[test]
fn a_change_that_comes_while_it_is_asked_is_not_missed() {
    let mut world = World::new();
    create(&world, &[42]);
    world.backend.lock().gate = Some(Vec::new());
    let mut client = world.tcp();
    client.auth(43, "phone");
    world.settle();
    world.backend.release();
    world.settle();
    assert_eq!(world.backend.lock().feeds_asked.len(), 1);
    let joined = world.backend.change_group(GROUP, &[43], &GroupChange::MembersAdded { members: vec![43] });
    said(&mut world, "g1");
    assert_eq!(world.backend.lock().feeds_asked.last(), Some(&(UserId(43), joined)), "asked again");
    for _ in 0..8 {
        world.backend.release();
        world.settle();
    }
    world.backend.lock().gate = None;
    said(&mut world, "g2");
    assert_eq!(read_all(&mut world, &mut client), ["g1", "g2"]);
}

#[test]
fn five_thousand_members_are_given_an_entry_without_a_read() {
    let mut world = World::new();
    let members: Vec<i64> = (100..5_100).collect();
    create(&world, &members);
    let mut clients: Vec<Client> = members.iter().map(|user| world.login(*user, "")).collect();
    world.backend.lock().reads.clear();
    for number in 1..=3 {
        said(&mut world, &format!("g{number}"));
    }
    for client in &mut clients {
        assert_eq!(texts(client), numbered(1, 3));
    }
    assert_eq!(world.backend.lock().reads, []);
    // They go, all of them.
    for client in &clients {
        client.end.cut();
    }
    world.settle();
    assert_eq!(world.metrics.sessions.get(), 0);
}

#[test]
fn a_cursor_that_lags_in_a_feed_says_so_while_the_session_is_still_there() {
    let mut world = World::with(Config { window: 4, ..Config::default() }, 1, 0);
    create(&world, &[42]);
    let client = world.login(42, "phone");
    for number in 1..=5 {
        said(&mut world, &format!("g{number}"));
    }
    world.backend.deliver(42, "private");
    world.settle();
    // In one order until g4, which found the window full but for the part that is not for feeds.
    for push in [1, 2, 3, 4] {
        client.ack(push);
    }
    world.settle();
    world.pass(Duration::from_secs(5));
    let state = world.backend.lock();
    let cursor = state.cursor_saves.last().expect("saved");
    let g3 = SyncKey::from_raw(4).expect("positive");
    assert_eq!((cursor.position.raw(), &cursor.lagging[..]), (7, &[(GroupId(GROUP), g3)][..]));
}
