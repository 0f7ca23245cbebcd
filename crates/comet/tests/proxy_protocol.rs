//! Behind a load balancer (`listen.proxy_protocol`): whose header is believed, and what it changes. A failure means that
//! anybody can say to be anybody, or that every client seems to be the balancer.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{Client, Identity, World, client, frame};
use halley_comet::Config;
use halley_comet::driver::sim::SimClient;
use halley_core::ids::BucketId;
use halley_core::session::Transport;

const BALANCER: &str = "10.0.0.9:777";
const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";

fn config() -> Config {
    let proxies = ["10.0.0.0/8", "::1"].map(|text| text.parse().expect("is a prefix"));
    Config { proxies: proxies.into(), ..Config::default() }
}

fn connect(world: &mut World, transport: Transport, from: &str) -> SimClient {
    let from: SocketAddr = from.parse().expect("is an address");
    world.sim.connect_from(BucketId(0), transport, from)
}

fn remotes(world: &World) -> Vec<String> {
    world.backend.lock().online.iter().map(|session| session.remote.to_string()).collect()
}

#[test]
fn the_header_of_a_believed_peer_says_where_the_client_is() {
    let v2 = common::hex("0d0a0d0a000d0a515549540a 21110011 c0000208 c6336401 dc04 01bb 010002 6832");
    let cases: [(&[u8], &str); 4] = [
        (HEADER, "192.0.2.7:56324"),
        (&v2, "192.0.2.8:56324"),
        (b"PROXY TCP6 ::ffff:192.0.2.9 ::1 5 6\r\n", "192.0.2.9:5"),
        (b"PROXY UNKNOWN\r\n", BALANCER),
    ];
    let auth = frame(1, 1, 0, &client::auth_body("7", "phone"));
    for (header, remote) in cases {
        let bytes = [header, &auth].concat();
        // Cut everywhere, the header's end and the login's beginning included.
        for cut in 0..=bytes.len() {
            let mut world = World::with(config(), 1, 0);
            let end = connect(&mut world, Transport::TxchatTcp, BALANCER);
            end.write(&bytes[..cut]);
            world.settle();
            end.write(&bytes[cut..]);
            world.settle();
            assert_eq!(remotes(&world), [remote], "cut at {cut}");
        }
    }
}

#[test]
fn the_header_comes_before_the_upgrade_and_before_tls() {
    let mut world = World::with(config(), 1, 0);
    let identity = Identity::new();
    world.sim.gateway().set_tls(identity.server());
    let web = connect(&mut world, Transport::TxchatWebSocket, "[::1]:5");
    web.write(&[HEADER, client::UPGRADE].concat());
    world.settle();
    assert!(web.read().starts_with(b"HTTP/1.1 101 "));
    let web = Client::web_socket(web);
    web.auth(1, "web");
    let end = connect(&mut world, Transport::TxchatTcpTls, "[::ffff:10.1.1.1]:5");
    end.write(HEADER);
    let secure = Client::tcp(end).over(identity.client());
    world.shake_hands(&secure);
    secure.auth(2, "phone");
    world.settle();
    assert_eq!(remotes(&world), ["192.0.2.7:56324"; 2]);
}

#[test]
fn a_believed_peer_must_send_a_header() {
    let auth = frame(1, 1, 0, &client::auth_body("7", "phone"));
    let cases: [&[u8]; 4] = [&auth, client::UPGRADE, b"PROXY TCP4 nonsense\r\n", &[b'P'; 200]];
    for (count, bytes) in (1..).zip(cases) {
        let mut world = World::with(config(), 1, 0);
        let end = connect(&mut world, Transport::TxchatTcp, BALANCER);
        end.write(bytes);
        world.settle();
        assert!(end.is_closed() && end.read().is_empty(), "{count}");
        assert_eq!(world.metrics.closes.proxy_header.get(), 1);
    }
    // Half a header is waited for, as long as for a login.
    let mut world = World::with(config(), 1, 0);
    let end = connect(&mut world, Transport::TxchatTcp, BALANCER);
    end.write(b"PROXY TCP4 192.0");
    world.pass(Duration::from_millis(7_999));
    assert!(!end.is_closed());
    world.pass(Duration::from_millis(1));
    assert!(end.is_closed());
    assert_eq!(world.metrics.closes.handshake_timeout.get(), 1);
}

#[test]
fn a_header_from_anybody_else_is_bytes_like_any_other() {
    for transport in [Transport::TxchatTcp, Transport::TxchatWebSocket] {
        let mut world = World::with(config(), 1, 0);
        let end = connect(&mut world, transport, "11.0.0.1:5");
        end.write(HEADER);
        world.settle();
        assert!(end.is_closed());
        assert_eq!(world.metrics.closes.malformed.get(), 1);
        assert_eq!(world.metrics.closes.proxy_header.get(), 0);
    }
}

#[test]
fn the_limit_per_address_is_the_clients_and_not_the_balancers() {
    let mut world = World::with(Config { connections_per_address: 2, ..config() }, 1, 0);
    let ends: Vec<_> = (0..5).map(|_| connect(&mut world, Transport::TxchatTcp, BALANCER)).collect();
    for end in &ends[..3] {
        end.write(HEADER);
    }
    for end in &ends[3..] {
        end.write(b"PROXY TCP4 192.0.2.8 198.51.100.1 1 443\r\n");
    }
    world.settle();
    let closed: Vec<bool> = ends.iter().map(SimClient::is_closed).collect();
    assert_eq!(closed, [false, false, true, false, false]);
    assert_eq!(world.metrics.closes.address_limit.get(), 1);
    // The balancer's own checks are not limited.
    for _ in 0..5 {
        let end = connect(&mut world, Transport::TxchatTcp, BALANCER);
        end.write(b"PROXY UNKNOWN\r\n");
        world.settle();
        assert!(!end.is_closed());
    }
}
