//! Bytes from outside never panic and never reach another connection (promise 8).

mod common;

use common::{World, client, frame};
use halley_comet::Config;
use halley_core::ids::BucketId;
use halley_core::session::Transport;
use proptest::prelude::*;

#[test]
fn lengths_that_lie_are_closed_at_once() {
    let frames: [(&str, [u8; 6]); 6] = [
        ("negative", [0xff, 0xff, 0xff, 0xff, 0, 20]),
        ("zero", [0, 0, 0, 0, 0, 20]),
        ("nineteen", [0, 0, 0, 19, 0, 20]),
        ("over the limit", [0, 0, 0x40, 0x15, 0, 20]),
        ("header of 16, as goim's", [0, 0, 0, 20, 0, 16]),
        ("header of -1", [0, 0, 0, 20, 0xff, 0xff]),
    ];
    for (what, bytes) in frames {
        let mut world = World::new();
        let before = world.tcp();
        before.end.write(&bytes);
        let after = world.login(7, "");
        after.end.write(&bytes);
        world.settle();
        assert!(before.end.is_closed(), "{what}, before auth");
        assert!(after.end.is_closed(), "{what}, after auth");
        assert_eq!(world.metrics.closes.malformed.get(), 2);
    }
}

#[test]
fn the_largest_frame_is_taken_in_any_pieces() {
    for piece in [1, 19, 1_000, 16_403] {
        let mut world = World::new();
        let mut client = world.login(7, "");
        let bytes = frame(14, 1, 0, &vec![9; 16_384]);
        assert_eq!(bytes.len(), 16_404);
        for chunk in bytes.chunks(piece) {
            client.end.write(chunk);
            world.sim.turn();
        }
        world.settle();
        assert_eq!(client.frames()[0].body.len(), 16_384);
    }
}

/// Bytes that are now and then something right.
fn chunk() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        (any::<i32>(), any::<i32>(), prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(op, ack, body)| frame(op % 18, 1, ack, &body)),
        Just(frame(1, 1, 0, &client::auth_body("5", "d"))),
        Just(frame(7, 2, 0, &client::send_body("6", "c", "x"))),
        Just(client::UPGRADE.to_vec()),
        prop::collection::vec(any::<u8>(), 0..60).prop_map(|body| client::masked(2, &frame(14, 1, 1, &body))),
        Just(client::masked(2, &frame(1, 1, 0, &client::auth_body("5", "d")))),
        (0u8..16, prop::collection::vec(any::<u8>(), 0..140))
            .prop_map(|(opcode, payload)| client::masked(opcode, &payload)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_survived_and_the_neighbour_notices_nothing(
        chunks in prop::collection::vec(chunk(), 1..12),
        is_web_socket in any::<bool>(),
        authenticated in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let mut world = World::with(Config::default(), 2, seed);
        let mut neighbour = world.login(6, "neighbour");
        let transport =
            if is_web_socket { Transport::TxchatWebSocket } else { Transport::TxchatTcp };
        let end = world.sim.connect(BucketId(1), transport);
        if authenticated {
            let auth = frame(1, 1, 0, &client::auth_body("5", ""));
            if is_web_socket {
                end.write(client::UPGRADE);
                end.write(&client::masked(2, &auth));
            } else {
                end.write(&auth);
            }
        }
        for chunk in &chunks {
            end.write(chunk);
            world.sim.turn();
        }
        world.settle();
        end.cut();
        world.settle();
        neighbour.send(14, 77, 78, b"still here");
        world.settle();
        let frames = neighbour.frames();
        let echo = frames.iter().find(|frame| frame.header.op.0 == 15).expect("is answered");
        prop_assert_eq!((echo.header.seq, &echo.body[..]), (77, &b"still here"[..]));
        prop_assert_eq!(world.metrics.connections.get(), 1);
        prop_assert_eq!(world.metrics.sessions.get(), 1);
    }
}
