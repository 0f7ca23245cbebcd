//! [`Bus`]: order, bound, close.

use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use halley_backends::memory::MemoryBus;
use halley_core::command::{InboundSend, ReplyTo, SendCommand, Target};
use halley_core::ids::{BucketId, MsgId, NodeId, UserId};
use halley_core::message::Content;
use halley_core::ports::bus::{Bus, BusReader, BusRefused};

use crate::common::APP;

fn send(id: i64) -> InboundSend {
    InboundSend {
        id: MsgId(id),
        time_ms: 0,
        taken_at: Instant::now(),
        command: SendCommand {
            app: APP,
            from: UserId(1),
            target: Target::NoGroup,
            content: Content::default(),
            ext: Bytes::new(),
            client_id: Bytes::new(),
            device: Bytes::new(),
            reply_to: ReplyTo::Call(NodeId(0), 0),
        },
    }
}

fn take(reader: &mut impl BusReader, max: usize) -> Poll<(bool, Vec<i64>)> {
    let mut into = Vec::new();
    let more = reader.poll_batch(&mut into, max, &mut Context::from_waker(Waker::noop()));
    more.map(|more| (more, into.iter().map(|send| send.id.0).collect()))
}

#[test]
fn sends_come_in_order_and_partitions_are_apart() {
    let (bus, mut readers) = MemoryBus::new(2, 100);
    for id in 1..=10 {
        bus.publish(BucketId(u16::from(id % 2 == 1)), send(id)).expect("room");
    }
    assert_eq!(take(&mut readers[0], 3), Poll::Ready((true, vec![2, 4, 6])));
    assert_eq!(take(&mut readers[0], 3), Poll::Ready((true, vec![8, 10])));
    assert_eq!(take(&mut readers[0], 3), Poll::Pending);
    assert_eq!(take(&mut readers[1], 99), Poll::Ready((true, vec![1, 3, 5, 7, 9])));
}

#[test]
fn a_full_partition_gives_the_send_back_and_takes_it_when_there_is_room() {
    let (bus, mut readers) = MemoryBus::new(1, 2);
    bus.publish(BucketId(0), send(1)).expect("room");
    bus.publish(BucketId(0), send(2)).expect("room");
    let Err(BusRefused::Full(back)) = bus.publish(BucketId(0), send(3)) else {
        panic!("full");
    };
    assert_eq!(back.id, MsgId(3));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(bus.poll_ready(BucketId(0), &mut context), Poll::Pending);
    assert_eq!(take(&mut readers[0], 1), Poll::Ready((true, vec![1])));
    assert_eq!(bus.poll_ready(BucketId(0), &mut context), Poll::Ready(()));
    bus.publish(BucketId(0), *back).expect("room");
    assert_eq!(take(&mut readers[0], 9), Poll::Ready((true, vec![2, 3])));
}

#[test]
fn a_closed_bus_gives_what_it_has_then_its_end() {
    let (bus, mut readers) = MemoryBus::new(1, 9);
    bus.publish(BucketId(0), send(1)).expect("room");
    bus.close();
    assert!(matches!(bus.publish(BucketId(0), send(2)), Err(BusRefused::Closed(_))));
    assert_eq!(take(&mut readers[0], 9), Poll::Ready((true, vec![1])));
    assert_eq!(take(&mut readers[0], 9), Poll::Ready((false, vec![])));
    drop(readers);
    assert!(matches!(bus.publish(BucketId(0), send(3)), Err(BusRefused::Closed(_))));
    assert!(matches!(bus.publish(BucketId(5), send(3)), Err(BusRefused::Closed(_))), "no such partition");
}
