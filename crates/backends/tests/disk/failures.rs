//! A disk that fails or is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use halley_backends::disk::journal::Stepped;
use halley_core::ports::journal::{AppendRefused, Journal};
use halley_core::ticket::JournalLost;

use crate::common::{Place, World, inbox, message};

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    static LOST: AtomicUsize = AtomicUsize::new(0);
    let mut world = World::disk();
    world.send(message(1, 1, 2, b"fine"));
    world.open.take().expect("open").close().expect("closes");
    world.tune = |options| {
        options.fault = Some("sync:6:eio".parse().expect("a fault"));
        options.on_lost = Box::new(|| {
            LOST.fetch_add(1, Ordering::Relaxed);
        });
    };
    world.open();
    let mut id = 1;
    let lost = loop {
        id += 1;
        assert!(id < 1_000, "the fault never comes");
        let tickets: Vec<_> = (0..5)
            .filter_map(|_| world.parts().journal.append(&Arc::new(message(id, 1, 2, b"x"))).ok())
            .collect();
        let results: Vec<_> = tickets.into_iter().map(|ticket| world.wait(ticket)).collect();
        if let Some(first) = results.iter().position(Result::is_err) {
            assert!(results[first..].iter().all(|result| *result == Err(JournalLost)));
            break results[first];
        }
    };
    assert_eq!(lost, Err(JournalLost));
    assert!(world.parts().journal.is_lost());
    let refused = world.parts().journal.append(&Arc::new(message(id + 1, 1, 2, b"x"))).expect_err("refused");
    assert_eq!(refused, AppendRefused::Lost(JournalLost));
    assert_eq!(world.parts().journal.durable_end(), Err(JournalLost));
    world.open.take().expect("open").close().expect_err("not everything is durable");
    assert_eq!(LOST.load(Ordering::Relaxed), 1);
    world.tune = |_| {};
    world.open();
    world.follow(100);
    assert_eq!(world.ids(inbox(1))[0], 1, "what was acknowledged is there");
}

#[test]
fn a_full_disk_refuses_then_goes_on_and_loses_nothing() {
    let mut world = World::simulated();
    world.send(message(1, 1, 2, b"fine"));
    let Place::Simulated(disk) = &world.place else { panic!("simulated") };
    let disk = disk.clone();
    disk.set_space_left(Some(0));
    let mut flying = Vec::new();
    let mut id = 1;
    let until = 'full: loop {
        for _ in 0..10 {
            id += 1;
            flying.push((id, world.append(message(id, 1, 2, &[1; 5_000]))));
        }
        world.now += Duration::from_millis(1);
        let now = world.now;
        match world.open.as_mut().expect("open").step(now) {
            Stepped::NoSpace { until } => break 'full until,
            stepped => assert!(matches!(stepped, Stepped::Committed { .. }), "{stepped:?}"),
        }
        assert!(id < 10_000, "never full");
    };
    let refused = world.parts().journal.append(&Arc::new(message(99_999, 1, 2, b"x"))).expect_err("refused");
    assert_eq!(refused, AppendRefused::DiskFull);
    world.now = until;
    let stepped = world.open.as_mut().expect("open").step(until);
    assert!(matches!(stepped, Stepped::NoSpace { .. }), "{stepped:?}");
    world.follow(100);
    assert_eq!(world.ids(inbox(2))[0], 1, "reads go on");

    disk.set_space_left(None);
    for (_, ticket) in &flying {
        world.wait(ticket.clone()).expect("durable in the end");
    }
    id += 1;
    world.send(message(id, 1, 2, b"accepted again"));
    world.follow(100);
    assert_eq!(world.ids(inbox(2)), (1..=id).collect::<Vec<_>>());
    world.reopen();
    world.follow(100);
    assert_eq!(world.ids(inbox(2)), (1..=id).collect::<Vec<_>>());
}

#[test]
fn an_enospc_in_the_middle_of_a_write_is_tried_again() {
    let mut world = World::disk();
    world.open.take().expect("open").close().expect("closes");
    world.tune = |options| options.fault = Some("write:9:enospc".parse().expect("a fault"));
    world.open();
    let mut sent = 0;
    for _ in 0..50 {
        sent += 1;
        while world.parts().journal.append(&Arc::new(message(sent, 1, 2, b"x"))).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    sent += 1;
    let ticket = world.append(message(sent, 1, 2, b"x"));
    world.wait(ticket).expect("durable");
    world.tune = |_| {};
    world.reopen();
    world.follow(100);
    assert_eq!(world.ids(inbox(2)), (1..=sent).collect::<Vec<_>>());
    assert_eq!(world.parts().index.watermark().seq.0, sent.unsigned_abs());
}
