//! A gateway whose buckets take turns on one thread.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures::stream::{FuturesUnordered, StreamExt};
use halley_core::clock::Clock;
use halley_core::ids::{BucketId, NodeId};
use halley_core::metrics::Metrics;
use halley_core::session::Transport;
use tokio::sync::mpsc;

use super::clock::SimClock;
use super::net::{SimClient, SimIo, SimNet, SimSocket, xorshift};
use crate::bucket::{Bucket, Command, Deferred};
use crate::config::{Config, ConfigError};
use crate::gateway::{BucketSeat, CallHook, DrainReport, Gateway, GatewayParts};
use crate::ports::Ports;

/// What a simulated gateway is made from.
pub struct SimParts {
    /// Times, bounds and limits.
    pub config: Config,
    /// This process.
    pub node: NodeId,
    /// How many buckets.
    pub buckets: u16,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: SimClock,
    /// Where outcomes for calls go.
    pub calls: Arc<CallHook>,
    /// Decides the order of turns and, unless it is 0, where writes are torn.
    pub seed: u64,
}

impl fmt::Debug for SimParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimParts").field("seed", &self.seed).finish_non_exhaustive()
    }
}

struct Seat {
    bucket: Bucket<SimSocket>,
    commands: mpsc::Receiver<Command<SimSocket>>,
    deferred: FuturesUnordered<Deferred>,
}

/// See the module.
pub struct SimGateway {
    gateway: Gateway<SimSocket>,
    /// Not seated yet: until [`SimGateway::serve`].
    empty: Vec<BucketSeat<SimSocket>>,
    seats: Vec<Seat>,
    net: SimNet,
    clock: SimClock,
    random: u64,
    connected: u16,
}

impl fmt::Debug for SimGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimGateway").field("buckets", &self.seats.len()).finish_non_exhaustive()
    }
}

/// Records taken from the feed in one turn: few, so that turns interleave.
const RECORDS_PER_TURN: usize = 16;
/// Turns after which a simulation that does not come to rest is a bug.
const TURNS_MAX: usize = 1_000_000;

impl SimGateway {
    /// A gateway whose handle exists before its ports do, as in the composition of a server: call
    /// [`SimGateway::serve`] next.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn new(parts: SimParts) -> Result<Self, ConfigError> {
        let (gateway, empty) = Gateway::new(GatewayParts {
            config: parts.config,
            node: parts.node,
            buckets: parts.buckets,
            metrics: parts.metrics,
            clock: Arc::new(parts.clock.clone()),
            calls: parts.calls,
        })?;
        let net = SimNet::default();
        net.tear_writes(parts.seed);
        Ok(Self {
            gateway,
            empty,
            seats: Vec::new(),
            net,
            clock: parts.clock,
            random: parts.seed | 1,
            connected: 0,
        })
    }

    /// Over a gateway and seats that a composition has made; call [`SimGateway::serve`] next. `seed` as in
    /// [`SimParts::seed`].
    #[must_use]
    pub fn over(
        gateway: Gateway<SimSocket>,
        seats: Vec<BucketSeat<SimSocket>>,
        clock: SimClock,
        seed: u64,
    ) -> Self {
        let net = SimNet::default();
        net.tear_writes(seed);
        Self { gateway, empty: seats, seats: Vec::new(), net, clock, random: seed | 1, connected: 0 }
    }

    /// The handle for the other roles.
    #[must_use]
    pub fn gateway(&self) -> Gateway<SimSocket> {
        self.gateway.clone()
    }

    /// Gives the buckets their ports.
    pub fn serve(&mut self, ports: &Ports) {
        for seat in std::mem::take(&mut self.empty) {
            self.seats.push(Seat {
                bucket: Bucket::new(seat.id, seat.shared, ports.clone()),
                commands: seat.commands,
                deferred: FuturesUnordered::new(),
            });
        }
    }

    /// A client connects; this bucket accepts it.
    pub fn connect(&mut self, bucket: BucketId, transport: Transport) -> SimClient {
        self.connected = self.connected.wrapping_add(1);
        let remote = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.connected);
        self.connect_from(bucket, transport, remote)
    }

    /// The same from this address.
    pub fn connect_from(&mut self, bucket: BucketId, transport: Transport, remote: SocketAddr) -> SimClient {
        let (socket, client) = self.net.connect();
        let now = self.clock.now();
        let bucket = &mut self.seats[usize::from(bucket.0)].bucket;
        bucket.begin_turn(now);
        bucket.accept(socket, remote, transport);
        client
    }

    /// One turn of every bucket, in a seeded order. `true`: there was something to do.
    pub fn turn(&mut self) -> bool {
        let count = self.seats.len();
        self.random = xorshift(self.random);
        let first = self.random as usize % count.max(1);
        let mut worked = false;
        for index in 0..count {
            worked |= self.turn_of((first + index) % count);
        }
        worked
    }

    /// One turn of one bucket. `true`: there was something to do.
    ///
    /// # Panics
    /// When there is no such bucket.
    pub fn turn_bucket(&mut self, bucket: BucketId) -> bool {
        self.turn_of(usize::from(bucket.0))
    }

    /// Turns until there is nothing to do at this time.
    ///
    /// # Panics
    /// When it never comes to rest.
    pub fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            if !self.turn() {
                return;
            }
        }
        panic!("the gateway does not come to rest");
    }

    /// When something is due, if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.seats.iter().filter_map(|seat| seat.bucket.next_deadline()).min()
    }

    /// Connections each bucket holds.
    #[must_use]
    pub fn connections(&self) -> Vec<usize> {
        self.seats.iter().map(|seat| seat.bucket.connections()).collect()
    }

    /// Drains all buckets, moving the clock as far as necessary; `between` is called between turns, for the other
    /// roles to do their part.
    pub fn drain(&mut self, deadline: Instant, mut between: impl FnMut()) -> DrainReport {
        let gateway = self.gateway.clone();
        let mut drain = pin!(gateway.drain(deadline));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(report) = drain.as_mut().poll(&mut context) {
                return report;
            }
            self.settle();
            between();
            if !self.turn()
                && let Some(due) = self.next_deadline()
            {
                self.clock.advance_to(due);
            }
        }
    }

    fn turn_of(&mut self, index: usize) -> bool {
        let now = self.clock.now();
        let Seat { bucket, commands, deferred } = &mut self.seats[index];
        let id = BucketId(index as u16);
        let due = bucket.next_deadline().is_some_and(|due| due <= now.mono);
        let mut worked = due || bucket.has_work();
        bucket.begin_turn(now);
        while let Some(ready) = self.net.next_ready(id) {
            bucket.ready(ready);
            worked = true;
        }
        while let Ok(command) = commands.try_recv() {
            bucket.command(command);
            worked = true;
        }
        // Without a waker: every turn asks again.
        let mut context = Context::from_waker(Waker::noop());
        worked |= bucket.poll_feed(RECORDS_PER_TURN, &mut context).is_ready();
        worked |= bucket.finish_turn(&mut SimIo(id));
        deferred.extend(bucket.take_deferred());
        while let Poll::Ready(Some(completed)) = deferred.poll_next_unpin(&mut context) {
            bucket.complete(completed);
            worked = true;
        }
        worked || bucket.has_work()
    }
}
