//! Limits per address, app and user. A failure means that one of them can take everybody's room, or that somebody is
//! refused who has some.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Client, World};
use halley_comet::Config;
use halley_comet::driver::sim::SimClient;
use halley_core::ids::BucketId;
use halley_core::session::Transport;

fn connect(world: &mut World, bucket: u16, from: &str) -> SimClient {
    let from: SocketAddr = from.parse().expect("is an address");
    world.sim.connect_from(BucketId(bucket), Transport::TxchatTcp, from)
}

#[test]
fn an_address_has_so_many_connections_over_all_buckets_and_gets_them_back() {
    let mut world = World::with(Config { connections_per_address: 3, ..Config::default() }, 4, 1);
    // An IPv4 client of an IPv6 listener is the same client.
    let from = ["192.0.2.7:1", "[::ffff:192.0.2.7]:2", "192.0.2.7:3"];
    let ends: Vec<_> = (0..).zip(from).map(|(bucket, from)| connect(&mut world, bucket, from)).collect();
    let over = connect(&mut world, 3, "192.0.2.7:4");
    let other = connect(&mut world, 3, "192.0.2.8:1");
    world.settle();
    assert!(over.is_closed() && !other.is_closed());
    assert!(ends.iter().all(|end| !end.is_closed()));
    assert_eq!(world.metrics.closes.address_limit.get(), 1);
    // One of them logs in and moves to another bucket: it is still counted once.
    let moved = Client::tcp(ends[0].clone());
    moved.auth(5, "phone");
    world.settle();
    assert!(
        connect(&mut world, 0, "192.0.2.7:5").is_closed() || world.metrics.closes.address_limit.get() == 2
    );
    world.settle();
    for end in &ends {
        end.cut();
    }
    world.settle();
    let again: Vec<_> = (0..3).map(|bucket| connect(&mut world, bucket, "192.0.2.7:9")).collect();
    world.settle();
    assert!(again.iter().all(|end| !end.is_closed()));
    assert_eq!(world.metrics.closes.address_limit.get(), 2);
}

#[test]
fn an_ipv6_network_is_one_address() {
    let mut world = World::with(Config { connections_per_address: 2, ..Config::default() }, 1, 0);
    let from = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8:0:1::1]:1"];
    let closed: Vec<bool> =
        from.map(|from| connect(&mut world, 0, from)).iter().map(SimClient::is_closed).collect();
    assert_eq!(closed, [false, false, true, false]);
}

#[test]
fn by_default_nobody_is_limited_by_address() {
    let mut world = World::new();
    let ends: Vec<_> = (0..3_000).map(|_| connect(&mut world, 0, "127.0.0.1:5")).collect();
    world.settle();
    assert!(ends.iter().all(|end| !end.is_closed()));
}

#[test]
fn with_one_session_too_many_the_oldest_is_closed() {
    let mut world = World::with(Config { sessions_per_user: 3, ..Config::default() }, 1, 0);
    let mut sessions = Vec::new();
    for index in 0..5 {
        sessions.push(world.login(7, &format!("device-{index}")));
        world.clock.advance(Duration::from_millis(index));
    }
    let closed: Vec<bool> = sessions.iter().map(|session| session.end.is_closed()).collect();
    assert_eq!(closed, [true, true, false, false, false]);
    assert_eq!(world.metrics.closes.session_limit.get(), 2);
    assert_eq!(world.metrics.sessions.get(), 3);
    // Others are not counted with them, and the place of one that went is free.
    world.login(8, "other");
    sessions[2].end.cut();
    world.settle();
    world.login(7, "again");
    assert_eq!(world.metrics.closes.session_limit.get(), 2);
}

#[test]
fn a_hundred_sessions_of_one_user_fit_by_default() {
    let mut world = World::new();
    let sessions: Vec<_> = (0..101).map(|index| world.login(7, &format!("device-{index}"))).collect();
    assert!(sessions[0].end.is_closed());
    assert!(sessions[1..].iter().all(|session| !session.end.is_closed()));
}

#[test]
fn a_login_of_an_app_that_is_full_is_refused() {
    let mut world = World::with(Config { connections_per_app: 2, ..Config::default() }, 4, 5);
    let mut users = (1..).map(|user| (user, world_client(user)));
    let mut login = |world: &mut World| {
        let (user, device) = users.next().expect("endless");
        let mut client = world.tcp_to(u16::try_from(user % 4).expect("is small"));
        client.auth(user, &device);
        world.settle();
        let ops: Vec<i32> = client.frames().iter().map(|frame| frame.header.op.0).collect();
        (client, ops)
    };
    let (first, ops) = login(&mut world);
    assert_eq!(ops, [2]);
    let (_second, ops) = login(&mut world);
    assert_eq!(ops, [2]);
    for _ in 0..3 {
        let (refused, ops) = login(&mut world);
        assert!(refused.end.is_closed() && ops.is_empty(), "closed without a reply, as any refused login");
    }
    assert_eq!(world.metrics.closes.app_limit.get(), 3);
    first.end.cut();
    world.settle();
    let (_third, ops) = login(&mut world);
    assert_eq!(ops, [2], "there is room again");
    assert_eq!(world.metrics.closes.app_limit.get(), 3);
}

fn world_client(user: i64) -> String {
    format!("device-of-{user}")
}
