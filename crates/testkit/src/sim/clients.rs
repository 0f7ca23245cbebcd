//! The clients' part of the schedule.

use std::time::Duration;

use super::link::Link;
use super::world::World;

/// What was refused for now is said again after this long.
const REFUSED_DELAY: Duration = Duration::from_millis(20);

impl World {
    pub(super) fn device_works(&mut self) {
        let index = usize::try_from(self.rng.below(self.devices.len() as u64)).unwrap_or_default();
        let up_max = self.some_bytes();
        let down_max = self.some_bytes();
        self.work_device(index, up_max, down_max);
    }

    fn some_bytes(&mut self) -> usize {
        let max = *self.rng.one_of(&[0, 3, 40, 600, 1 << 20]);
        usize::try_from(self.rng.below(max + 1)).unwrap_or_default()
    }

    /// One device does what it can, with so many bytes travelling. `true`: something happened.
    pub(super) fn work_device(&mut self, index: usize, up_max: usize, down_max: usize) -> bool {
        let now = self.now();
        let bucket = self.bucket();
        if self.devices[index].link.is_none() {
            if self.devices[index].connect_at > now {
                return false;
            }
            let socket = self.server().connect(bucket);
            self.devices[index].connected(socket, now);
        }
        let device = &mut self.devices[index];
        device.say_again(now, &self.ledger);
        let mut worked = device.carry(up_max, down_max, &mut self.wire);
        let mut holds = device.work(now, &self.ledger, &mut self.trace);
        worked |= device.carry(0, 0, &mut self.wire);
        if let Some(link) = &mut device.link
            && link.is_over()
        {
            // All that came is still told; then it is over.
            link.carry_down(usize::MAX, &mut self.wire);
            device.work(now, &self.ledger, &mut self.trace);
            holds = false;
        }
        holds &= device.notices_at.is_none_or(|at| at > now);
        let acknowledged = std::mem::take(&mut device.acknowledged);
        let refused = std::mem::take(&mut device.refused);
        let given_up = if holds { None } else { device.disconnect(now, &mut self.rng) };
        if let Some(link) = given_up {
            self.wire.broken += 1;
            self.bury(index, link);
        }
        for client_id in acknowledged {
            for reader in self.talk.concerned(&client_id) {
                self.readers[reader].is_due(&client_id);
            }
        }
        for (client_id, code) in refused {
            self.say_again(index, &client_id, code);
        }
        worked || !holds || self.devices[index].link.as_ref().is_some_and(|link| link.unsent() > 0)
    }

    /// The server could not take it, and says that later it may.
    fn say_again(&mut self, device: usize, client_id: &str, code: i32) {
        self.trace.note(b'n', u64::from(code.unsigned_abs()));
        // A failed disk is the only reason there is.
        if self.plan.faults.failing_syncs + self.plan.faults.full_disks == 0 {
            self.wrong.push(format!("{client_id} was refused with {code} although the disk is healthy"));
        }
        // A disk that is full stays so for a moment: at once, it would be said and refused without end.
        let at = self.now() + REFUSED_DELAY;
        self.devices[device].again.extend(self.talk.said(client_id).map(|outgoing| (at, outgoing)));
    }

    /// A connection of this device has ended, or ends now.
    pub(super) fn bury(&mut self, device: usize, mut link: Link) {
        link.cut(&mut self.wire);
        self.sessions.push((device, link.pushed().to_vec()));
    }

    pub(super) fn somebody_talks(&mut self) {
        let now = self.now();
        // Those of the first user speak more often, and much at once: also in the super group.
        let is_first = self.rng.below(3) == 0;
        let devices = if is_first { 2 } else { self.devices.len() as u64 };
        let index = usize::try_from(self.rng.below(devices)).unwrap_or_default();
        let count = if is_first { 1 + self.rng.below(4) } else { 1 };
        let device = &mut self.devices[index];
        for _ in 0..count {
            if device.session.unanswered() >= 6 {
                return;
            }
            let outgoing = self.talk.next(&device.name, &self.ledger, &mut self.rng);
            device.say(&outgoing, now, &self.ledger);
        }
    }
}
