//! A simulated gateway with an in-memory server behind it, and scripted clients.
#![allow(dead_code, unused_imports, reason = "each test uses a part")]

pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use halley_comet::driver::sim::{SimClock, SimGateway, SimParts};
use halley_comet::{Config, Ports};
use halley_core::ids::{BucketId, NodeId};
use halley_core::metrics::Metrics;
use halley_core::ports::gateways::Gateways;
use halley_core::session::Transport;

pub(crate) use backend::{APP, Backend};
pub(crate) use client::{Client, frame, hex};
pub(crate) use server::Server;
pub(crate) use tls::Identity;

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) sim: SimGateway,
    pub(crate) clock: SimClock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) backend: Backend,
}

pub(crate) fn ports(backend: &Backend, clock: impl halley_core::clock::Clock + 'static) -> Ports {
    Ports {
        logic: Arc::new(backend.clone()),
        feed: Arc::new(backend.clone()),
        timelines: Arc::new(backend.clone()),
        users: Arc::new(backend.clone()),
        clock: Arc::new(clock),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config::default(), 1, 0)
    }

    pub(crate) fn with(config: Config, buckets: u16, seed: u64) -> Self {
        let (metrics, _) = Metrics::new();
        let clock = SimClock::new(1_700_000_000_000);
        let backend = Backend::new();
        let mut sim = SimGateway::new(SimParts {
            config,
            node: NodeId(0),
            buckets,
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            calls: Arc::new(|_, _| false),
            seed,
        })
        .expect("is a valid configuration");
        sim.serve(&ports(&backend, clock.clone()));
        Self { sim, clock, metrics, backend }
    }

    /// A client that has connected by TCP.
    pub(crate) fn tcp(&mut self) -> Client {
        self.tcp_to(0)
    }

    pub(crate) fn tcp_to(&mut self, bucket: u16) -> Client {
        Client::tcp(self.sim.connect(BucketId(bucket), Transport::TxchatTcp))
    }

    /// A client that has connected by WebSocket and upgraded.
    pub(crate) fn web_socket(&mut self) -> Client {
        let end = self.sim.connect(BucketId(0), Transport::TxchatWebSocket);
        end.write(client::UPGRADE);
        self.settle();
        let answer = end.read();
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        Client::web_socket(end)
    }

    /// A client that has connected by TLS and shaken hands.
    pub(crate) fn tls(&mut self, identity: &Identity, transport: Transport) -> Client {
        let client = Client::tcp(self.sim.connect(BucketId(0), transport)).over(identity.client());
        self.shake_hands(&client);
        client
    }

    /// Lets a TLS client and the server agree.
    pub(crate) fn shake_hands(&mut self, client: &Client) {
        for _ in 0..4 {
            client.flush_tls();
            self.settle();
            assert_eq!(client.read_up_to(usize::MAX), b"");
        }
        assert!(!client.tls().borrow().is_handshaking(), "TLS is agreed on");
    }

    /// A client that has logged in with this device; an empty one is none.
    pub(crate) fn login(&mut self, user: i64, device: &str) -> Client {
        let mut client = self.tcp();
        client.auth(user, device);
        self.settle();
        let frames = client.frames();
        assert_eq!(frames.first().map(|frame| frame.header.op.0), Some(2), "the login is answered");
        client.keep(frames.into_iter().skip(1));
        client
    }

    /// Lets everything happen that can happen now, answer included.
    pub(crate) fn settle(&mut self) {
        loop {
            self.sim.settle();
            let gateway = self.sim.gateway();
            self.backend.answer(|to, outcome| {
                gateway.reply(to, outcome);
            });
            if !self.sim.turn() && self.backend.lock().inbound.is_empty() {
                return;
            }
        }
    }

    /// Time passes, with everything that becomes due on the way.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.clock.passed() + span;
        self.settle();
        while let Some(due) = self.sim.next_deadline() {
            let left = end - self.clock.passed();
            let now = halley_core::clock::Clock::now(&self.clock).mono;
            if due > now + left {
                break;
            }
            self.clock.advance_to(due);
            self.settle();
        }
        self.clock.advance(end - self.clock.passed());
        self.settle();
    }
}
