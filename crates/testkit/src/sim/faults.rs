//! What breaks: connections, acknowledgements, processes, power.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use halley_core::metrics::Metrics;

use super::link::Wire;
use super::lives::{End, stored};
use super::plan::Tuning;
use super::server::Server;
use super::world::World;

/// How a process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Death {
    /// What was not synced is lost, kept or torn.
    PowerLoss,
    /// Memory is lost, the page cache stays.
    Kill,
}

/// Starts that the power may end before one is let through.
const STARTS_MAX: u32 = 8;

impl World {
    /// Perhaps something breaks. `true`: it did.
    pub(super) fn fault(&mut self) -> Result<bool> {
        let faults = self.plan.faults;
        let mut roll = u32::try_from(self.rng.below(10_000)).unwrap_or(u32::MAX);
        let mut is = |often: u32| {
            let hit = roll < often;
            roll = roll.wrapping_sub(often);
            hit
        };
        if is(faults.cuts) {
            self.break_a_link();
        } else if is(faults.lost_acks) {
            self.lose_acks();
        } else if is(faults.power_losses) {
            self.die(Death::PowerLoss)?;
        } else if is(faults.power_losses_inside) {
            let operations = 1 + self.rng.below(40);
            self.trace.note(b'o', operations);
            self.disk.power_off_after(operations);
        } else if is(faults.kills) {
            self.die(Death::Kill)?;
        } else if is(faults.restarts) {
            self.restart()?;
        } else if is(faults.failing_syncs) {
            let syncs = 1 + self.rng.below(6);
            self.trace.note(b'y', syncs);
            self.disk.fail_sync_after(syncs);
            self.may_sync_fail = true;
        } else if is(faults.full_disks) {
            let (bytes, ms) = (self.rng.below(20_000), self.rng.below(5_000));
            self.trace.note(b'u', bytes);
            self.disk.set_space_left(Some(bytes));
            self.full_until = Some(self.now() + Duration::from_millis(ms));
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn some_device(&mut self) -> usize {
        usize::try_from(self.rng.below(self.devices.len() as u64)).unwrap_or_default()
    }

    fn lose_acks(&mut self) {
        let until = self.now() + Duration::from_millis(self.rng.below(12_000));
        let index = self.some_device();
        self.trace.note(b'm', index as u64);
        self.devices[index].acks_lost_until = Some(until);
    }

    fn break_a_link(&mut self) {
        let (now, index, way) = (self.now(), self.some_device(), self.rng.below(5));
        self.trace.note(b'c', way);
        let notices_at = now + Duration::from_millis(self.rng.below(20_000));
        let (wire, device) = (&mut self.wire, &mut self.devices[index]);
        let Some(link) = &mut device.link else { return };
        wire.broken += 1;
        match way {
            // The client notices at once, having got all, some or nothing of what was on its way.
            0 | 1 => {
                let got = self.rng.below(400) * way;
                link.carry_down(usize::try_from(got).unwrap_or_default(), wire);
                device.work(now, &self.ledger, &mut self.trace);
                if let Some(link) = device.disconnect(now, &mut self.rng) {
                    self.bury(index, link);
                }
            }
            // It is dead, and the client does not know.
            2 => {
                link.cut(wire);
                device.notices_at = Some(notices_at);
            }
            // The client is away, and the server does not know.
            3 => {
                if let Some(link) = device.disconnect(now, &mut self.rng) {
                    self.ghosts.push((index, link));
                }
            }
            // The client's half is closed.
            _ => link.end(),
        }
    }

    /// The process dies at once, and a new one starts over what is left.
    pub(super) fn die(&mut self, death: Death) -> Result<()> {
        self.trace.note(b'd', u64::from(death == Death::Kill));
        match death {
            Death::PowerLoss => self.disk.crash(),
            Death::Kill => self.disk.kill(),
        }
        self.disk.set_syncs_lie(false);
        let metrics = Arc::clone(&self.server().metrics);
        self.changes.forget();
        drop(self.take_server());
        self.begin_life(&metrics, End::Killed)
    }

    fn restart(&mut self) -> Result<()> {
        self.trace.note(b'e', 0);
        self.changes.forget();
        let metrics = Arc::clone(&self.server().metrics);
        let clock = self.clock.clone();
        if let Some(server) = self.take_server() {
            match server.stop(&clock) {
                Ok(report) => self.trace.note(b'e', report.clean as u64),
                // The power went, or a sync failed, while it ended.
                Err(_) if self.is_disk_off() => {
                    self.disk.crash();
                    return self.begin_life(&metrics, End::Killed);
                }
                Err(_) if self.may_sync_fail => {
                    self.disk.kill();
                    return self.begin_life(&metrics, End::Killed);
                }
                Err(error) => return Err(error).context("stop"),
            }
        }
        // The power may go as well, right behind a clean end.
        if self.rng.below(2) == 0 {
            self.disk.crash();
        } else {
            self.disk.kill();
        }
        self.begin_life(&metrics, End::Clean)
    }

    fn begin_life(&mut self, before: &Arc<Metrics>, ended: End) -> Result<()> {
        let server = self.start_server()?;
        self.part_clients();
        let stored_after = stored(&*server.timelines, &self.timelines)?;
        self.set_server(server);
        self.end_life(before, ended, stored_after);
        self.stored_before = stored_after;
        self.wire = Wire::default();
        self.check_group()
    }

    /// Every connection is gone; what had left the server before may still come.
    fn part_clients(&mut self) {
        let now = self.now();
        for index in 0..self.devices.len() {
            let device = &mut self.devices[index];
            let Some(link) = &mut device.link else { continue };
            let most = *self.rng.one_of(&[0, 500, 1 << 20]);
            let got = usize::try_from(self.rng.below(most + 1)).unwrap_or_default();
            link.carry_down(got, &mut self.wire);
            device.work(now, &self.ledger, &mut self.trace);
            if let Some(link) = device.disconnect(now, &mut self.rng) {
                self.bury(index, link);
            }
        }
        self.bury_ghosts();
    }

    pub(super) fn bury_ghosts(&mut self) {
        for (device, ghost) in std::mem::take(&mut self.ghosts) {
            self.bury(device, ghost);
        }
    }

    /// A step failed at the disk: right only when the power is off, or a sync was to fail. The process is no more.
    pub(super) fn disk_failed(&mut self, what: &str) -> Result<()> {
        if self.is_disk_off() {
            return self.die(Death::PowerLoss);
        }
        if self.may_sync_fail {
            return self.die(Death::Kill);
        }
        if self.full_until.is_some() {
            // It says so and goes on.
            return Ok(());
        }
        bail!("{what}, and the disk is healthy")
    }

    pub(super) fn is_disk_off(&self) -> bool {
        self.disk.files().list().is_err()
    }

    fn start_server(&mut self) -> Result<Server> {
        for _start in 0..STARTS_MAX {
            if self.plan.faults.power_losses_inside > 0 && self.rng.below(4) == 0 {
                self.disk.power_off_after(1 + self.rng.below(40));
            }
            // No process is back within the millisecond: ids of what is in no journal, logins for one, would be given again.
            self.clock.advance(Duration::from_millis(1));
            let seed = self.rng.bits();
            self.tuning = Tuning::of(&mut self.rng, self.log_id);
            match Server::start(&self.disk, &self.tuning, &self.clock, seed) {
                // The power went while it started, whether it noticed or not.
                _ if self.is_disk_off() => self.disk.crash(),
                Ok(server) => return Ok(server),
                Err(_) if self.may_sync_fail => self.disk.kill(),
                Err(error) => {
                    self.was_start_refused = true;
                    return Err(error).context("start again");
                }
            }
        }
        self.disk.heal();
        self.may_sync_fail = false;
        Server::start(&self.disk, &self.tuning, &self.clock, 1).context("start again")
    }
}
