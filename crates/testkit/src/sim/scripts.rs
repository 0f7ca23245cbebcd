//! Runs with a script in place of a schedule, for what chance finds too rarely.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Report;
use super::faults::Death;
use super::plan::Plan;
use super::world::World;

/// Two new devices of one user log in; before the first cursors are flushed, messages for the user are acknowledged and
/// the power goes. The one device comes back, gets everything, and its cursor is saved; then the other comes back.
#[must_use]
pub fn power_goes_behind_first_logins(seed: u64) -> Report {
    let plan = Plan { are_devices_new: true, ..Plan::peaceful(seed) };
    match World::new(&plan) {
        Ok(mut world) => {
            let ended = world.first_logins();
            world.report(ended)
        }
        Err(error) => Report::unstarted(seed, &error),
    }
}

impl World {
    fn first_logins(&mut self) -> Result<()> {
        // The first two devices are those of the first user.
        const OTHERS: Range<usize> = 2..8;
        self.come_to_rest()?;
        for _round in 0..30 {
            self.somebody_else_talks(OTHERS.start);
            self.rest_of(OTHERS)?;
        }
        self.rest_of(OTHERS)?;
        ensure!(self.ledger.acknowledged_count() > 0, "nothing was acknowledged before the power went");
        self.die(Death::PowerLoss)?;
        // To connect; then to save its cursor.
        for _wait in 0..2 {
            self.clock.advance(Duration::from_secs(6));
            self.rest_of(1..2)?;
        }
        self.server().store.flush_state()?;
        self.settle().and(self.check_at_rest())
    }

    fn somebody_else_talks(&mut self, device: usize) {
        let now = self.now();
        let outgoing = self.talk.next(&self.devices[device].name, &self.ledger, &mut self.rng);
        self.devices[device].say(&outgoing, now, &self.ledger);
    }

    /// These devices and the server do what they can; the others are silent.
    fn rest_of(&mut self, devices: Range<usize>) -> Result<()> {
        for _round in 0..200 {
            let now = self.now();
            self.server().settle(now)?;
            for device in devices.clone() {
                self.work_device(device, usize::MAX, usize::MAX);
            }
        }
        Ok(())
    }
}
