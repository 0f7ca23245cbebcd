//! The bus is full, the server ends, too many come: what waits, what is refused, what is counted (promises 5 and 6).

mod common;

use std::time::Duration;

use common::{World, client, frame};
use halley_comet::{Config, DrainReport};
use halley_core::clock::Clock;
use halley_core::ports::gateways::Gateways;

#[test]
fn a_full_bus_pauses_the_sender_alone_and_everything_goes_on_in_order() {
    let mut world = World::new();
    let mut sender = world.login(7, "");
    let mut other = world.login(8, "");
    world.backend.lock().inbound_max = 2;
    for seq in 1..=20 {
        sender.message(seq, 9, &format!("m{seq}"));
    }
    sender.send(3, 99, 0, &[]);
    world.sim.settle();
    assert_eq!(world.backend.lock().inbound.len(), 2);
    assert_eq!(sender.frames(), [], "the heartbeat waits behind the messages");
    // More input stays in the socket.
    sender.end.write(&frame(3, 100, 0, &[]));
    world.sim.settle();
    assert_eq!(sender.end.unread(), 20);
    other.send(3, 1, 0, &[]);
    world.sim.settle();
    assert_eq!(other.frames().len(), 1, "others are not affected");
    let mut order = Vec::new();
    for _ in 0..30 {
        let taken: Vec<_> = world.backend.lock().inbound.drain(..).collect();
        order
            .extend(taken.iter().map(|command| String::from_utf8_lossy(&command.content.bytes).into_owned()));
        world.clock.advance(Duration::from_millis(5));
        world.sim.settle();
    }
    let expected: Vec<String> = (1..=20).map(|seq| format!("m{seq}")).collect();
    assert_eq!(order, expected);
    let seqs: Vec<i32> = sender.frames().iter().map(|frame| frame.header.seq).collect();
    assert_eq!(seqs, [99, 100]);
}

#[test]
fn many_paused_senders_get_their_turns_and_lose_nothing() {
    let mut world = World::with(Config::default(), 1, 3);
    let senders: Vec<_> = (1..=30).map(|user| world.login(user, "")).collect();
    world.backend.lock().inbound_max = 3;
    for (user, sender) in (1..).zip(&senders) {
        for seq in 0..10 {
            sender.message(seq, 99, &format!("{user}-{seq}"));
        }
    }
    let mut seen = std::collections::HashMap::<i64, Vec<String>>::new();
    for _ in 0..400 {
        world.sim.settle();
        for command in world.backend.lock().inbound.drain(..) {
            let text = String::from_utf8_lossy(&command.content.bytes).into_owned();
            seen.entry(command.from.0).or_default().push(text);
        }
        world.clock.advance(Duration::from_millis(5));
    }
    for user in 1..=30 {
        let expected: Vec<String> = (0..10).map(|seq| format!("{user}-{seq}")).collect();
        assert_eq!(seen[&user], expected);
    }
}

#[test]
fn a_bus_that_is_closed_closes_the_sender() {
    let mut world = World::new();
    let sender = world.login(7, "");
    world.backend.lock().closed = true;
    sender.message(1, 8, "hi");
    world.settle();
    assert!(sender.end.is_closed());
    assert_eq!(world.metrics.closes.shutdown.get(), 1);
}

#[test]
fn a_sender_that_goes_while_it_is_paused_is_forgotten() {
    let mut world = World::new();
    let sender = world.login(7, "");
    world.backend.lock().inbound_max = 0;
    sender.message(1, 8, "hi");
    world.sim.settle();
    sender.end.cut();
    world.sim.settle();
    assert!(sender.end.is_closed());
    world.backend.lock().inbound_max = 10;
    world.pass(Duration::from_secs(1));
    assert_eq!(world.metrics.sessions.get(), 0);
    assert!(world.backend.lock().log.is_empty());
}

#[test]
fn a_drain_answers_what_was_taken_saves_cursors_and_closes_everything_cleanly() {
    let mut world = World::with(Config::default(), 4, 9);
    let mut clients: Vec<_> = (1..=20).map(|user| world.login(user, "phone")).collect();
    let stranger = world.tcp_to(2);
    for (user, client) in (1..).zip(&clients) {
        client.message(5, user % 20 + 1, "last words");
    }
    world.sim.settle();
    let gateway = world.sim.gateway();
    let backend = world.backend.clone();
    let deadline = world.clock.now().mono + Duration::from_secs(5);
    let report = world.sim.drain(deadline, || {
        backend.answer(|to, outcome| {
            gateway.reply(to, outcome);
        });
    });
    let clean = DrainReport { clean: 21, forced: 0 };
    assert_eq!(report, clean);
    for client in &mut clients {
        let ops: Vec<i32> = client.frames().iter().map(|frame| frame.header.op.0).collect();
        assert_eq!(ops, [8], "what was taken is answered");
        assert!(client.end.is_closed());
    }
    assert!(stranger.end.is_closed());
    assert_eq!(world.backend.lock().offline.len(), 20);
    assert_eq!(world.metrics.connections.get(), 0);
}

#[test]
fn a_drain_cuts_who_does_not_read_at_the_deadline() {
    let mut world = World::new();
    let (stuck, fine) = (world.login(7, "phone"), world.login(8, "phone"));
    stuck.end.set_room(0);
    stuck.send(3, 1, 0, &[]);
    world.settle();
    let begin = world.clock.passed();
    let deadline = world.clock.now().mono + Duration::from_secs(5);
    let report = world.sim.drain(deadline, || {});
    let expected = DrainReport { clean: 1, forced: 1 };
    assert_eq!(report, expected);
    assert_eq!(world.clock.passed() - begin, Duration::from_secs(5));
    assert!(stuck.end.is_closed() && fine.end.is_closed());
}

#[test]
fn connections_over_the_limit_are_closed_and_counted() {
    let config = Config { connections_max: 2, ..Config::default() };
    let mut world = World::with(config, 1, 0);
    let (first, _second, third) = (world.tcp(), world.tcp(), world.tcp());
    world.settle();
    assert!(third.end.is_closed());
    assert_eq!(world.metrics.closes.connection_limit.get(), 1);
    first.end.cut();
    world.settle();
    let mut next = world.login(5, "");
    assert_eq!(next.frames(), []);
}

#[test]
fn a_chatty_peer_does_not_starve_others() {
    let mut world = World::new();
    let chatty = world.login(7, "");
    let mut quiet = world.login(8, "");
    chatty.end.set_room(usize::MAX);
    let heartbeats = frame(3, 1, 0, &[]).repeat(50_000);
    chatty.end.write(&heartbeats);
    quiet.send(3, 2, 0, &[]);
    world.sim.turn();
    assert_eq!(quiet.frames().len(), 1, "in the first turn");
    assert!(chatty.end.unread() > 500_000);
    world.settle();
    assert_eq!(chatty.end.unread(), 0);
    assert_eq!(chatty.end.read().len(), 50_000 * 24);
}

#[test]
fn everything_that_was_counted_adds_up() {
    let mut world = World::with(Config::default(), 4, 11);
    let mut clients: Vec<_> = (1..=10).map(|user| world.login(user, "phone")).collect();
    for round in 0..20 {
        for (user, client) in (1..).zip(&clients) {
            client.message(round, (user + i64::from(round)) % 10 + 1, "x");
        }
        world.settle();
    }
    let (mut outcomes, mut pushes) = (0, 0);
    for client in &mut clients {
        let frames = client.frames();
        outcomes += frames.iter().filter(|frame| frame.header.op.0 == 8).count();
        for (seq, _) in client::pushes_of(&frames) {
            client.ack(seq);
            pushes += 1;
        }
    }
    while {
        world.settle();
        let mut more = false;
        for client in &mut clients {
            for (seq, _) in client.pushes() {
                client.ack(seq);
                pushes += 1;
                more = true;
            }
        }
        more
    } {}
    assert_eq!(outcomes, 200);
    assert_eq!(world.metrics.pushes.get(), pushes);
    assert_eq!(world.metrics.push_acks.get(), pushes);
    assert_eq!(world.metrics.resends.get(), 0);
    for (reason, count) in world.metrics.drops.values() {
        assert_eq!(count, 0, "{reason}");
    }
}
