//! One life of the process: what `halley serve` composes, taking turns.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use halley::serve::{Roles, compose};
use halley_backends::Embedded;
use halley_backends::disk::journal::Stepped;
use halley_backends::memory::{MemoryBus, MemoryDirectory};
use halley_comet::DrainReport;
use halley_comet::driver::sim::{SimClient, SimClock, SimGateway, SimSocket};
use halley_core::app::{AppSettings, AuthMethod};
use halley_core::clock::Clock;
use halley_core::group::{Group, GroupChange, GroupProfile};
use halley_core::ids::{AppId, BucketId, GroupId, UserId};
use halley_core::metrics::Metrics;
use halley_core::ports::accounts::{Apps as _, Unknown, Users as _};
use halley_core::ports::business::{GroupEdit, GroupError, GroupService as _, NewGroup};
use halley_core::ports::timelines::Timelines;
use halley_core::reply::Reply;
use halley_core::session::Transport;
use halley_journal::sim::SimDisk;
use halley_logic::GroupWriter;
use halley_store::Materializer;

use super::plan::Tuning;

pub(super) const APP: &str = "sim";
pub(super) const GROUP: &str = "77";
/// A super group of the first two users, to begin with; the first one owns it, and is the one who speaks there.
pub(super) const SUPER: &str = "88";
pub(super) const BUCKETS: u16 = 2;
/// Rounds after which a server that does not come to rest is a bug.
const ROUNDS_MAX: usize = 100_000;
/// A drain may take this long, in simulated time.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Server {
    gateway: SimGateway,
    shards: Vec<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    materializer: Materializer,
    bus: Arc<MemoryBus>,
    pub(super) directory: Arc<MemoryDirectory>,
    pub(super) timelines: Arc<dyn Timelines>,
    groups: Arc<GroupWriter>,
    pub(super) metrics: Arc<Metrics>,
    /// Last: the roles go first.
    pub(super) store: Embedded,
}

/// The answer of something that does not wait, here.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> Result<T> {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(anyhow!("a port did not answer at once")),
    }
}

impl Server {
    /// Starts over what is on the disk.
    pub(super) fn start(disk: &SimDisk, tuning: &Tuning, clock: &SimClock, seed: u64) -> Result<Self> {
        let (metrics, _registry) = Metrics::new();
        let store = Embedded::simulated(disk, tuning.options(&metrics)).context("open the store")?;
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let roles =
            compose::<SimSocket>(&store, tuning.comet.clone(), tuning.answer, BUCKETS, &time, &metrics)?;
        let Roles {
            gateway,
            seats,
            comet_ports,
            shards,
            bus,
            materializer,
            directory,
            timelines,
            group_writer,
            ..
        } = roles;
        let mut gateway = SimGateway::over(gateway, seats, clock.clone(), seed);
        gateway.serve(&comet_ports);
        let shards =
            shards.into_iter().map(|shard| Some(Box::pin(shard.run()) as Pin<Box<dyn Future<Output = ()>>>));
        let shards = shards.collect();
        Ok(Self {
            gateway,
            shards,
            materializer,
            bus,
            directory,
            timelines,
            groups: group_writer,
            metrics,
            store,
        })
    }

    /// Makes the app, the users and the group; answers the app's number and the users'.
    pub(super) fn prepare(&mut self, users: &[String], now: Instant) -> Result<(AppId, Vec<UserId>)> {
        let settings = AppSettings { auth: vec![AuthMethod::Dev], ..AppSettings::default() };
        let app = at_once(self.store.state.put(APP, settings))??.id;
        let mut numbers = Vec::new();
        for user in users {
            let number = at_once(self.store.state.number(app, user, Unknown::Number))??;
            numbers.push(number.context("a user has a number")?);
        }
        self.create(app, GROUP, false, numbers[0], &numbers[1..], now)?;
        self.create(app, SUPER, true, numbers[0], &numbers[1..2], now)?;
        Ok((app, numbers))
    }

    fn create(
        &mut self,
        app: AppId,
        id: &str,
        is_super: bool,
        owner: UserId,
        members: &[UserId],
        now: Instant,
    ) -> Result<()> {
        let new = NewGroup {
            app,
            id: GroupId::from_decimal(id),
            profile: GroupProfile { name: "0".to_owned(), is_super, ..GroupProfile::default() },
            owner,
            members: members.to_vec(),
            operator: None,
            silent: false,
        };
        let mut created = pin!(self.groups.create(new));
        for _round in 0..ROUNDS_MAX {
            if let Poll::Ready(created) = created.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())) {
                created?;
                return Ok(());
            }
            self.store.step(now);
        }
        bail!("group {id} was never made")
    }

    pub(super) fn change_group(
        &self,
        app: AppId,
        group: GroupId,
        change: GroupChange,
    ) -> Reply<Result<Option<Arc<Group>>, GroupError>> {
        self.groups.change(GroupEdit { app, group, change, operator: None, silent: false })
    }

    pub(super) fn connect(&mut self, bucket: u16) -> SimClient {
        self.gateway.connect(BucketId(bucket), Transport::TxchatTcp)
    }

    pub(super) fn turn(&mut self, bucket: u16) -> bool {
        self.gateway.turn_bucket(BucketId(bucket))
    }

    pub(super) fn poll_shard(&mut self, bucket: u16) {
        poll_shard(&mut self.shards[usize::from(bucket)]);
    }

    pub(super) fn commit(&mut self, now: Instant) -> Stepped {
        self.store.step(now)
    }

    pub(super) fn materialize(&mut self) -> Result<usize> {
        self.materializer.step().context("materialize")
    }

    /// When something is due in the gateway.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.gateway.next_deadline()
    }

    /// When something is due in the journal; it may do what is due already.
    pub(super) fn next_commit(&mut self, now: Instant) -> Option<Instant> {
        match self.store.step(now) {
            Stepped::Idle { until } => until,
            Stepped::NoSpace { until } => Some(until),
            Stepped::Committed { .. } | Stepped::Lost => Some(now),
        }
    }

    /// Connections the gateway holds.
    pub(super) fn connections(&self) -> usize {
        self.gateway.connections().iter().sum()
    }

    /// Does everything that can be done at this time.
    pub(super) fn settle(&mut self, now: Instant) -> Result<()> {
        for _round in 0..ROUNDS_MAX {
            let mut worked = self.gateway.turn();
            self.shards.iter_mut().for_each(poll_shard);
            match self.store.step(now) {
                Stepped::Idle { .. } => {}
                Stepped::Committed { .. } => worked = true,
                // There is space again; it tries again when it is time.
                Stepped::NoSpace { .. } => {}
                Stepped::Lost => bail!("the journal is lost"),
            }
            self.shards.iter_mut().for_each(poll_shard);
            worked |= self.materialize()? > 0;
            worked |= self.gateway.turn();
            if !worked {
                return Ok(());
            }
        }
        bail!("the server does not come to rest")
    }

    /// Ends as at SIGTERM. What clients had not read before is still in their sockets.
    pub(super) fn stop(self, clock: &SimClock) -> Result<DrainReport> {
        let Self { mut gateway, mut shards, mut materializer, bus, mut store, .. } = self;
        let mut failed = None;
        let report = gateway.drain(clock.now().mono + DRAIN_WITHIN, || {
            shards.iter_mut().for_each(poll_shard);
            store.step(clock.now().mono);
            if let Err(error) = materializer.step() {
                failed = Some(error);
            }
            shards.iter_mut().for_each(poll_shard);
        });
        bus.close();
        for _round in 0..ROUNDS_MAX {
            shards.iter_mut().for_each(poll_shard);
            if shards.iter().all(Option::is_none) {
                break;
            }
            store.step(clock.now().mono);
            materializer.step().context("materialize while stopping")?;
        }
        if shards.iter().any(Option::is_some) {
            bail!("a shard did not end although the bus is closed");
        }
        drop(gateway);
        while materializer.step().context("materialize while stopping")? > 0 {}
        drop(materializer);
        if let Some(error) = failed {
            return Err(error).context("materialize while draining");
        }
        store.close().context("close the store")?;
        Ok(report)
    }
}

fn poll_shard(shard: &mut Option<Pin<Box<dyn Future<Output = ()>>>>) {
    if let Some(running) = shard
        && running.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())).is_ready()
    {
        *shard = None;
    }
}
