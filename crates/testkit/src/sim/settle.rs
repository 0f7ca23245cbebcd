//! The end of a run: nothing breaks any more, time passes until everybody has everything, and all is compared.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use halley_core::clock::Clock as _;
use halley_core::timeline::TimelineId;

use super::faults::Death;
use super::lives::{End, stored};
use super::world::World;
use crate::ledger::{DeviceName, Listed};

/// Everything must have arrived within this time, simulated: longer than the longest resend delay and silence.
const SETTLED_WITHIN: Duration = Duration::from_secs(4 * 60);
/// So long it is watched afterwards: nothing may come again.
const WATCHED_FOR: Duration = Duration::from_secs(45);
const STEP_MAX: Duration = Duration::from_secs(5);
const ROUNDS_MAX: usize = 100_000;

impl World {
    pub(super) fn settle(&mut self) -> Result<()> {
        // What failed where nobody has looked yet is looked at now.
        if self.is_disk_off() {
            self.die(Death::PowerLoss)?;
        } else if self.may_sync_fail {
            self.die(Death::Kill)?;
        }
        self.disk.heal();
        self.may_sync_fail = false;
        self.full_until = None;
        self.bury_ghosts();
        for device in &mut self.devices {
            device.acks_lost_until = None;
        }
        let end = self.now() + SETTLED_WITHIN;
        let names: Vec<DeviceName> = self.devices.iter().map(|device| device.name.clone()).collect();
        let mut rounds = 0_u32;
        loop {
            self.come_to_rest()?;
            if self.changes.is_pending() {
                self.change_group()?;
            }
            let unanswered = self.ledger.said_count() - self.ledger.acknowledged_count();
            let repeating: usize = self.devices.iter().map(|device| device.session.unanswered()).sum();
            let offline = self.devices.iter().filter(|device| !device.session.is_online()).count();
            let is_quiet = unanswered + repeating + offline == 0 && !self.changes.is_pending();
            let is_late = self.now() >= end;
            // Comparing everything is dear: not for every tick of a timer.
            rounds += 1;
            if !is_late && (!is_quiet || !rounds.is_multiple_of(8)) {
                self.pass_to_next();
                continue;
            }
            self.know_feed()?;
            let outstanding = self.ledger.outstanding(&names);
            if is_quiet && outstanding.is_empty() {
                break;
            }
            if is_late {
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
        self.check_told()
    }

    /// All that can be done at this time.
    pub(super) fn come_to_rest(&mut self) -> Result<()> {
        for _round in 0..ROUNDS_MAX {
            let now = self.now();
            self.server().settle(now).or_else(|error| self.disk_failed(&format!("{error:#}")))?;
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
        let now = self.now();
        let next = [devices, self.server().next_deadline(), self.server().next_commit(now)]
            .into_iter()
            .flatten()
            .min();
        let next = next.map_or(latest, |next| next.clamp(self.now() + Duration::from_millis(1), latest));
        self.clock.advance_to(next);
    }

    /// Every connection was pushed a stretch of its user's inbox, and of what is for them in the feed: nothing out of
    /// order, nothing twice, no gap.
    fn check_sessions(&mut self, shown: &BTreeMap<String, Vec<i64>>) {
        let live = self.devices.iter().enumerate();
        let live = live.filter_map(|(place, device)| Some((place, device.link.as_ref()?.pushed().to_vec())));
        let sessions: Vec<_> = self.sessions.iter().cloned().chain(live).collect();
        let in_feed: HashSet<i64> =
            self.readers.last().into_iter().flat_map(|feed| &feed.shown).copied().collect();
        for (device, pushed) in sessions {
            let inbox = shown.get(&self.devices[device].name.user).map(Vec::as_slice).unwrap_or_default();
            // What stands in both is shown where the inbox has it.
            let in_inbox: HashSet<i64> = inbox.iter().copied().collect();
            let (of_feed, pushed): (Vec<i64>, Vec<i64>) =
                pushed.into_iter().partition(|id| in_feed.contains(id) && !in_inbox.contains(id));
            self.check_pushed_of_feed(device, &of_feed);
            if pushed.is_empty() {
                continue;
            }
            let name = &self.devices[device].name;
            let from = inbox.iter().position(|id| *id == pushed[0]).unwrap_or(inbox.len());
            let stretch: Vec<i64> = inbox[from..].iter().take(pushed.len()).copied().collect();
            if stretch != pushed {
                self.wrong.push(format!(
                    "a session of {name:?} was pushed {pushed:?}, its inbox has {stretch:?} there"
                ));
            }
        }
    }

    pub(super) fn check_at_rest(&mut self) -> Result<()> {
        let (devices, metrics) = (self.devices.len(), Arc::clone(&self.server().metrics));
        let held = self.server().connections();
        let online = halley_core::ports::directory::Directory::count(&*self.server().directory);
        let gauges = [metrics.connections.get(), metrics.sessions.get()];
        if held != devices
            || online != devices
            || gauges.iter().any(|gauge| *gauge != i64::try_from(devices).unwrap_or(i64::MAX))
        {
            self.wrong.push(format!(
                "{devices} devices are connected; the gateway has {held}, the directory {online}, the metrics {gauges:?}"
            ));
        }
        let timelines = Arc::clone(&self.server().timelines);
        let (mut inboxes, mut shown) = (BTreeMap::new(), BTreeMap::new());
        for (place, reader) in self.readers.iter_mut().enumerate() {
            let read = reader.read_on(&*timelines, &mut self.rng, &mut self.trace);
            let read = read.and_then(|()| reader.check_all(&*timelines, &mut self.rng));
            self.wrong.extend(read.err().map(|error| format!("{error:#}")));
            if !matches!(self.timelines[place], TimelineId::Inbox(..)) {
                continue;
            }
            let listed: Vec<Listed> = reader.listed.iter().map(|(_, listed)| listed.clone()).collect();
            shown.insert(self.talk.user(place), reader.shown.clone());
            inboxes.insert(self.talk.user(place), listed);
        }
        self.know_feed()?;
        self.wrong.extend(self.ledger.check(&inboxes, &BTreeMap::new()));
        self.check_sessions(&shown);
        let names: Vec<DeviceName> = self.devices.iter().map(|device| device.name.clone()).collect();
        self.wrong.extend(self.ledger.check_receipts(&names));
        self.check_group()?;
        let stored = stored(&*timelines, &self.timelines)?;
        if stored != self.ledger.said_count() as u64 {
            self.wrong.push(format!("{} messages were said, {stored} are stored", self.ledger.said_count()));
        }
        self.end_life(&metrics, End::AtRest, stored);
        self.trace.note(b'z', self.clock.now().wall_ms);
        Ok(())
    }
}
