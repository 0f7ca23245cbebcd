//! [`Journal`]: order, tickets, durability over reopen, refusals.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use halley_core::key::SyncKey;
use halley_core::ports::journal::{AppendRefused, Journal};

use crate::common::{World, inbox, message, seq};
use crate::in_both_worlds;

in_both_worlds! {
    keys_increase_in_the_order_of_appends,
    what_is_durable_is_there_after_a_reopen,
    a_full_tail_refuses_until_the_index_moves,
    a_record_that_is_too_large_is_refused,
    a_closed_journal_takes_nothing,
    the_tail_has_a_record_before_its_ticket_is_ready,
}

fn keys_increase_in_the_order_of_appends(world: &mut World) {
    let tickets: Vec<_> = (1..=300).map(|id| world.append(message(id, 1, 2, b"hello"))).collect();
    let mut last = SyncKey::START;
    for ticket in tickets {
        let key = world.wait(ticket).expect("durable");
        assert!(key > last);
        last = key;
    }
    assert_eq!(world.parts().journal.durable_end(), Ok(last));
    let records = world.parts().tail.read_after(seq(0), 1_000).expect("all there");
    let ids: Vec<_> = records.iter().map(|record| record.entry.record.message.id.0).collect();
    assert_eq!(ids, (1..=300).collect::<Vec<_>>());
}

fn what_is_durable_is_there_after_a_reopen(world: &mut World) {
    let keys: Vec<_> = (1..=50).map(|id| world.send(message(id, 1, 2, b"hello"))).collect();
    world.reopen();
    assert_eq!(world.parts().journal.durable_end(), Ok(keys[49]), "the key is known");
    assert_eq!(world.parts().recovery.newest_id.map(|id| id.0), Some(50));
    let tail = world.parts().tail.timeline_after(inbox(2), SyncKey::START, 100);
    assert_eq!(tail.entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), keys);
    world.follow(7);
    assert_eq!(world.ids(inbox(2)), (1..=50).collect::<Vec<_>>());
    let next = world.send(message(51, 1, 2, b"hello"));
    assert!(next > keys[49]);
    world.reopen();
    world.follow(1_000);
    assert_eq!(world.ids(inbox(1)), (1..=51).collect::<Vec<_>>());
}

fn a_full_tail_refuses_until_the_index_moves(world: &mut World) {
    world.tune = |options| options.tail.bytes_max = 40_000;
    world.reopen();
    let mut sent = 0;
    let refused = loop {
        match world.parts().journal.append(&Arc::new(message(sent + 1, 1, 2, &[7; 500]))) {
            Ok(ticket) => {
                sent += 1;
                world.wait(ticket).expect("durable");
            }
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, AppendRefused::Full);
    assert!((20..80).contains(&sent), "{sent} fit");
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(world.parts().journal.poll_ready(&mut context), Poll::Pending);
    let (woken, waker) = flag();
    let mut context = Context::from_waker(&waker);
    assert_eq!(world.parts().journal.poll_ready(&mut context), Poll::Pending);
    world.follow(1_000);
    assert!(woken.is_set(), "who waits is woken");
    assert_eq!(world.parts().journal.poll_ready(&mut context), Poll::Ready(()));
    world.send(message(sent + 1, 1, 2, b"again"));
    world.follow(1_000);
    assert_eq!(world.parts().index.watermark().seq.0, (sent + 1).unsigned_abs());
}

fn a_record_that_is_too_large_is_refused(world: &mut World) {
    let huge = Arc::new(message(1, 1, 2, &vec![0; 2 << 20]));
    assert_eq!(world.parts().journal.append(&huge).expect_err("refused"), AppendRefused::TooLarge);
    world.send(message(2, 1, 2, b"small"));
}

fn a_closed_journal_takes_nothing(world: &mut World) {
    let journal = Arc::clone(&world.parts().journal);
    let ticket = world.append(message(1, 1, 2, b"in time"));
    world.open.take().expect("open").close().expect("closes");
    world.wait(ticket).expect("what was taken is durable");
    let refused = journal.append(&Arc::new(message(2, 1, 2, b"late"))).expect_err("refused");
    assert!(matches!(refused, AppendRefused::Lost(_)));
    drop(journal);
    world.open();
    assert_eq!(world.parts().recovery.log.next_seq.get(), 2);
    assert!(world.parts().recovery.log.is_clean);
}

fn the_tail_has_a_record_before_its_ticket_is_ready(world: &mut World) {
    for id in 1..=100 {
        let key = world.send(message(id, 1, 2, b"hello"));
        assert!(world.parts().tail.last().1 >= key);
    }
}

struct Flag(std::sync::atomic::AtomicBool);

impl Flag {
    fn is_set(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

fn flag() -> (Arc<Flag>, Waker) {
    let flag = Arc::new(Flag(false.into()));
    (Arc::clone(&flag), flag.into())
}
