//! A session that is behind: slow readers, broken feeds, failing reads (design sections 1 and 5). A failure means that
//! a client misses an entry, sees one out of order, or costs memory without bound.

mod common;

use std::time::Duration;

use common::{Client, World, client};
use halley_comet::Config;

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

#[test]
fn a_reader_that_stopped_gets_five_thousand_entries_in_order_once_it_reads_again() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    client.end.set_room(1_000);
    for count in 0..5_000 {
        world.backend.deliver(42, &format!("m{count}"));
        if count % 100 == 0 {
            world.settle();
        }
    }
    world.settle();
    assert!(world.metrics.pushes.get() <= 64, "a window is pushed, the rest waits in the timeline");
    assert_eq!(world.metrics.sessions_behind.get(), 1);
    client.end.set_room(64 << 10);
    let all = read_all(&mut world, &mut client);
    let expected: Vec<String> = (0..5_000).map(|count| format!("m{count}")).collect();
    assert_eq!(all, expected);
    // And it is live again.
    let reads = world.backend.lock().reads.len();
    world.backend.deliver(42, "after");
    world.settle();
    assert_eq!(texts(&mut client), ["after"]);
    assert_eq!(world.backend.lock().reads.len(), reads);
}

#[test]
fn a_reader_that_never_reads_again_is_closed_and_others_do_not_notice() {
    let mut world = World::new();
    let mut stuck = world.login(42, "phone");
    let mut other = world.login(43, "phone");
    stuck.end.set_room(0);
    for _ in 0..100 {
        world.backend.deliver(42, "m");
        world.backend.deliver(43, "m");
    }
    assert_eq!(read_all(&mut world, &mut other).len(), 100);
    world.pass(Duration::from_millis(29_999));
    assert!(!stuck.end.is_closed());
    world.pass(Duration::from_millis(1));
    assert!(stuck.end.is_closed(), "30 s without progress");
    assert_eq!(world.metrics.closes.write_timeout.get(), 1);
    assert!(!other.end.is_closed());
    let mut again = world.login(42, "phone");
    assert_eq!(read_all(&mut world, &mut again).len(), 100, "nothing is lost");
    stuck.frames();
}

#[test]
fn large_entries_stop_at_the_byte_bound_and_go_on_behind_it() {
    let mut world = World::new();
    let mut client = world.login(42, "phone");
    client.end.set_room(0);
    let text = "x".repeat(16_000);
    for count in 0..200 {
        world.backend.deliver(42, &format!("{count}{text}"));
    }
    world.settle();
    assert!(world.metrics.pushes.get() <= 17, "256 KiB: {}", world.metrics.pushes.get());
    client.end.set_room(64 << 10);
    let all = read_all(&mut world, &mut client);
    assert_eq!(all.len(), 200);
    for (count, text) in all.iter().enumerate() {
        assert!(text.starts_with(&format!("{count}x")));
    }
}

#[test]
fn answers_for_a_client_that_does_not_read_end_it_at_their_bound() {
    let mut world = World::new();
    let client = world.login(42, "");
    client.end.set_room(0);
    let body = vec![7; 16_000];
    for count in 0..70 {
        client.send(14, count, 0, &body);
    }
    world.settle();
    assert!(client.end.is_closed());
    assert_eq!(world.metrics.closes.write_overflow.get(), 1);
}

#[test]
fn a_broken_feed_sends_everybody_back_to_the_timeline_and_nothing_is_missing() {
    let mut world = World::new();
    let mut clients: Vec<Client> = (1..=5).map(|user| world.login(user, "phone")).collect();
    for round in 0..10 {
        for user in 1..=5 {
            world.backend.deliver(user, &format!("m{round}"));
        }
        if round % 3 == 1 {
            world.backend.break_feed();
        }
        world.settle();
    }
    for client in &mut clients {
        let expected: Vec<String> = (0..10).map(|round| format!("m{round}")).collect();
        assert_eq!(texts(client), expected);
    }
}

#[test]
fn entries_that_arrive_while_a_read_is_under_way_are_neither_lost_nor_doubled() {
    let mut world = World::new();
    world.backend.deliver(42, "m0");
    world.backend.lock().gate = Some(Vec::new());
    let mut client = world.tcp();
    client.auth(42, "phone");
    world.settle();
    world.backend.release();
    world.settle();
    for count in 1..=5 {
        world.backend.deliver(42, &format!("m{count}"));
        world.settle();
        world.backend.release();
        world.settle();
    }
    world.backend.lock().gate = None;
    world.backend.deliver(42, "m6");
    world.settle();
    let all = texts(&mut client);
    let expected: Vec<String> = (0..=6).map(|count| format!("m{count}")).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_busy_feed_of_others_does_not_keep_a_session_behind() {
    let mut world = World::new();
    let mut other = world.login(43, "phone");
    world.backend.lock().gate = Some(Vec::new());
    let mut client = world.tcp();
    client.auth(42, "phone");
    world.settle();
    world.backend.release();
    world.settle();
    for _ in 0..10 {
        world.backend.deliver(43, "other");
    }
    world.settle();
    world.backend.release();
    world.settle();
    let reads = world.backend.lock().reads.len();
    world.backend.deliver(42, "mine");
    world.settle();
    assert_eq!(texts(&mut client), ["mine"]);
    assert_eq!(world.backend.lock().reads.len(), reads, "live after one read");
    assert_eq!(texts(&mut other).len(), 10);
}

#[test]
fn a_read_that_fails_is_tried_again_after_a_second() {
    let mut world = World::new();
    world.backend.deliver(42, "m1");
    world.backend.lock().failing_reads = 2;
    let mut client = world.login(42, "phone");
    assert_eq!(texts(&mut client), Vec::<String>::new());
    world.pass(Duration::from_millis(1_999));
    assert_eq!(texts(&mut client), Vec::<String>::new());
    world.pass(Duration::from_millis(1));
    assert_eq!(texts(&mut client), ["m1"]);
}

#[test]
fn a_read_that_ends_after_its_session_touches_nobody() {
    let mut world = World::new();
    world.backend.deliver(42, "secret");
    world.backend.lock().gate = Some(Vec::new());
    let gone = world.tcp();
    gone.auth(42, "phone");
    world.settle();
    world.backend.release();
    world.settle();
    gone.end.cut();
    world.settle();
    let mut next = world.tcp();
    next.auth(43, "phone");
    world.settle();
    for _ in 0..5 {
        world.backend.release();
        world.settle();
    }
    assert_eq!(texts(&mut next), Vec::<String>::new());
}

#[test]
fn a_small_window_and_torn_writes_deliver_everything_once_and_in_order() {
    for seed in 1..=20 {
        let config = Config { window: 1 + seed as usize % 7, ..Config::default() };
        let mut world = World::with(config, 1, seed);
        let mut client = world.login(42, "phone");
        for count in 0..200u64 {
            world.backend.deliver(42, &format!("m{count}"));
            if count % 7 == 0 {
                world.sim.turn();
            }
            if count % 31 == seed {
                world.backend.break_feed();
            }
        }
        let all = read_all(&mut world, &mut client);
        let expected: Vec<String> = (0..200).map(|count| format!("m{count}")).collect();
        assert_eq!(all, expected, "seed {seed}");
        assert_eq!(client::pushes_of(&client.frames()), []);
    }
}
