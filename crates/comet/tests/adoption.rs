//! A connection is accepted anywhere and lives in its user's bucket (design section 6). A failure means that bytes of
//! a client are lost, doubled or reordered when it moves.

mod common;

use common::{Client, World, client, frame};
use halley_comet::Config;
use halley_core::ids::{BucketId, UserId};
use halley_core::placement::bucket_of;

/// A user of this bucket among four.
fn user_of(bucket: u16) -> i64 {
    let here = |user: &i64| bucket_of(common::APP, UserId(*user), 4) == BucketId(bucket);
    (1..).find(here).expect("users are spread")
}

fn world() -> World {
    World::with(Config::default(), 4, 7)
}

#[test]
fn a_login_moves_to_its_users_bucket_and_is_answered_from_there() {
    for (from, to) in [(0, 0), (0, 3), (2, 1)] {
        let mut world = world();
        let mut client = world.tcp_to(from);
        client.auth(user_of(to), "phone");
        world.settle();
        assert_eq!(client.frames().len(), 1);
        let addr = world.backend.lock().online[0].addr;
        assert_eq!(addr.bucket, BucketId(to));
        let mut expected = vec![0; 4];
        expected[usize::from(to)] = 1;
        assert_eq!(world.sim.connections(), expected);
        assert_eq!(world.sim.gateway().connections(), 1);
        assert_eq!(world.metrics.connections.get(), 1);
    }
}

#[test]
fn pipelined_bytes_survive_the_move_wherever_they_are_cut() {
    let user = user_of(3);
    let mut bytes = frame(1, 1, 0, &client::auth_body(&user.to_string(), "phone"));
    for seq in 2..5 {
        bytes.extend(frame(7, seq, 0, &client::send_body("1", &format!("c-{seq}"), "hello")));
    }
    bytes.extend(frame(3, 9, 0, &[]));
    for cut in 0..=bytes.len() {
        let mut world = world();
        let mut client = world.tcp_to(0);
        client.end.write(&bytes[..cut]);
        // A turn only, so that the rest comes at every stage of the move.
        for _ in 0..cut % 5 {
            world.sim.turn();
        }
        client.end.write(&bytes[cut..]);
        world.settle();
        let frames = client.frames();
        let answers: Vec<(i32, i32)> =
            frames.iter().map(|frame| (frame.header.op.0, frame.header.seq)).collect();
        assert_eq!(answers.first(), Some(&(2, 1)), "cut at {cut}");
        assert!(answers.contains(&(4, 9)), "cut at {cut}");
        let sent: Vec<i32> = answers.iter().filter(|(op, _)| *op == 8).map(|(_, seq)| *seq).collect();
        assert_eq!(sent, [2, 3, 4], "cut at {cut}");
        assert_eq!(client::pushes_of(&frames).len(), 3, "cut at {cut}");
    }
}

#[test]
fn a_web_socket_moves_with_the_state_of_its_decoder() {
    let user = user_of(2);
    let mut bytes = client::UPGRADE.to_vec();
    bytes.extend(client::masked(2, &frame(1, 1, 0, &client::auth_body(&user.to_string(), ""))));
    // The heartbeat comes in two fragments.
    let heartbeat = frame(3, 9, 0, &[]);
    bytes.extend([0x02, 7]);
    bytes.extend(&heartbeat[..7]);
    bytes.extend([0x80, 13]);
    bytes.extend(&heartbeat[7..]);
    for cut in 0..=bytes.len() {
        let mut world = world();
        let end = world.sim.connect(BucketId(1), halley_core::session::Transport::TxchatWebSocket);
        end.write(&bytes[..cut]);
        for _ in 0..cut % 4 {
            world.sim.turn();
        }
        end.write(&bytes[cut..]);
        world.settle();
        let answer = end.read();
        let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("is upgraded") + 4;
        let mut expected = vec![0x82, 20];
        expected.extend(frame(2, 1, 0, &[]));
        expected.extend([0x82, 24]);
        expected.extend(frame(4, 9, 0, &[0; 4]));
        assert_eq!(answer[head..], expected[..], "cut at {cut}");
    }
}

#[test]
fn a_full_queue_delays_the_move_and_at_last_closes_the_connection() {
    let config = Config { commands_max: 64, ..Config::default() };
    let mut world = World::with(config, 4, 7);
    let user = user_of(3);
    let mut sender = world.tcp_to(3);
    sender.auth(user, "");
    world.settle();
    let addr = world.backend.lock().online[0].addr;
    // Fills the queue of bucket 3 before every turn of bucket 0; in a turn of all, bucket 3 may come first.
    let gateway = world.sim.gateway();
    let fill = || {
        let to = halley_core::command::ReplyTo::Connection(addr, halley_core::ids::ClientSeq(1));
        let refused = halley_core::command::SendOutcome::Refused(halley_core::command::Refusal::Muted);
        while halley_core::ports::gateways::Gateways::reply(&gateway, to, refused) {}
    };
    let client = world.tcp_to(0);
    client.auth(user, "");
    fill();
    for _ in 0..3 {
        world.sim.turn();
        fill();
    }
    world.settle();
    world.pass(std::time::Duration::from_millis(10));
    assert!(!client.end.read().is_empty(), "the move was only delayed");
    assert!(world.metrics.drops.reply_queue_full.get() > 0);
    sender.frames();
}

#[test]
fn a_client_that_goes_while_it_moves_leaves_nothing_behind() {
    let user = user_of(3);
    for turns in 0..6 {
        let mut world = world();
        let client: Client = world.tcp_to(0);
        client.auth(user, "phone");
        for _ in 0..turns {
            world.sim.turn();
        }
        client.end.cut();
        world.settle();
        assert_eq!(world.sim.connections(), [0; 4], "after {turns} turns");
        assert_eq!(world.metrics.connections.get(), 0);
        assert_eq!(world.metrics.sessions.get(), 0);
        let state = world.backend.lock();
        assert_eq!(state.online.len(), state.offline.len());
    }
}
