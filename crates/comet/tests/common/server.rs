//! A gateway on real sockets, with the in-memory server behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use halley_comet::driver::epoll::{self, Endpoint};
use halley_comet::{Config, DrainReport, Gateway, GatewayParts};
use halley_core::clock::{Clock, Now};
use halley_core::ids::NodeId;
use halley_core::metrics::Metrics;
use halley_core::session::Transport;

use super::{Backend, ports};

#[derive(Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: Instant::now(), wall_ms: since.as_millis() as u64 }
    }
}

/// One thread a bucket, as in the server.
pub(crate) struct Server {
    pub(crate) tcp: SocketAddr,
    pub(crate) web_socket: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) tls_web_socket: SocketAddr,
    pub(crate) gateway: Gateway,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) backend: Backend,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(config: Config, buckets: u16) -> Self {
        Self::start_at("127.0.0.1:0", config, buckets)
    }

    pub(crate) fn start_at(address: &str, config: Config, buckets: u16) -> Self {
        let (metrics, _) = Metrics::new();
        let backend = Backend::new();
        let parts = GatewayParts {
            config,
            node: NodeId(0),
            buckets,
            metrics: Arc::clone(&metrics),
            clock: Arc::new(SystemClock),
            calls: Arc::new(|_, _| false),
        };
        let (gateway, seats) = Gateway::new(parts).expect("is a valid configuration");
        backend.answer_through(Arc::new(gateway.clone()));
        let local = address.parse().expect("is an address");
        let transports = [
            Transport::TxchatTcp,
            Transport::TxchatWebSocket,
            Transport::TxchatTcpTls,
            Transport::TxchatWebSocketTls,
        ];
        let endpoints = transports.map(|transport| Endpoint { address: local, transport });
        let listeners = epoll::bind(&endpoints, buckets).expect("binds");
        let [tcp, web_socket, tls, tls_web_socket] =
            [0, 1, 2, 3].map(|index| listeners[0][index].local_addr());
        let threads = seats.into_iter().zip(listeners).map(|(seat, listeners)| {
            let ports = ports(&backend, SystemClock);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("builds");
                runtime.block_on(epoll::run(seat, ports, listeners)).expect("runs");
            })
        });
        let threads = threads.collect();
        Self { tcp, web_socket, tls, tls_web_socket, gateway, metrics, backend, threads }
    }

    /// Drains, and waits for the threads to end.
    pub(crate) fn stop(self, within: Duration) -> DrainReport {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("builds");
        let report = runtime.block_on(self.gateway.drain(Instant::now() + within));
        for thread in self.threads {
            thread.join().expect("does not panic");
        }
        report
    }
}

/// Waits until something holds, and says what was seen last when it never does.
pub(crate) fn wait_for<T: std::fmt::Debug>(mut look: impl FnMut() -> T, holds: impl Fn(&T) -> bool) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = look();
        if holds(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "last seen: {seen:?}");
        std::thread::yield_now();
    }
}
