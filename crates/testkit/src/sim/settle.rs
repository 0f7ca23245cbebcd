//! The end of a run: nothing breaks any more, time passes until everybody has everything, and all is compared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use halley_core::clock::Clock as _;

use super::lives::{End, stored};
use super::world::World;
use crate::ledger::DeviceName;

/// Everything must have arrived within this time, simulated: longer than the longest resend delay and silence.
const SETTLED_WITHIN: Duration = Duration::from_secs(15 * 60);
/// So long it is watched afterwards: nothing may come again.
const WATCHED_FOR: Duration = Duration::from_secs(45);
const STEP_MAX: Duration = Duration::from_secs(5);
const ROUNDS_MAX: usize = 100_000;

impl World {
    pub(super) fn settle(&mut self) -> Result<()> {
        self.disk.heal();
        for mut ghost in self.ghosts.drain(..) {
            ghost.cut(&mut self.wire);
        }
        for device in &mut self.devices {
            device.acks_lost_until = None;
        }
        let end = self.now() + SETTLED_WITHIN;
        let names: Vec<DeviceName> = self.devices.iter().map(|device| device.name.clone()).collect();
        loop {
            self.come_to_rest()?;
            let outstanding = self.ledger.outstanding(&names);
            let unanswered = self.ledger.said_count() - self.ledger.acknowledged_count();
            let repeating: usize = self.devices.iter().map(|device| device.session.unanswered()).sum();
            let offline = self.devices.iter().filter(|device| !device.session.is_online()).count();
            if outstanding.is_empty() && unanswered + repeating + offline == 0 {
                break;
            }
            if self.now() >= end {
                let some: Vec<_> = outstanding.iter().take(6).collect();
                bail!(
                    "after {SETTLED_WITHIN:?}: {} deliveries, {unanswered} answers, {repeating} sends are missing, {offline} \
                     devices offline; some: {some:?}",
                    outstanding.len()
                );
            }
            self.pass_to_next();
        }
        let end = self.now() + WATCHED_FOR;
        while self.now() < end {
            self.pass_to_next();
            self.come_to_rest()?;
        }
        Ok(())
    }

    /// All that can be done at this time.
    pub(super) fn come_to_rest(&mut self) -> Result<()> {
        for _round in 0..ROUNDS_MAX {
            let now = self.now();
            self.server().settle(now)?;
            let mut worked = false;
            for index in 0..self.devices.len() {
                worked |= self.work_device(index, usize::MAX, usize::MAX);
            }
            if !worked {
                return Ok(());
            }
        }
        bail!("clients and server do not come to rest")
    }

    fn pass_to_next(&mut self) {
        let latest = self.now() + STEP_MAX;
        let devices = self.devices.iter().filter_map(super::device::Device::next_deadline).min();
        let next = [devices, self.server().next_deadline()].into_iter().flatten().min();
        let next = next.map_or(latest, |next| next.clamp(self.now() + Duration::from_millis(1), latest));
        self.clock.advance_to(next);
    }

    pub(super) fn check_at_rest(&mut self) -> Result<()> {
        let (devices, metrics) = (self.devices.len(), Arc::clone(&self.server().metrics));
        let held = self.server().connections();
        let online = halley_core::ports::directory::Directory::count(&*self.server().directory);
        let gauges = [metrics.connections.get(), metrics.sessions.get()];
        if held != devices || online != devices || gauges != [devices as i64; 2] {
            self.wrong.push(format!(
                "{devices} devices are connected; the gateway has {held}, the directory {online}, the metrics {gauges:?}"
            ));
        }
        let timelines = Arc::clone(&self.server().timelines);
        let mut inboxes = BTreeMap::new();
        for (place, reader) in self.readers.iter_mut().enumerate() {
            reader.read_on(&*timelines, &mut self.rng, &mut self.trace)?;
            reader.check_all(&*timelines, &mut self.rng)?;
            let listed = reader.listed.iter().map(|(_, listed)| listed.clone()).collect();
            inboxes.insert(self.talk.user(place), listed);
        }
        self.wrong.extend(self.ledger.check(&inboxes));
        let stored = stored(&*timelines, &self.inboxes)?;
        if stored != self.ledger.said_count() as u64 {
            self.wrong.push(format!("{} messages were said, {stored} are stored", self.ledger.said_count()));
        }
        self.end_life(&metrics, End::AtRest, stored);
        self.trace.note(b'z', self.clock.now().wall_ms);
        Ok(())
    }
}
