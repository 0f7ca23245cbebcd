//! The world of a run: one disk, one clock, one server after the other, the clients, and the schedule.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use halley_backends::disk::journal::Stepped;
use halley_comet::driver::sim::SimClock;
use halley_core::clock::Clock as _;
use halley_core::ids::GroupId;
use halley_core::metrics::Metrics;
use halley_core::timeline::TimelineId;
use halley_journal::sim::SimDisk;

use super::Report;
use super::changes::Changes;
use super::device::Device;
use super::link::{Link, Wire};
use super::lives::{End, Life};
use super::plan::{Plan, Tuning};
use super::reader::Reader;
use super::server::{BUCKETS, SUPER, Server};
use super::talk::Talk;
use super::trace::Trace;
use crate::ledger::{DeviceName, Ledger};
use crate::rng::Rng;

/// Two decimal ids, and two that have alias numbers.
const USERS: [&str; 4] = ["1", "2", "anna", "bert"];
const WALL_MS: u64 = 1_700_000_000_000;

/// See the module.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) tuning: Tuning,
    pub(super) log_id: u64,
    pub(super) rng: Rng,
    pub(super) trace: Trace,
    pub(super) clock: SimClock,
    pub(super) disk: SimDisk,
    server: Option<Server>,
    pub(super) devices: Vec<Device>,
    /// Connections that their clients have forgotten, and the server has not noticed.
    pub(super) ghosts: Vec<(usize, Link)>,
    /// What each connection that has ended was pushed, with its device's place.
    pub(super) sessions: Vec<(usize, Vec<i64>)>,
    pub(super) changes: Changes,
    /// A sync was told to fail, and perhaps has not yet.
    pub(super) may_sync_fail: bool,
    /// The disk has little room, or none, until then.
    pub(super) full_until: Option<Instant>,
    pub(super) talk: Talk,
    pub(super) ledger: Ledger,
    /// One for each timeline.
    pub(super) readers: Vec<Reader>,
    /// The inboxes, in the order of the users, then the super group's feed.
    pub(super) timelines: Vec<TimelineId>,
    /// Of the life of this server.
    pub(super) wire: Wire,
    pub(super) stored_before: u64,
    pub(super) wrong: Vec<String>,
    pub(super) was_start_refused: bool,
    pub(super) counts: Counts,
}

/// Sums over lives.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) lives: usize,
    pub(super) broken: u64,
    pub(super) resends: u64,
    pub(super) repetitions: u64,
    pub(super) behind: u64,
    pub(super) lagging: u64,
    pub(super) commit_retries: u64,
    pub(super) refused: u64,
}

impl World {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let mut rng = Rng::new(plan.seed);
        let log_id = rng.bits() | 1;
        let tuning = Tuning::of(&mut rng, log_id);
        let (clock, disk) = (SimClock::new(WALL_MS), SimDisk::new(rng.bits()));
        let users = USERS.map(str::to_owned);
        let now = clock.now().mono;
        let mut server = Server::start(&disk, &tuning, &clock, rng.bits())?;
        let (app, numbers) = server.prepare(&users, now)?;
        let feed = GroupId::from_decimal(SUPER).context("is a group id")?;
        let inboxes = numbers.iter().map(|number| TimelineId::Inbox(app, *number));
        let timelines: Vec<_> = inboxes.chain([TimelineId::Feed(app, feed)]).collect();
        let devices = users.iter().flat_map(|user| {
            ["phone", "tablet"].map(|device| DeviceName { user: user.clone(), device: device.to_owned() })
        });
        Ok(Self {
            plan: plan.clone(),
            tuning,
            log_id,
            rng,
            trace: Trace::new(),
            clock,
            disk,
            server: Some(server),
            devices: devices.map(|name| Device::new(name, now)).collect(),
            ghosts: Vec::new(),
            sessions: Vec::new(),
            changes: Changes::new(app, numbers),
            may_sync_fail: false,
            full_until: None,
            talk: Talk::new(&users),
            ledger: Ledger::default(),
            readers: timelines.iter().map(|timeline| Reader::new(*timeline)).collect(),
            timelines,
            wire: Wire::default(),
            stored_before: 0,
            wrong: Vec::new(),
            was_start_refused: false,
            counts: Counts::default(),
        })
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now().mono
    }

    /// The server, which is there but for the moment between two lives.
    pub(super) fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("between two lives nobody asks")
    }

    pub(super) fn take_server(&mut self) -> Option<Server> {
        self.server.take()
    }

    pub(super) fn set_server(&mut self, server: Server) {
        self.server = Some(server);
    }

    /// Runs the schedule, lets everything settle, and checks what can be checked of a server that is at rest.
    pub(super) fn run(&mut self) -> Result<()> {
        // Ruling 6: a device that is new beside another of its class starts where that one is, so all log in first.
        self.come_to_rest().context("log in")?;
        let online = self.devices.iter().filter(|device| device.session.is_online()).count();
        anyhow::ensure!(online == self.devices.len(), "only {online} devices could log in");
        if !self.plan.are_devices_new {
            self.server().store.flush_state().context("log in")?;
        }
        self.disk.set_syncs_lie(self.plan.is_fsync_a_lie);
        let stepped =
            (0..self.plan.steps).try_for_each(|step| self.step().with_context(|| format!("step {step}")));
        if self.server.is_none() {
            return stepped;
        }
        // Also when something is wrong already: the checks at rest say more of it.
        let settled = self.settle().context("settle");
        let checked = if self.server.is_some() { self.check_at_rest() } else { Ok(()) };
        stepped.and(settled).and(checked)
    }

    fn step(&mut self) -> Result<()> {
        if self.fault()? {
            return Ok(());
        }
        let choice = self.rng.below(100);
        self.trace.note(b's', choice);
        match choice {
            0..45 => self.device_works(),
            45..63 => {
                let bucket = self.bucket();
                self.server().turn(bucket);
            }
            63..73 => {
                let bucket = self.bucket();
                self.server().poll_shard(bucket);
            }
            73..82 => {
                let now = self.now();
                if matches!(self.server().commit(now), Stepped::Lost | Stepped::NoSpace { .. }) {
                    return self.disk_failed("the journal is lost");
                }
            }
            82..86 => {
                if let Err(error) = self.server().materialize() {
                    return self.disk_failed(&format!("{error:#}"));
                }
            }
            86 => return self.flush_state(),
            87..92 => self.time_passes(),
            92..96 => self.somebody_talks(),
            96 if !self.plan.is_fsync_a_lie => self.change_group()?,
            _ => self.somebody_reads()?,
        }
        Ok(())
    }

    pub(super) fn bucket(&mut self) -> u16 {
        u16::try_from(self.rng.below(BUCKETS.into())).unwrap_or_default()
    }

    fn flush_state(&mut self) -> Result<()> {
        if self.plan.is_fsync_a_lie {
            return Ok(());
        }
        match self.server().store.flush_state() {
            Ok(()) => Ok(()),
            Err(error) => self.disk_failed(&format!("cursors were not written: {error}")),
        }
    }

    fn time_passes(&mut self) {
        let ms = match self.rng.below(20) {
            0 => 200 + self.rng.below(3_000),
            1..5 => self.rng.below(150),
            _ => self.rng.below(4),
        };
        self.clock.advance(Duration::from_millis(ms));
        if self.full_until.is_some_and(|until| until <= self.now()) {
            self.full_until = None;
            self.disk.set_space_left(None);
        }
        self.trace.note(b't', ms);
    }

    fn somebody_reads(&mut self) -> Result<()> {
        let index = usize::try_from(self.rng.below(self.readers.len() as u64)).unwrap_or_default();
        let server = self.server.as_ref().expect("a server is there");
        match self.readers[index].read_on(&*server.timelines, &mut self.rng, &mut self.trace) {
            Ok(()) => Ok(()),
            Err(error) if !self.is_disk_off() => Err(error),
            Err(error) => self.disk_failed(&format!("{error:#}")),
        }
    }

    /// A life of the server is over, or looked at before its end: its counters must add up.
    pub(super) fn end_life(&mut self, metrics: &Metrics, end: End, stored_after: u64) {
        self.counts.lives += 1;
        self.counts.broken += self.wire.broken;
        self.counts.resends += metrics.resends.get();
        self.counts.repetitions += metrics.repetitions.get();
        self.counts.behind += metrics.sessions_behind.get();
        self.counts.lagging += metrics.feeds_lagging.get();
        self.counts.commit_retries += metrics.commit_retries.get();
        self.counts.refused += metrics.refusals.values().iter().map(|(_, count)| count).sum::<u64>();
        let mut wrong = Vec::new();
        Life { metrics, wire: self.wire, stored_before: self.stored_before }.check(
            end,
            stored_after,
            &mut wrong,
        );
        let life = self.counts.lives;
        self.wrong
            .extend(wrong.into_iter().map(|wrong| format!("{wrong} (life {life}, which ended {end:?})")));
    }

    pub(super) fn report(mut self, ended: Result<()>) -> Report {
        if let Err(error) = ended {
            self.wrong.push(format!("{error:#}"));
        }
        self.trace.note(b'a', self.ledger.acknowledged_count() as u64);
        Report {
            seed: self.plan.seed,
            trace: self.trace.value(),
            said: self.ledger.said_count(),
            acknowledged: self.ledger.acknowledged_count(),
            lives: self.counts.lives,
            broken_links: self.counts.broken,
            resends: self.counts.resends,
            repetitions: self.counts.repetitions,
            behind: self.counts.behind,
            lagging: self.counts.lagging,
            stays: self.changes.stays(),
            commit_retries: self.counts.commit_retries,
            refused: self.counts.refused,
            was_start_refused: self.was_start_refused,
            wrong: self.wrong,
        }
    }
}
