//! Seeded runs on the simulated disk: append, index, raise floors, take things out of the journal at random; the power goes
//! at random, also inside a rewrite or a removal. After it a floor that was answered is still there, everything above the floors
//! is in its timelines once and in order, and nothing that was taken out is damage.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use halley_backends::Embedded;
use halley_backends::embedded::ReclaimOptions;
use halley_core::ids::UserId;
use halley_core::key::SyncKey;
use halley_core::ports::accounts::GroupState;
use halley_core::ports::floors::{FloorOf, Floors};
use halley_core::ports::timelines::{Direction, TimelineRange};
use halley_core::reply::Reply;
use halley_core::timeline::TimelineId;
use halley_journal::sim::SimDisk;

use crate::common::{APP, Place, World, inbox, message, watermark};
use crate::random::Random;

const SEEDS: u64 = 10;
const USERS: i64 = 3;
/// Later than everything that [`message`] dates.
const NOW_MS: u64 = 1_800_000_000_000;

#[test]
fn no_power_cut_brings_back_what_went_or_takes_what_stays() {
    let mut gone = (0, 0);
    for seed in 1..=SEEDS {
        match run(seed) {
            Ok((removed, rewritten)) => gone = (gone.0 + removed, gone.1 + rewritten),
            Err(wrong) => panic!("seed {seed}: {wrong}"),
        }
    }
    assert!(gone.0 > 0 && gone.1 > 0, "the runs remove and rewrite segments: {gone:?}");
}

#[derive(Default)]
struct Model {
    next_id: i64,
    /// Acknowledged, by key: sender, receiver, id.
    durable: BTreeMap<SyncKey, (i64, i64, i64)>,
    /// Raised and answered.
    floors: BTreeMap<i64, SyncKey>,
    senders: BTreeMap<i64, SyncKey>,
    /// Raised, and the power went before the answer: they may be there.
    maybe: Vec<(FloorOf, SyncKey)>,
}

fn run(seed: u64) -> Result<(u64, u64), String> {
    let mut random = Random(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) | 1);
    let disk = SimDisk::new(seed);
    let mut model = Model::default();
    let mut gone = (0, 0);
    let mut world = World {
        place: Place::Simulated(disk.clone()),
        open: None,
        now: Instant::now(),
        tune: |options| options.tail.bytes_max = 4 << 20,
    };
    for round in 0..4 {
        world.open =
            Some(world.try_open().map_err(|error| format!("round {round} does not open: {error:?}"))?);
        check(&mut world, &mut model).map_err(|wrong| format!("round {round}: {wrong}"))?;
        act(&mut world, &mut model, &mut random, &disk);
        let counters = world.parts().log.counters();
        gone = (gone.0 + counters.removed_segments, gone.1 + counters.rewritten_segments);
        world.open = None;
        if random.below(4) == 0 {
            disk.kill();
        } else {
            disk.crash();
        }
        disk.heal();
    }
    world.open = Some(world.try_open().map_err(|error| format!("does not open at the end: {error:?}"))?);
    check(&mut world, &mut model)?;
    Ok(gone)
}

fn act(world: &mut World, model: &mut Model, random: &mut Random, disk: &SimDisk) {
    let mut reclaimer = world.parts().reclaimer.lock().take().expect("nobody else has it");
    reclaimer.configure(ReclaimOptions { window_ms: 0, look_every_ms: 0 });
    let body = vec![b'x'; 40_000];
    if random.below(3) > 0 {
        disk.power_off_after(200 + random.below(1_500));
    }
    for _ in 0..150 {
        let parts = world.open.as_mut().expect("open");
        match random.below(10) {
            0..=4 => {
                model.next_id += 1;
                let id = model.next_id;
                let (from, to) = (1 + random.below(3).cast_signed(), 1 + random.below(3).cast_signed());
                let ticket = world.append_if_possible(message(id, from, to, &body));
                let Some(ticket) = ticket else { return };
                let Some(key) = step_until(world, ticket) else { return };
                model.durable.insert(key, (from, to, id));
            }
            5 | 6 => {
                if !follow(parts) || parts.flush_state().is_err() {
                    return;
                }
            }
            7 => {
                let user = 1 + random.below(USERS as u64).cast_signed();
                let keys: Vec<_> = model.durable.keys().copied().collect();
                if keys.is_empty() {
                    continue;
                }
                let floor = keys[random.below(keys.len() as u64) as usize];
                let of_sender = random.below(6) == 0;
                let of = if of_sender {
                    FloorOf::Sender(APP, UserId(user))
                } else {
                    FloorOf::Timeline(inbox(user))
                };
                let Reply::Ready(raised) = parts.state.raise(vec![(of, floor)]) else { unreachable!() };
                if raised.is_err() {
                    model.maybe.push((of, floor));
                    return;
                }
                let known = if of_sender { &mut model.senders } else { &mut model.floors };
                let known = known.entry(user).or_default();
                *known = floor.max(*known);
            }
            _ => {
                let mut pace = |_: u64| ControlFlow::Continue(());
                for _step in 0..1 + random.below(12) {
                    if reclaimer.step(NOW_MS, &mut pace).is_err() {
                        return;
                    }
                    world.step();
                }
            }
        }
    }
}

fn step_until(world: &mut World, ticket: halley_core::ticket::Ticket) -> Option<SyncKey> {
    let mut ticket = std::pin::pin!(ticket);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..50 {
        if let std::task::Poll::Ready(done) = ticket.as_mut().poll(&mut context) {
            return done.ok();
        }
        world.now += Duration::from_millis(1);
        let now = world.now;
        world.open.as_mut()?.step(now);
    }
    None
}

fn follow(parts: &Embedded) -> bool {
    let done = parts.index.watermark().seq;
    let Some(batch) = parts.tail.read_after(done, 1_000) else { return false };
    let Some(last) = batch.last() else { return true };
    if parts.state.apply(&[], watermark(last)).is_err() {
        return false;
    }
    let reached = parts.index.apply(&batch).expect("in memory");
    parts.tail.release(reached.seq);
    true
}

fn check(world: &mut World, model: &mut Model) -> Result<(), String> {
    // What the power cut short may have been raised or not; from here on it is known.
    for (of, floor) in std::mem::take(&mut model.maybe) {
        let (user, there) = match of {
            FloorOf::Timeline(TimelineId::Inbox(_, user)) => {
                (user.0, world.parts().state.floor(inbox(user.0)).map_err(|error| error.to_string())?)
            }
            FloorOf::Sender(app, user) => (user.0, world.parts().state.sender_floor(app, user)),
            _ => continue,
        };
        if there >= floor {
            let known =
                if matches!(of, FloorOf::Sender(..)) { &mut model.senders } else { &mut model.floors };
            let known = known.entry(user).or_default();
            *known = floor.max(*known);
        }
    }
    if !follow(world.parts()) {
        return Err("the tail has a gap".to_owned());
    }
    for user in 1..=USERS {
        let floor = world.parts().state.floor(inbox(user)).map_err(|error| error.to_string())?;
        let expected_floor = model.floors.get(&user).copied().unwrap_or_default();
        if floor != expected_floor {
            return Err(format!("floor of {user}: {floor:?}, expected {expected_floor:?}"));
        }
        let is_erased =
            |key: SyncKey, from: i64| key <= model.senders.get(&from).copied().unwrap_or_default();
        let (mut from, mut found) = (floor, Vec::new());
        loop {
            let timeline = inbox(user);
            let range = TimelineRange {
                timeline,
                from,
                direction: Direction::After,
                entries_max: 100,
                bytes_max: 1 << 24,
            };
            let page = world.read_range(range);
            let shown = page.entries.iter().filter(|entry| {
                let message = &entry.record.message;
                // What a power cut kept from being acknowledged may be there all the same.
                model.durable.contains_key(&entry.key) && !is_erased(entry.key, message.from.0)
            });
            found.extend(shown.map(|entry| entry.record.message.id.0));
            if !page.more {
                break;
            }
            from = page.complete_to;
        }
        let expected: Vec<i64> = model
            .durable
            .range(floor.next()..)
            .filter(|(key, (from, to, _))| (*from == user || *to == user) && !is_erased(**key, *from))
            .map(|(_, (_, _, id))| *id)
            .collect();
        if found != expected {
            return Err(format!("timeline of {user} above {floor:?}: {found:?}, expected {expected:?}"));
        }
    }
    Ok(())
}
