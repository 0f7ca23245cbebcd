//! Timers: one hierarchical wheel per bucket, at most one timer per connection.
//!
//! A connection has several deadlines but one timer, armed for the earliest. A deadline that moves away is only a
//! store: the timer fires too early, the connection sees that nothing is due and arms it anew. Arming and disarming
//! are constant-time and allocate nothing (lists threaded through one array, indexed by the connection's slot).

use super::tick::Tick;

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 6;
const NONE: u32 = u32::MAX;
const UNARMED: u16 = u16::MAX;

#[derive(Clone, Copy)]
struct Node {
    due: Tick,
    next: u32,
    prev: u32,
    /// Level and slot, or [`UNARMED`].
    place: u16,
}

/// See the module.
pub(crate) struct Wheel {
    nodes: Vec<Node>,
    heads: [[u32; SLOTS]; LEVELS],
    /// Per level, which slots are not empty.
    used: [u64; LEVELS],
    now: Tick,
    armed: usize,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { nodes: Vec::new(), heads: [[NONE; SLOTS]; LEVELS], used: [0; LEVELS], now: Tick(0), armed: 0 }
    }

    /// When the timer of `slot` fires, if it is armed.
    pub(crate) fn due(&self, slot: u32) -> Option<Tick> {
        let node = self.nodes.get(slot as usize)?;
        (node.place != UNARMED).then_some(node.due)
    }

    /// Arms the timer of `slot`, or moves it. What is due already fires at the next [`Wheel::advance`].
    pub(crate) fn arm(&mut self, slot: u32, due: Tick) {
        if slot as usize >= self.nodes.len() {
            let unarmed = Node { due: Tick::NEVER, next: NONE, prev: NONE, place: UNARMED };
            self.nodes.resize(slot as usize + 1, unarmed);
        }
        self.disarm(slot);
        self.nodes[slot as usize].due = due;
        self.insert(slot);
        self.armed += 1;
    }

    /// Disarms the timer of `slot`, if it is armed.
    pub(crate) fn disarm(&mut self, slot: u32) {
        if self.due(slot).is_some() {
            self.unlink(slot);
            self.armed -= 1;
        }
    }

    /// Moves time on and puts the slots whose timers fired into `fired`; they are disarmed.
    pub(crate) fn advance(&mut self, now: Tick, fired: &mut Vec<u32>) {
        while let Some(step) = self.next_step().filter(|step| *step <= now) {
            self.now = self.now.max(step);
            // From the top, so that what comes down is seen by the levels below.
            for level in (0..LEVELS).rev() {
                let shift = SLOT_BITS * level as u32;
                if level > 0 && !self.now.0.is_multiple_of(1 << shift) {
                    continue;
                }
                let index = (self.now.0 >> shift) as usize % SLOTS;
                self.empty_slot(level, index, fired);
            }
        }
        self.now = self.now.max(now);
    }

    /// A time before which nothing fires, if a timer is armed; it may come without anything being due then.
    pub(crate) fn next_step(&self) -> Option<Tick> {
        if self.armed == 0 {
            return None;
        }
        (0..LEVELS).filter_map(|level| self.next_of_level(level)).min()
    }

    fn next_of_level(&self, level: usize) -> Option<Tick> {
        let used = self.used[level];
        if used == 0 {
            return None;
        }
        let shift = SLOT_BITS * level as u32;
        let current = self.now.0 >> shift;
        // Level 0 may hold what is due at this very tick; the current slot of the others has been emptied.
        let first = if level == 0 { current } else { current + 1 };
        let ahead = used.rotate_right((first % SLOTS as u64) as u32).trailing_zeros();
        Some(Tick((first + u64::from(ahead)) << shift).max(self.now))
    }

    fn insert(&mut self, slot: u32) {
        // What is due lies in the slot that is emptied next.
        let due = self.nodes[slot as usize].due.0.max(self.now.0);
        let distance = due ^ self.now.0;
        let level = (63 - (distance | 1).leading_zeros()) / SLOT_BITS;
        let (level, due) = if level as usize >= LEVELS {
            // Beyond the wheel's two years: comes down from the farthest slot as often as necessary.
            let top = SLOT_BITS * (LEVELS as u32 - 1);
            let ahead = ((due >> top) - (self.now.0 >> top)).min(SLOTS as u64 - 1);
            (LEVELS - 1, ((self.now.0 >> top) + ahead) << top)
        } else {
            (level as usize, due)
        };
        let index = (due >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let head = self.heads[level][index];
        if head != NONE {
            self.nodes[head as usize].prev = slot;
        }
        self.heads[level][index] = slot;
        self.used[level] |= 1 << index;
        let node = &mut self.nodes[slot as usize];
        node.next = head;
        node.prev = NONE;
        node.place = (level * SLOTS + index) as u16;
    }

    fn unlink(&mut self, slot: u32) {
        let Node { next, prev, place, .. } = self.nodes[slot as usize];
        let (level, index) = (place as usize / SLOTS, place as usize % SLOTS);
        if next != NONE {
            self.nodes[next as usize].prev = prev;
        }
        if prev == NONE {
            self.heads[level][index] = next;
            if next == NONE {
                self.used[level] &= !(1 << index);
            }
        } else {
            self.nodes[prev as usize].next = next;
        }
        self.nodes[slot as usize].place = UNARMED;
    }

    fn empty_slot(&mut self, level: usize, index: usize, fired: &mut Vec<u32>) {
        let mut slot = self.heads[level][index];
        while slot != NONE {
            let next = self.nodes[slot as usize].next;
            self.unlink(slot);
            if self.nodes[slot as usize].due <= self.now {
                self.armed -= 1;
                fired.push(slot);
            } else {
                self.insert(slot);
            }
            slot = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timer_fires_at_its_tick_and_not_before() {
        for due in [0, 1, 63, 64, 65, 2_000, 4_095, 4_096, 480_000, 1 << 20, (1 << 30) + 7] {
            let mut wheel = Wheel::new();
            let mut fired = Vec::new();
            wheel.advance(Tick(17), &mut fired);
            wheel.arm(3, Tick(17 + due));
            if due > 0 {
                wheel.advance(Tick(17 + due - 1), &mut fired);
                assert!(fired.is_empty(), "{due}");
                assert!(wheel.next_step().expect("armed") <= Tick(17 + due));
            }
            wheel.advance(Tick(17 + due), &mut fired);
            assert_eq!(fired, [3], "{due}");
            assert_eq!(wheel.next_step(), None);
        }
    }

    #[test]
    fn a_deadline_beyond_the_wheel_comes_round_again() {
        let mut wheel = Wheel::new();
        let mut fired = Vec::new();
        let due = Tick(1 << 40);
        wheel.arm(0, due);
        wheel.arm(1, Tick::NEVER);
        wheel.advance(Tick(due.0 - 1), &mut fired);
        assert!(fired.is_empty());
        wheel.advance(due, &mut fired);
        assert_eq!(fired, [0]);
        assert_eq!(wheel.due(1), Some(Tick::NEVER));
    }

    proptest! {
        #[test]
        fn any_schedule_fires_as_a_sorted_list_would(
            steps in prop::collection::vec((0u32..8, 0u64..400_000, 0u64..90_000, any::<bool>()), 1..200),
        ) {
            let mut wheel = Wheel::new();
            let mut model: [Option<u64>; 8] = [None; 8];
            let mut now = 0;
            for (slot, delay, pass, disarm) in steps {
                if disarm {
                    wheel.disarm(slot);
                    model[slot as usize] = None;
                } else {
                    wheel.arm(slot, Tick(now + delay));
                    model[slot as usize] = Some(now + delay);
                }
                now += pass;
                let mut fired = Vec::new();
                wheel.advance(Tick(now), &mut fired);
                fired.sort_unstable();
                let mut expected = Vec::new();
                for (slot, due) in model.iter_mut().enumerate() {
                    if due.is_some_and(|due| due <= now) {
                        *due = None;
                        expected.push(slot as u32);
                    }
                }
                prop_assert_eq!(fired, expected);
                let earliest = model.iter().flatten().min();
                prop_assert_eq!(wheel.next_step().is_some(), earliest.is_some());
                if let (Some(step), Some(earliest)) = (wheel.next_step(), earliest) {
                    prop_assert!(step.0 <= *earliest);
                }
            }
        }
    }
}
