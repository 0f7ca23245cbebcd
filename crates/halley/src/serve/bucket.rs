//! One thread per bucket: the bucket's event loop and the answer shard of the same users, side by side on a
//! current-thread runtime, so that a message is decided without a hop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use halley_answer::AnswerShard;
use halley_comet::driver::epoll::{self, BucketListener, Endpoint};
use halley_comet::{BucketSeat, Ports};
use halley_core::session::Transport;

use crate::config::Config;

/// Everything bound for clients, and under which names.
pub(super) struct Sockets {
    names: Vec<&'static str>,
    buckets: Vec<Vec<BucketListener>>,
}

/// Binds the listeners for clients, once per bucket.
pub(super) fn bind(config: &Config, buckets: u16) -> Result<Sockets> {
    let wanted = [
        ("txchat_tcp", config.listen.txchat_tcp, Transport::TxchatTcp),
        ("txchat_ws", config.listen.txchat_ws, Transport::TxchatWebSocket),
        ("txchat_tcp_tls", config.listen.txchat_tcp_tls, Transport::TxchatTcpTls),
        ("txchat_ws_tls", config.listen.txchat_ws_tls, Transport::TxchatWebSocketTls),
    ];
    let mut names = Vec::new();
    let mut endpoints = Vec::new();
    for (name, listen, transport) in wanted {
        if let Some(address) = listen.address() {
            names.push(name);
            endpoints.push(Endpoint { address, transport });
        }
    }
    let buckets = epoll::bind(&endpoints, buckets)
        .context("listen for clients; another server may have the port, see the listen.* keys")?;
    Ok(Sockets { names, buckets })
}

impl Sockets {
    /// Name and address of each.
    pub(super) fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        let first = self.buckets.first().into_iter().flatten();
        self.names
            .iter()
            .zip(first)
            .map(|(name, listener)| ((*name).to_owned(), listener.local_addr()))
            .collect()
    }

    /// Each bucket's part.
    pub(super) fn into_buckets(self) -> impl Iterator<Item = Vec<BucketListener>> {
        self.buckets.into_iter()
    }
}

/// A bucket that wakes for one message does not wait until a program that is busy has had its whole slice.
const SLICE: Duration = Duration::from_micros(300);

/// A running bucket.
pub(super) struct BucketThread(JoinHandle<()>);

impl BucketThread {
    pub(super) fn spawn(
        seat: BucketSeat,
        shard: AnswerShard,
        listeners: Vec<BucketListener>,
        ports: Ports,
    ) -> Result<Self> {
        let name = format!("bucket-{}", seat.id());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.with_context(|| format!("start the runtime of {name}"))?;
        let work = move || {
            let _supported = halley_sys::prefer_short_slices(SLICE);
            let local = tokio::task::LocalSet::new();
            let shard = local.spawn_local(shard.run());
            local.block_on(&runtime, async move {
                if let Err(error) = epoll::run(seat, ports, listeners).await {
                    tracing::error!(%error, "a bucket cannot go on");
                }
                let _ended = shard.await;
            });
        };
        let thread = thread::Builder::new().name(name.clone()).spawn(work);
        Ok(Self(thread.with_context(|| format!("start thread {name}"))?))
    }

    /// Waits for its end: the gateway has been drained and the bus closed.
    pub(super) fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("a bucket thread ended with a panic");
        }
    }
}
