//! Seeded runs on the simulated disk: append, commit, index, apply, save at random; the power goes at random; after it,
//! every durable record is in its timelines once, in order, group state equals a model, cursors do not lead.

use std::collections::{BTreeMap, VecDeque};
use std::panic::catch_unwind;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use halley_backends::Embedded;
use halley_core::device::{DeviceClass, DeviceCursor, DeviceKey};
use halley_core::group::{self, Group, GroupChange, GroupProfile, Role};
use halley_core::ids::{GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{Conversation, EntryKind};
use halley_core::ports::accounts::{GroupState, Groups, JournaledChange};
use halley_core::ports::cursors::Cursors;
use halley_core::ports::dedup::DedupKey;
use halley_core::ports::journal::Journal;
use halley_core::record::Record;
use halley_core::ticket::Ticket;
use halley_journal::sim::SimDisk;

use crate::common::{APP, Place, World, group_change, inbox, message, watermark};
use crate::random::Random;

const SEEDS: u64 = 300;

#[test]
fn no_crash_takes_what_was_acknowledged() {
    for seed in 1..=SEEDS {
        if let Err(wrong) = run(seed, false) {
            panic!("seed {seed}: {wrong}");
        }
    }
}

/// The check itself is checked: with syncs that do nothing it must find losses.
#[test]
fn without_fsync_the_same_runs_fail() {
    // The state database may also break in its own way on such a disk.
    let noticed = |seed: &u64| !matches!(catch_unwind(|| run(*seed, true)), Ok(Ok(())));
    let failed = (1..=60).filter(noticed).count();
    assert!(failed >= 10, "only {failed} of 60 runs noticed that nothing is synced");
}

/// What was appended, as far as it survived.
#[derive(Default)]
struct Model {
    records: Vec<(Record, Option<SyncKey>)>,
    next_id: i64,
    cursors: BTreeMap<i64, i64>,
}

fn run(seed: u64, syncs_lie: bool) -> Result<(), String> {
    let mut random = Random(seed.wrapping_mul(0x5851_f42d_4c95_7f2d) | 1);
    let disk = SimDisk::new(seed);
    disk.set_syncs_lie(syncs_lie);
    let mut model = Model::default();
    let mut world = World {
        place: Place::Simulated(disk.clone()),
        open: None,
        now: Instant::now(),
        tune: |options| options.tail.bytes_max = 200_000,
    };
    for round in 0..4 {
        if random.below(3) == 0 {
            disk.power_off_after(1 + random.below(40));
            // May fail, or come just through.
            drop(world.try_open());
            disk.crash();
            disk.heal();
        }
        world.open =
            Some(world.try_open().map_err(|error| format!("round {round} does not open: {error:?}"))?);
        check(&mut world, &mut model).map_err(|wrong| format!("round {round}: {wrong}"))?;
        if random.below(2) == 0 {
            disk.power_off_after(1 + random.below(60));
        }
        act(&mut world, &mut model, &mut random);
        if random.below(5) == 0 {
            // May fail with the power off.
            let _ = world.open.take().map(Embedded::close);
        }
        world.open = None;
        if random.below(4) == 0 {
            disk.kill();
        } else {
            disk.crash();
        }
        disk.heal();
    }
    world.open = Some(world.try_open().map_err(|error| format!("does not open at the end: {error:?}"))?);
    check(&mut world, &mut model)
}

/// Random work until it is enough, or nothing works any more.
fn act(world: &mut World, model: &mut Model, random: &mut Random) {
    let mut flying: VecDeque<(usize, Ticket)> = VecDeque::new();
    for _ in 0..random.below(120) {
        let parts = world.open.as_mut().expect("open");
        match random.below(12) {
            0..=5 => {
                model.next_id += 1;
                let record = any_record(model.next_id, random);
                if let Ok(ticket) = parts.journal.append(&Arc::new(record.clone())) {
                    flying.push_back((model.records.len(), ticket));
                    model.records.push((record, None));
                }
            }
            6..=8 => {
                world.now += Duration::from_millis(random.below(150));
                let now = world.now;
                parts.step(now);
            }
            9 | 10 => {
                let done = parts.index.watermark().seq;
                let batch =
                    parts.tail.read_after(done, 1 + random.below(8) as usize).expect("unindexed is kept");
                let changes: Vec<_> =
                    batch.iter().filter_map(|record| JournaledChange::of(&record.entry)).collect();
                let Some(last) = batch.last() else { continue };
                if parts.state.apply(&changes, watermark(last)).is_ok() {
                    let reached = parts.index.apply(&batch).expect("in memory");
                    parts.tail.release(reached.seq);
                }
            }
            _ => {
                let user = 1 + random.below(3).cast_signed();
                if let Ok(end) = parts.journal.durable_end() {
                    let position = end.raw();
                    let saved = model.cursors.entry(user).or_insert(0);
                    *saved = position.max(*saved);
                    // Only a device that is known is saved; when the power is gone, neither is.
                    let _begun = block_on(parts.state.begin(cursor(user, position)));
                    parts.state.save(cursor(user, position));
                }
                if random.below(2) == 0 {
                    let _ = parts.flush_state();
                }
            }
        }
        let mut context = Context::from_waker(Waker::noop());
        while let Some((at, ticket)) = flying.front() {
            match ticket.poll_durable(&mut context) {
                Poll::Ready(Ok(key)) => model.records[*at].1 = Some(key),
                Poll::Ready(Err(_)) => {}
                Poll::Pending => break,
            }
            flying.pop_front();
        }
    }
}

fn any_record(id: i64, random: &mut Random) -> Record {
    let user = |random: &mut Random| 1 + random.below(5).cast_signed();
    if random.below(4) > 0 {
        let size = if random.below(10) == 0 { random.below(20_000) } else { random.below(300) };
        return message(id, user(random), user(random), &vec![size as u8; size as usize]);
    }
    let change = match random.below(6) {
        0 => GroupChange::Created {
            profile: GroupProfile::default(),
            owner: user(random),
            members: vec![user(random), user(random)],
        },
        1 => GroupChange::MembersAdded { members: vec![user(random)] },
        2 => GroupChange::MembersRemoved { members: vec![user(random)] },
        3 => GroupChange::RoleSet { member: user(random), role: Role::Owner },
        4 => GroupChange::MemberMuted { member: user(random), until_ms: 9 },
        _ => GroupChange::Disbanded,
    };
    group_change(id, 1 + random.below(2).cast_signed(), &change)
}

fn cursor(user: i64, position: i64) -> DeviceCursor {
    DeviceCursor {
        app: APP,
        user: UserId(user),
        device: DeviceKey::new("d", DeviceClass::Web, ""),
        class: DeviceClass::Web,
        position: SyncKey::from_raw(position).expect("positive"),
        lagging: vec![(GroupId(position), SyncKey::START)],
        updated_ms: 0,
    }
}

/// What survived is a prefix of what was appended, with everything acknowledged; all views say the same.
fn check(world: &mut World, model: &mut Model) -> Result<(), String> {
    crate::common::follow(world.parts(), 7);
    let survived = world.parts().index.watermark().seq.0 as usize;
    let acked = model.records.iter().rposition(|(_, key)| key.is_some()).map_or(0, |last| last + 1);
    if survived < acked || survived > model.records.len() {
        return Err(format!(
            "{survived} records survived, {acked} were acknowledged, {} appended",
            model.records.len()
        ));
    }
    model.records.truncate(survived);
    for user in 1..=5 {
        let expected: Vec<i64> = model
            .records
            .iter()
            .filter(|(record, _)| record.targets.inboxes().contains(&UserId(user)))
            .map(|(record, _)| record.message.id.0)
            .collect();
        let found = world.ids(inbox(user));
        if found != expected {
            return Err(format!("inbox {user}: {found:?}, expected {expected:?}"));
        }
    }
    let end = world.parts().journal.durable_end().map_err(|error| error.to_string())?;
    if end.place() != survived as u64 {
        return Err(format!("the durable end is {end:?}, {survived} survived"));
    }
    check_keys(world, model)?;
    check_groups(world, model)?;
    for (user, saved) in &model.cursors {
        let reply = world.parts().state.load(APP, UserId(*user));
        let found = world.wait(reply).map_err(|error| error.to_string())?;
        if found.iter().any(|cursor| cursor.position.raw() > *saved) {
            return Err(format!("the cursor of {user} leads"));
        }
    }
    Ok(())
}

fn check_keys(world: &mut World, model: &Model) -> Result<(), String> {
    for (record, key) in &model.records {
        let (Some(key), Some(dedup)) = (key, DedupKey::of(&record.message)) else { continue };
        let reply = world.parts().index.find_dedup(&dedup);
        let found = world.wait(reply).map_err(|error| error.to_string())?;
        if found.map(|known| (known.id, known.key)) != Some((record.message.id, *key)) {
            return Err(format!("message {} with key {key:?} is known as {found:?}", record.message.id));
        }
    }
    Ok(())
}

fn check_groups(world: &mut World, model: &Model) -> Result<(), String> {
    let mut groups: BTreeMap<GroupId, Option<Group>> = BTreeMap::new();
    for (place, (record, _)) in model.records.iter().enumerate() {
        let message = &record.message;
        let (EntryKind::GROUP_CHANGE, Conversation::Group(id)) = (message.kind, message.conversation) else {
            continue;
        };
        let change: GroupChange =
            serde_json::from_slice(&message.content.bytes).map_err(|error| error.to_string())?;
        let key = SyncKey::new(world.parts().recovery.epoch, place as u64 + 1).expect("small");
        let now = groups.entry(id).or_default();
        *now = group::apply(APP, id, now.as_ref(), &change, key, message.time_ms);
    }
    for (id, expected) in groups {
        let reply = world.parts().state.group(APP, id);
        let found = world.wait(reply).map_err(|error| error.to_string())?;
        if found.as_deref() != expected.as_ref() {
            return Err(format!("group {id}: {found:?}, expected {expected:?}"));
        }
    }
    Ok(())
}
