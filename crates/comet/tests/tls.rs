//! TLS listeners, on the simulated driver. A failure means that a client of an encrypted port cannot talk, that bytes
//! are lost where plain ones are not, or that somebody without TLS holds a connection.

mod common;

use std::io::Write as _;
use std::time::Duration;

use common::{Client, Identity, World, client, frame};
use halley_comet::{Config, DrainReport};
use halley_core::clock::Clock;
use halley_core::ids::{BucketId, UserId};
use halley_core::placement::bucket_of;
use halley_core::session::Transport;
use proptest::prelude::*;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

fn world_of(config: Config, buckets: u16, seed: u64) -> (World, Identity) {
    let world = World::with(config, buckets, seed);
    let identity = Identity::new();
    world.sim.gateway().set_tls(identity.server());
    (world, identity)
}

fn world() -> (World, Identity) {
    world_of(Config::default(), 1, 0)
}

fn login(world: &mut World, identity: &Identity, user: i64) -> Client {
    let mut client = world.tls(identity, Transport::TxchatTcpTls);
    client.auth(user, "phone");
    world.settle();
    let ops: Vec<i32> = client.frames().iter().map(|frame| frame.header.op.0).collect();
    assert_eq!(ops.first(), Some(&2));
    client
}

/// Whether the server said that it ends, instead of only cutting.
fn said_goodbye(client: &Client) -> bool {
    let bytes = client.end.read();
    let mut tls = client.tls().borrow_mut();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        tls.read_tls(&mut rest).expect("reads from memory");
        tls.process_new_packets().expect("the server speaks TLS");
    }
    tls.process_new_packets().expect("the server speaks TLS").peer_has_closed()
}

#[test]
fn clients_of_both_versions_and_transports_chat() {
    for version in [&TLS12, &TLS13] {
        let (mut world, identity) = world();
        let tcp = Client::tcp(world.sim.connect(BucketId(0), Transport::TxchatTcpTls));
        let mut tcp = tcp.over(identity.client_of(version));
        world.shake_hands(&tcp);
        let ws = Client::tcp(world.sim.connect(BucketId(0), Transport::TxchatWebSocketTls));
        let ws = ws.over(identity.client_of(version));
        world.shake_hands(&ws);
        ws.write(client::UPGRADE);
        world.settle();
        assert!(ws.read_up_to(usize::MAX).starts_with(b"HTTP/1.1 101 "));
        let mut ws = ws.upgraded();
        tcp.auth(1, "phone");
        ws.auth(2, "web");
        world.settle();
        assert_eq!((tcp.frames().len(), ws.frames().len()), (1, 1));
        tcp.message(3, 2, "hello");
        world.settle();
        assert_eq!(ws.pushes(), [(1, "hello".to_owned())]);
        assert_eq!(tcp.frames().len(), 2, "the answer, and one's own message");
        let online = world.backend.lock().online.clone();
        let transports: Vec<_> = online.iter().map(|session| session.transport.as_str()).collect();
        assert_eq!(transports, ["txchat_tcp_tls", "txchat_ws_tls"]);
        assert_eq!(world.metrics.tls_handshakes.get(), 2);
        assert_eq!(world.metrics.connections.get(), 2);
    }
}

#[test]
fn a_session_is_resumed_by_its_ticket() {
    let (mut world, identity) = world();
    let kinds: Vec<_> = (0..2)
        .map(|_| {
            let client = world.tls(&identity, Transport::TxchatTcpTls);
            client.send(3, 1, 1, &[]);
            world.settle();
            client.read_up_to(usize::MAX);
            client.tls().borrow().handshake_kind()
        })
        .collect();
    assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    assert_eq!((world.metrics.tls_handshakes.get(), world.metrics.tls_resumptions.get()), (2, 1));
}

#[test]
fn everything_works_in_single_bytes_and_torn_writes() {
    for seed in 1..6 {
        let (mut world, identity) = world_of(Config::default(), 1, seed);
        let mut client =
            Client::tcp(world.sim.connect(BucketId(0), Transport::TxchatTcpTls)).over(identity.client());
        let step = |client: &Client, world: &mut World| {
            let mut bytes = Vec::new();
            while client.tls().borrow().wants_write() {
                client.tls().borrow_mut().write_tls(&mut bytes).expect("writes to memory");
            }
            for byte in bytes {
                client.end.write(&[byte]);
                world.sim.turn();
            }
            world.settle();
        };
        for _ in 0..3 {
            step(&client, &mut world);
            assert_eq!(client.read_up_to(7), b"");
            assert_eq!(client.read_up_to(usize::MAX), b"");
        }
        let mut frames = frame(1, 1, 0, &client::auth_body("7", "phone"));
        frames.extend(frame(14, 2, 0, &vec![9; 16_384]));
        client.tls().borrow_mut().writer().write_all(&frames).expect("takes it");
        step(&client, &mut world);
        let came = client.frames();
        let lengths: Vec<_> = came.iter().map(|frame| (frame.header.op.0, frame.body.len())).collect();
        assert_eq!(lengths, [(2, 0), (15, 16_384)], "seed {seed}");
    }
}

#[test]
fn the_handshake_timer_covers_the_agreement_and_is_not_extended_by_it() {
    let (mut world, identity) = world();
    let silent = world.sim.connect(BucketId(0), Transport::TxchatTcpTls);
    let agreed = world.tls(&identity, Transport::TxchatTcpTls);
    let slow = Client::tcp(world.sim.connect(BucketId(0), Transport::TxchatTcpTls)).over(identity.client());
    let mut hello = Vec::new();
    slow.tls().borrow_mut().write_tls(&mut hello).expect("writes to memory");
    for byte in hello.iter().take(79) {
        slow.end.write(&[*byte]);
        world.pass(Duration::from_millis(100));
    }
    world.pass(Duration::from_millis(99));
    assert!(!silent.is_closed() && !agreed.end.is_closed() && !slow.end.is_closed(), "7.999 s");
    world.pass(Duration::from_millis(1));
    assert!(silent.is_closed() && agreed.end.is_closed() && slow.end.is_closed(), "8 s");
    assert_eq!(world.metrics.closes.handshake_timeout.get(), 3);
    assert!(said_goodbye(&agreed), "with whom one has agreed, one parts in words");
    assert_eq!(slow.end.read(), b"");
}

#[test]
fn what_is_no_tls_is_closed_and_counted() {
    let plain = frame(1, 1, 0, &client::auth_body("7", "phone"));
    let cases: [(&str, &[u8]); 5] = [
        ("a client without TLS", &plain),
        ("a browser without TLS", client::UPGRADE),
        ("garbage", &[0xab; 700]),
        ("a record of another kind", &[23, 3, 3, 0, 2, 1, 2]),
        ("a record longer than there are", &[22, 3, 1, 0xff, 0xff, 1]),
    ];
    for (index, (what, bytes)) in (1..).zip(cases) {
        let (mut world, identity) = world();
        let end = world.sim.connect(BucketId(0), Transport::TxchatTcpTls);
        end.write(bytes);
        world.settle();
        assert!(end.is_closed(), "{what}");
        let answer = end.read();
        assert!(answer.is_empty() || answer[0] == 21, "{index}: at most an alert: {answer:?}");
        assert_eq!(world.metrics.closes.tls.get(), 1, "{what}");
        assert_eq!(world.metrics.connections.get(), 0);
        login(&mut world, &identity, 1);
    }
}

#[test]
fn a_record_that_was_tampered_with_ends_the_connection_behind_what_was_right() {
    let (mut world, identity) = world();
    let client = login(&mut world, &identity, 7);
    let message = |seq| frame(7, seq, 0, &client::send_body("9", &format!("c-{seq}"), "hello"));
    client.tls().borrow_mut().writer().write_all(&message(5)).expect("takes it");
    let mut bytes = Vec::new();
    client.tls().borrow_mut().write_tls(&mut bytes).expect("writes to memory");
    client.tls().borrow_mut().writer().write_all(&message(6)).expect("takes it");
    client.tls().borrow_mut().write_tls(&mut bytes).expect("writes to memory");
    *bytes.last_mut().expect("is there") ^= 1;
    client.end.write(&bytes);
    world.settle();
    assert!(client.end.is_closed());
    assert_eq!(world.metrics.closes.tls.get(), 1);
    assert_eq!(world.backend.lock().log.len(), 1, "the first message was right");
    assert_eq!(client.end.read().first(), Some(&23), "an encrypted alert");
}

#[test]
fn tls_without_a_certificate_is_closed_and_plain_listeners_go_on() {
    let mut world = World::new();
    let end = world.sim.connect(BucketId(0), Transport::TxchatTcpTls);
    end.write(b"x");
    world.settle();
    assert!(end.is_closed());
    assert_eq!(world.metrics.closes.tls.get(), 1);
    world.login(1, "phone");
}

#[test]
fn a_client_that_says_goodbye_is_heard_behind_its_last_words() {
    let (mut world, identity) = world_of(Config::default(), 4, 0);
    // From bucket 0, so that some move.
    for user in 1..9 {
        let client = world.tls(&identity, Transport::TxchatTcpTls);
        let mut last = frame(1, 1, 0, &client::auth_body(&user.to_string(), "phone"));
        last.extend(frame(7, 2, 0, &client::send_body("99", "c", "last words")));
        client.tls().borrow_mut().writer().write_all(&last).expect("takes it");
        client.tls().borrow_mut().send_close_notify();
        client.flush_tls();
        world.settle();
        assert_eq!(world.backend.lock().log.len(), usize::try_from(user).expect("is small"), "user {user}");
        assert!(client.end.is_closed(), "user {user}: although its socket is open");
        assert!(said_goodbye(&client));
    }
    assert_eq!(world.metrics.connections.get(), 0);
    assert_eq!(world.metrics.closes.tls.get(), 0);
}

#[test]
fn a_socket_that_ends_without_a_word_is_closed() {
    let (mut world, identity) = world();
    let client = login(&mut world, &identity, 7);
    client.end.end();
    world.settle();
    assert!(client.end.is_closed());
    let (half, cut) = (world.tls(&identity, Transport::TxchatTcpTls), login(&mut world, &identity, 8));
    half.end.end();
    cut.end.cut();
    world.settle();
    assert!(half.end.is_closed() && cut.end.is_closed());
    assert_eq!(world.metrics.sessions.get(), 0);
}

#[test]
fn pipelined_bytes_survive_the_move_wherever_they_are_cut() {
    let here = |user: &i64| bucket_of(common::APP, UserId(*user), 4) == BucketId(3);
    let user = (1..).find(here).expect("users are spread");
    let mut plain = frame(1, 1, 0, &client::auth_body(&user.to_string(), "phone"));
    for seq in 2..5 {
        plain.extend(frame(7, seq, 0, &client::send_body("1", &format!("c-{seq}"), "hello")));
    }
    plain.extend(frame(3, 9, 0, &[]));
    let identity = Identity::new();
    // Everything behind the handshake in one flight of one record and of many, cut everywhere.
    for record_bytes in [plain.len(), 40] {
        for cut in (0..).step_by(7) {
            let mut world = World::with(Config::default(), 4, 7);
            world.sim.gateway().set_tls(identity.server());
            let mut client = world.tls(&identity, Transport::TxchatTcpTls);
            let mut bytes = Vec::new();
            for part in plain.chunks(record_bytes) {
                client.tls().borrow_mut().writer().write_all(part).expect("takes it");
                client.tls().borrow_mut().write_tls(&mut bytes).expect("writes to memory");
            }
            if cut > bytes.len() {
                break;
            }
            client.end.write(&bytes[..cut]);
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
            assert_eq!(world.sim.connections(), [0, 0, 0, 1]);
        }
    }
}

#[test]
fn a_slow_reader_gets_everything_in_order_and_who_reads_nothing_is_closed() {
    let config =
        Config { push_bytes_max: 4 << 10, resend_delay_min: Duration::from_secs(60), ..Config::default() };
    let config = Config { resend_delay_max: Duration::from_secs(60), ..config };
    let (mut world, identity) = world_of(config, 1, 3);
    let (mut slow, stuck) = (login(&mut world, &identity, 7), login(&mut world, &identity, 8));
    slow.end.set_room(100);
    stuck.end.set_room(0);
    for index in 0..60 {
        world.backend.deliver(7, &format!("{index:0>400}"));
        world.backend.deliver(8, "to nobody");
    }
    world.settle();
    let mut texts = Vec::new();
    let mut parts = 0;
    while texts.len() < 60 {
        parts += 1;
        assert!(parts < 2_000, "{} of 60 came", texts.len());
        let frames = slow.frames_up_to(61);
        for (seq, text) in client::pushes_of(&frames) {
            texts.push(text);
            slow.ack(seq);
        }
        world.settle();
    }
    let expected: Vec<String> = (0..60).map(|index| format!("{index:0>400}")).collect();
    assert_eq!(texts, expected);
    assert!(parts > 300, "it was slow: {parts} parts");
    world.pass(Duration::from_secs(31));
    assert!(stuck.end.is_closed());
    assert_eq!(world.metrics.closes.write_timeout.get(), 1);
    assert!(!slow.end.is_closed());
}

#[test]
fn answers_that_pile_up_are_bounded() {
    let config = Config { push_bytes_max: 64 << 10, output_bytes_max: 64 << 10, ..Config::default() };
    let (mut world, identity) = world_of(config, 1, 0);
    let client = login(&mut world, &identity, 7);
    client.end.set_room(0);
    for seq in 0..5 {
        client.send(14, seq, 0, &vec![1; 16_000]);
        world.settle();
    }
    assert!(client.end.is_closed());
    assert_eq!(world.metrics.closes.write_overflow.get(), 1);
}

#[test]
fn a_new_certificate_is_for_new_connections() {
    let (mut world, old) = world();
    let mut before = login(&mut world, &old, 7);
    let new = Identity::new();
    world.sim.gateway().set_tls(new.server());
    let after = login(&mut world, &new, 8);
    let shown = |client: &Client| client.tls().borrow().peer_certificates().expect("shown")[0].clone();
    assert_eq!(shown(&before), old.der);
    assert_eq!(shown(&after), new.der);
    before.message(5, 8, "still here");
    world.settle();
    assert!(before.frames().iter().any(|frame| frame.header.op.0 == 8));
}

#[test]
fn a_drain_answers_and_says_goodbye() {
    let (mut world, identity) = world_of(Config::default(), 4, 0);
    let mut clients: Vec<_> = (1..=10).map(|user| login(&mut world, &identity, user)).collect();
    for client in &clients {
        client.message(5, 99, "last words");
    }
    world.sim.settle();
    let (gateway, backend) = (world.sim.gateway(), world.backend.clone());
    let deadline = world.clock.now().mono + Duration::from_secs(5);
    let report = world.sim.drain(deadline, || {
        backend.answer(|to, outcome| {
            halley_core::ports::gateways::Gateways::reply(&gateway, to, outcome);
        });
    });
    let clean = DrainReport { clean: 10, forced: 0 };
    assert_eq!(report, clean);
    for client in &mut clients {
        assert!(client.frames().iter().any(|frame| frame.header.op.0 == 8));
        assert!(said_goodbye(client) && client.end.is_closed());
    }
}

/// A post-handshake message in pieces: the server keeps the first, and must still be able to write.
#[test]
fn half_a_handshake_message_does_not_hinder_what_is_pushed() {
    let (mut world, identity) = world();
    let mut client = login(&mut world, &identity, 7);
    // Half an encrypted record of the client.
    client.tls().borrow_mut().writer().write_all(&frame(3, 5, 0, &[])).expect("takes it");
    let mut bytes = Vec::new();
    client.tls().borrow_mut().write_tls(&mut bytes).expect("writes to memory");
    client.end.write(&bytes[..20]);
    world.settle();
    world.backend.deliver(7, "meanwhile");
    world.settle();
    assert_eq!(client.pushes(), [(1, "meanwhile".to_owned())]);
    client.end.write(&bytes[20..]);
    world.settle();
    assert_eq!(client.frames().len(), 1);
}

/// How a valid flight of a client is bent.
#[derive(Clone, Debug)]
enum Bend {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Repeat(usize),
}

fn bend() -> impl Strategy<Value = Bend> {
    prop_oneof![
        (any::<usize>(), 0_u8..8).prop_map(|(at, bit)| Bend::Flip(at, bit)),
        any::<usize>().prop_map(Bend::Cut),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Bend::Insert(at, bytes)),
        any::<usize>().prop_map(Bend::Repeat),
    ]
}

fn bent(mut bytes: Vec<u8>, bend: &Bend) -> Vec<u8> {
    let place = |at: usize| at % bytes.len().max(1);
    match bend {
        _ if bytes.is_empty() => {}
        Bend::Flip(at, bit) => {
            let at = place(*at);
            bytes[at] ^= 1 << bit;
        }
        Bend::Cut(at) => bytes.truncate(place(*at)),
        Bend::Insert(at, more) => {
            let at = place(*at);
            bytes.splice(at..at, more.iter().copied());
        }
        Bend::Repeat(at) => {
            let part = bytes[place(*at)..].to_vec();
            bytes.extend(part);
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    /// In one flight of the four of a conversation something is wrong: the server neither panics nor leaks, and others
    /// are served.
    #[test]
    fn bytes_that_are_nearly_right_harm_only_their_connection(
        old in any::<bool>(),
        flight in 0_usize..4,
        how in bend(),
        piece in 1_usize..4_000,
    ) {
        let (mut world, identity) = world();
        let mut bystander = login(&mut world, &identity, 1);
        let version = if old { &TLS12 } else { &TLS13 };
        let end = world.sim.connect(BucketId(0), Transport::TxchatTcpTls);
        let mut tls = identity.client_of(version);
        'flights: for number in 0..4 {
            if !tls.is_handshaking() {
                let frames = [frame(1, 1, 0, &client::auth_body("7", "d")), frame(14, 2, 0, &[1; 300])].concat();
                tls.writer().write_all(&frames).expect("takes it");
            }
            let mut bytes = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut bytes).expect("writes to memory");
            }
            if number == flight {
                bytes = bent(bytes, &how);
            }
            for part in bytes.chunks(piece) {
                end.write(part);
                world.sim.turn();
            }
            world.backend.deliver(7, "something to encrypt");
            world.settle();
            let came = end.read();
            let mut rest = &came[..];
            while !rest.is_empty() {
                tls.read_tls(&mut rest).expect("reads from memory");
                // The server's alert, for one.
                if tls.process_new_packets().is_err() {
                    break 'flights;
                }
            }
        }
        world.pass(Duration::from_secs(9 * 60));
        prop_assert!(end.is_closed());
        prop_assert_eq!(world.metrics.connections.get(), 0);
        bystander.frames();
    }
}
