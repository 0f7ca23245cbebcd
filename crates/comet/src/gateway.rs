//! The handle by which other threads reach the buckets, and the seats from which the buckets are run.

use std::fmt;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use halley_core::clock::Clock;
use halley_core::command::{ReplyTo, SendOutcome};
use halley_core::ids::{AppId, BucketId, NodeId};
use halley_core::metrics::Metrics;
use halley_core::ports::gateways::{Gateways, Pushed, Transient};
use halley_core::reply::Reply;
use halley_core::session::{ConnAddr, KickReason, SessionInfo};
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use crate::bucket::{BUCKETS_MAX, Command};
use crate::config::{Config, ConfigError};
use crate::counts::Counts;
use crate::tls::ServerTls;

/// Is told the outcome of a send that a call of this process made ([`ReplyTo::Call`]); `false`: nobody waits.
pub type CallHook = dyn Fn(u64, SendOutcome) -> bool + Send + Sync;

/// What all buckets of a gateway share.
pub(crate) struct Shared<S> {
    pub(crate) config: Config,
    pub(crate) node: NodeId,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) commands: Vec<mpsc::Sender<Command<S>>>,
    /// Connections of the process, those on their way between buckets included.
    pub(crate) connections: AtomicUsize,
    /// Connections by address, and sessions by app, where that is limited.
    pub(crate) addresses: Counts<IpAddr>,
    pub(crate) apps: Counts<AppId>,
    /// What new TLS connections are served with. Read once a connection, written when a certificate changes.
    pub(crate) tls: RwLock<Option<ServerTls>>,
    clock: Arc<dyn Clock>,
    calls: Arc<CallHook>,
}

impl<S> Shared<S> {
    pub(crate) fn buckets(&self) -> u16 {
        self.commands.len() as u16
    }
}

/// What a gateway is made from.
pub struct GatewayParts {
    /// Times, bounds and limits.
    pub config: Config,
    /// This process.
    pub node: NodeId,
    /// How many buckets, 1 to 128; one per thread that is to serve clients.
    pub buckets: u16,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// The time, for the stage metrics of answers.
    pub clock: Arc<dyn Clock>,
    /// Where outcomes for calls go.
    pub calls: Arc<CallHook>,
}

impl fmt::Debug for GatewayParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayParts").field("buckets", &self.buckets).finish_non_exhaustive()
    }
}

/// Reaches the connections of this process. Cheap to clone. `S` is what a socket is: a descriptor, or a simulated one.
pub struct Gateway<S = OwnedFd>(Arc<Shared<S>>);

impl<S> Clone for Gateway<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for Gateway<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("buckets", &self.0.buckets()).finish_non_exhaustive()
    }
}

/// A bucket that nobody runs yet: its number and the receiving end of its command queue.
pub struct BucketSeat<S = OwnedFd> {
    pub(crate) id: BucketId,
    pub(crate) commands: mpsc::Receiver<Command<S>>,
    pub(crate) shared: Arc<Shared<S>>,
}

impl<S> BucketSeat<S> {
    /// Which bucket.
    #[must_use]
    pub fn id(&self) -> BucketId {
        self.id
    }
}

impl<S> fmt::Debug for BucketSeat<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketSeat").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How a drain ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DrainReport {
    /// Connections closed with nothing unsent and nothing unanswered.
    pub clean: usize,
    /// Connections cut at the deadline.
    pub forced: usize,
}

impl<S> Gateway<S> {
    /// A gateway and the seats of its buckets, in order. Each seat must be run, else its queue fills.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn new(parts: GatewayParts) -> Result<(Self, Vec<BucketSeat<S>>), ConfigError> {
        parts.config.check()?;
        if !(1..=BUCKETS_MAX).contains(&parts.buckets) {
            return Err(ConfigError { field: "buckets", expected: "from 1 to 128" });
        }
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..parts.buckets).map(|_| mpsc::channel(parts.config.commands_max)).unzip();
        let shared = Arc::new(Shared {
            addresses: Counts::new(parts.config.connections_per_address),
            apps: Counts::new(parts.config.connections_per_app),
            tls: RwLock::new(None),
            config: parts.config,
            node: parts.node,
            metrics: parts.metrics,
            commands: senders,
            connections: AtomicUsize::new(0),
            clock: parts.clock,
            calls: parts.calls,
        });
        let seats = receivers.into_iter().zip(0..).map(|(commands, id)| BucketSeat {
            id: BucketId(id),
            commands,
            shared: Arc::clone(&shared),
        });
        let seats = seats.collect();
        Ok((Self(shared), seats))
    }

    /// Connections now, authenticated or not.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// What TLS connections are served with from now on; those that began keep what they have. Without it connections to
    /// TLS listeners are closed.
    pub fn set_tls(&self, tls: ServerTls) {
        *self.0.tls.write() = Some(tls);
    }

    /// Ends service: no more connections are accepted and nothing more is read; what was taken is still answered,
    /// cursors are saved, pending bytes are written, and every connection is closed, at `deadline` by force.
    pub async fn drain(&self, deadline: Instant) -> DrainReport {
        let mut reports = Vec::new();
        for bucket in &self.0.commands {
            let (done, report) = oneshot::channel();
            // Fails only when the bucket is gone already, with its connections.
            if bucket.send(Command::Drain { deadline, done }).await.is_ok() {
                reports.push(report);
            }
        }
        let mut total = DrainReport::default();
        for report in reports {
            let report = report.await.unwrap_or_default();
            total.clean += report.clean;
            total.forced += report.forced;
        }
        total
    }

    fn tell(&self, addr: ConnAddr, command: Command<S>) -> bool {
        let bucket = self.0.commands.get(usize::from(addr.bucket.0));
        let bucket = bucket.filter(|_| addr.node == self.0.node);
        bucket.is_some_and(|bucket| bucket.try_send(command).is_ok())
    }
}

impl<S: Send> Gateways for Gateway<S> {
    fn reply(&self, to: ReplyTo, outcome: SendOutcome) -> bool {
        let ReplyTo::Connection(addr, client_seq) = to else {
            let ReplyTo::Call(_, call) = to else { return false };
            return (self.0.calls)(call, outcome);
        };
        let command = Command::Reply { conn: addr.conn, client_seq, outcome, at: self.0.clock.now().mono };
        let told = self.tell(addr, command);
        if !told {
            self.0.metrics.drops.reply_queue_full.inc();
        }
        told
    }

    fn kick(&self, addr: ConnAddr, reason: KickReason) -> bool {
        self.tell(addr, Command::Kick { conn: addr.conn, reason })
    }

    fn session(&self, addr: ConnAddr) -> Reply<Option<SessionInfo>> {
        let (answer, answered) = oneshot::channel();
        if !self.tell(addr, Command::Session { conn: addr.conn, answer }) {
            return Reply::Ready(None);
        }
        Reply::later(async move { answered.await.unwrap_or(None) })
    }

    fn push(&self, addr: ConnAddr, what: Transient) -> Reply<Pushed> {
        let (answer, answered) = oneshot::channel();
        if !self.tell(addr, Command::Push { conn: addr.conn, what, answer }) {
            self.0.metrics.drops.transient_queue_full.inc();
            return Reply::Ready(Pushed::Full);
        }
        Reply::later(async move { answered.await.unwrap_or(Pushed::Nobody) })
    }

    fn broadcast(&self, app: AppId, what: Transient) -> Reply<usize> {
        let mut buckets = Vec::new();
        for bucket in &self.0.commands {
            let (answer, answered) = oneshot::channel();
            match bucket.try_send(Command::Broadcast { app, what: what.clone(), answer }) {
                Ok(()) => buckets.push(answered),
                Err(_full) => {
                    self.0.metrics.drops.transient_queue_full.inc();
                }
            }
        }
        Reply::later(async move {
            let mut sessions = 0;
            for answered in buckets {
                sessions += answered.await.unwrap_or(0);
            }
            sessions
        })
    }
}
