//! Power cuts while segments are removed and rewritten: afterwards each segment is the old one or the new one, of the
//! oldest ones a suffix is there, no live record is lost, and what was said to be erased stays erased.
//!
//! The same run with syncs that do nothing must fail, else the checker is blind.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]
#![expect(clippy::print_stdout, reason = "the totals of the runs are part of the evidence")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Kept, commit, open, open_with, restore, seeds, small_config, snapshot};
use halley_journal::sim::{SimDisk, SimRng};
use halley_journal::{
    CommitError, Compactor, Durability, Fate, File, Files, Log, LogSeq, Removal, RemoveError, RewriteError,
    Rewritten, verify,
};

fn name(segment: u32) -> String {
    format!("{segment:010}.segment")
}

/// Two of three go.
fn third(seq: LogSeq) -> Fate {
    match seq.get() % 3 {
        0 => Fate::Live,
        1 => Fate::Dead,
        _ => Fate::Erased,
    }
}

fn rewrite(
    compactor: &mut Compactor,
    segment: u32,
    fate: impl Fn(LogSeq) -> Fate,
) -> Result<Rewritten, RewriteError> {
    compactor.rewrite(segment, &mut |seq, _| fate(seq), &mut |_| ControlFlow::Continue(()))
}

/// Five segments on a disk with this seed.
fn build(seed: u64) -> (SimDisk, Log, Vec<Kept>) {
    let disk = SimDisk::new(seed);
    let (mut log, _, _) = open(&disk).unwrap();
    let mut rng = SimRng::new(7);
    let mut kept = Vec::new();
    while log.reader.segments().len() < 5 {
        let payloads = [rng.bytes(300), rng.bytes(500)];
        kept.extend(commit(&mut log.writer, &[&payloads[0], &payloads[1]]).1);
    }
    log.writer.mark_idle().unwrap();
    (disk, log, kept)
}

/// How far a run has come, by what it was told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Said {
    rewritten: u32,
    removed: u32,
}

/// Rewrites the segments 2 to 4, one of them to nothing, then removes 1 and 2.
fn compact(log: &mut Log, said: &mut Said) -> Result<(), String> {
    for segment in 2..=4 {
        let fate = |seq| if segment == 3 { Fate::Erased } else { third(seq) };
        let done = rewrite(&mut log.compactor, segment, fate).map_err(|error| error.to_string())?;
        assert!(done.dropped > 0);
        said.rewritten = segment;
    }
    loop {
        match log.compactor.remove_before(3).map_err(|error| error.to_string())? {
            Removal::Done => return Ok(()),
            Removal::WaitsForFloor => {
                log.writer.mark_idle().map_err(|error| error.to_string())?;
            }
            Removal::Removed { segment, .. } => said.removed = segment,
        }
    }
}

/// The files before, and after an undisturbed run.
struct States {
    old: BTreeMap<String, Vec<u8>>,
    new: BTreeMap<String, Vec<u8>>,
}

fn states() -> States {
    let (disk, mut log, _) = build(1);
    let old = snapshot(&disk).into_iter().collect();
    for segment in 2..=4 {
        let fate = |seq| if segment == 3 { Fate::Erased } else { third(seq) };
        rewrite(&mut log.compactor, segment, fate).unwrap();
    }
    States { old, new: snapshot(&disk).into_iter().collect() }
}

fn check(disk: &SimDisk, states: &States, said: Said, all: &[Kept]) -> Result<(), String> {
    let mut present: Vec<u32> = Vec::new();
    for segment in 1..=4 {
        let (name, content) = (name(segment), disk.content(&name(segment)));
        if content.is_empty() {
            continue;
        }
        present.push(segment);
        if content != states.new[&name] && content != states.old[&name] {
            return Err(format!("segment {segment} is neither the old nor the new one"));
        }
        if segment > 1 && segment <= said.rewritten && content != states.new[&name] {
            return Err(format!("segment {segment} was rewritten and is the old one again"));
        }
    }
    let oldest = present.first().copied().unwrap_or(5);
    if oldest <= said.removed || oldest > 3 || present != (oldest..=4).collect::<Vec<_>>() {
        return Err(format!("{present:?} are there, {} was removed", said.removed));
    }
    let report = verify(disk.files().as_ref(), &mut |_, _| {}).map_err(|error| error.to_string())?;
    if !report.is_sound() {
        return Err(format!("verify: {report:?}"));
    }
    let (_, recovery, found) = open(disk).map_err(|error| format!("open: {error}"))?;
    if recovery.torn.is_some_and(|torn| torn.position.segment() < 5) {
        return Err(format!("cut: {recovery:?}"));
    }
    if disk.names().iter().any(|name| name.ends_with(".rewrite")) {
        return Err(format!("left behind: {:?}", disk.names()));
    }
    for kept in all {
        let is_there = found.iter().any(|other| (other.seq, &other.payload) == (kept.seq, &kept.payload));
        let segment = kept.position.segment();
        let may_be_dropped = segment == 3 || ([2, 4].contains(&segment) && third(kept.seq) != Fate::Live);
        if !is_there && !may_be_dropped && oldest <= segment {
            return Err(format!("record {} of segment {segment} is lost", kept.seq));
        }
    }
    Ok(())
}

/// One power cut at this step; none when everything was done before it.
fn cut_at(seed: u64, step: u64, lies: bool, states: &States) -> Option<Result<(), String>> {
    let (disk, mut log, all) = build(seed);
    disk.set_syncs_lie(lies);
    disk.power_off_after(step);
    let mut said = Said::default();
    let is_done = compact(&mut log, &mut said).is_ok();
    disk.crash();
    let checked =
        check(&disk, states, said, &all).map_err(|what| format!("cut at step {step}, {said:?}: {what}"));
    (!is_done).then_some(checked)
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_or_the_new_segment() {
    let states = states();
    let mut cuts = 0;
    for seed in seeds(40) {
        let mut step = 1;
        while let Some(checked) = cut_at(seed, step, false, &states) {
            checked.unwrap_or_else(|what| panic!("HALLEY_SEED={seed}: {what}"));
            step += 1;
        }
        assert!(step > 20, "only {step} steps");
        cuts += step - 1;
        // And after the last step: everything is as it was said.
        let (disk, mut log, all) = build(seed);
        let mut said = Said::default();
        compact(&mut log, &mut said).unwrap();
        assert_eq!(said, Said { rewritten: 4, removed: 2 });
        disk.crash();
        check(&disk, &states, said, &all).unwrap_or_else(|what| panic!("HALLEY_SEED={seed}: {what}"));
    }
    println!("{cuts} power cuts");
}

#[test]
fn a_disk_that_lies_about_every_sync_fails_the_same_run() {
    let states = states();
    let mut failed = Vec::new();
    for seed in 1..=40 {
        let cuts = (1..).map_while(|step| cut_at(seed, step, true, &states));
        failed.extend(cuts.filter_map(Result::err).next());
    }
    println!("{} of 40 seeds fail without any sync, among them:", failed.len());
    for what in failed.iter().take(5) {
        println!("  {what}");
    }
    assert!(failed.len() > 30, "only {} of 40 seeds saw that the syncs are gone", failed.len());
}

#[test]
fn a_failed_sync_of_the_new_file_leaves_the_old_one() {
    for seed in seeds(40) {
        let (disk, mut log, all) = build(seed);
        let before = snapshot(&disk);
        disk.fail_sync_after(1);
        let refused = rewrite(&mut log.compactor, 2, third).unwrap_err();
        assert!(matches!(refused, RewriteError::Io { .. }), "{refused}");
        assert_eq!(snapshot(&disk), before);
        // Nothing that was acknowledged depends on it.
        commit(&mut log.writer, &[b"more"]);
        assert!(rewrite(&mut log.compactor, 2, third).unwrap().dropped > 0);
        disk.crash();
        let (_, _, found) = open(&disk).unwrap();
        let live = |kept: &&Kept| kept.position.segment() != 2 || third(kept.seq) == Fate::Live;
        assert_eq!(found.len(), all.iter().filter(live).count() + 1, "HALLEY_SEED={seed}");
    }
}

/// Files whose directory cannot be synced while the switch is on.
struct BrokenDirectory {
    inner: Arc<dyn Files>,
    is_broken: Arc<AtomicBool>,
}

impl Files for BrokenDirectory {
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.inner.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.inner.create(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn sync_dir(&self) -> io::Result<()> {
        if self.is_broken.load(Ordering::Acquire) {
            return Err(io::Error::other("injected i/o error"));
        }
        self.inner.sync_dir()
    }
}

#[test]
fn a_directory_that_cannot_be_synced_stops_the_log() {
    for removes in [false, true] {
        let (disk, log, _) = build(1);
        drop(log);
        disk.kill();
        let is_broken = Arc::new(AtomicBool::new(false));
        let files = BrokenDirectory { inner: disk.files(), is_broken: Arc::clone(&is_broken) };
        let (mut log, _, _) = open_with(Arc::new(files), small_config(), None).unwrap();
        assert_eq!(log.compactor.remove_before(2).unwrap(), Removal::WaitsForFloor);
        log.writer.mark_idle().unwrap();
        is_broken.store(true, Ordering::Release);
        if removes {
            assert!(matches!(log.compactor.remove_before(2), Err(RemoveError::Io { .. })));
        } else {
            assert!(matches!(rewrite(&mut log.compactor, 2, third), Err(RewriteError::Io { .. })));
        }
        is_broken.store(false, Ordering::Release);
        // Whether the name is durable nobody knows, and asking again would not tell.
        let mut batch = log.writer.new_batch();
        batch.push(b"x").unwrap();
        assert!(matches!(log.writer.commit(&mut batch, Durability::Synced), Err(CommitError::Poisoned)));
        assert!(matches!(rewrite(&mut log.compactor, 3, third), Err(RewriteError::Poisoned)));
        assert!(matches!(log.compactor.remove_before(2), Err(RemoveError::Poisoned)));
    }
}

#[test]
fn what_an_interrupted_rewrite_has_left_is_removed_by_an_open_that_may_change_something() {
    let (disk, _, _) = build(1);
    let left = "0000000002.rewrite";
    disk.put(left, b"half of a segment, with somebody's words in it");
    disk.put("2.rewrite", b"none of ours");
    let files = snapshot(&disk);
    let damaged = restore(&files);
    damaged.flip_bit(&name(2), 5000, 1);
    assert!(open(&damaged).is_err());
    assert!(damaged.names().contains(&left.to_owned()));
    let disk = restore(&files);
    assert!(verify(disk.files().as_ref(), &mut |_, _| {}).unwrap().is_sound());
    open(&disk).unwrap();
    disk.crash();
    assert!(!disk.names().contains(&left.to_owned()));
    assert!(disk.names().contains(&"2.rewrite".to_owned()));
}

/// What a random run knows beside the log.
#[derive(Default)]
struct Model {
    /// Every record that must be there.
    live: BTreeMap<LogSeq, Vec<u8>>,
    /// Records that may be there: their rewrite or removal was not answered, or their commit.
    unsure: BTreeMap<LogSeq, Vec<u8>>,
    erased: BTreeSet<LogSeq>,
    rewrites: u64,
    removals: u64,
}

impl Model {
    fn check(&mut self, found: &[Kept]) -> Result<(), String> {
        let found: BTreeMap<_, _> = found.iter().map(|kept| (kept.seq, kept.payload.clone())).collect();
        for (seq, payload) in &found {
            if self.erased.contains(seq) {
                return Err(format!("record {seq} was erased and is there again"));
            }
            if self.live.get(seq).or_else(|| self.unsure.get(seq)) != Some(payload) {
                return Err(format!("record {seq} has other bytes than were committed"));
            }
        }
        if let Some(lost) = self.live.keys().find(|seq| !found.contains_key(seq)) {
            return Err(format!("record {lost} is lost"));
        }
        self.erased.extend(self.unsure.keys().filter(|seq| !found.contains_key(seq)));
        self.live = found;
        self.unsure.clear();
        Ok(())
    }

    /// Some records go: surely when the answer came, else perhaps.
    fn drop(&mut self, seqs: impl Iterator<Item = LogSeq>, is_sure: bool) {
        for seq in seqs {
            let payload = self.live.remove(&seq);
            if is_sure {
                self.unsure.remove(&seq);
                self.erased.insert(seq);
            } else if let Some(payload) = payload {
                self.unsure.insert(seq, payload);
            }
        }
    }
}

fn run(seed: u64, lies: bool) -> Result<Model, String> {
    let mut rng = SimRng::new(seed);
    let disk = SimDisk::new(seed);
    let mut model = Model::default();
    for _ in 0..8 {
        let opened = open(&disk).map_err(|error| format!("open: {error}"));
        let (mut log, _, found) = opened?;
        model.check(&found)?;
        // Sequences that were never acknowledged are given again.
        let next = log.reader.next_seq();
        model.erased.retain(|seq| *seq < next);
        disk.set_syncs_lie(lies);
        disk.power_off_after(1 + rng.below(150));
        for _ in 0..60 {
            if act(&mut log, &mut model, &mut rng).is_err() {
                break;
            }
        }
        disk.set_syncs_lie(false);
        if rng.one_in(5) && disk.files().list().is_ok() { disk.kill() } else { disk.crash() }
    }
    let (_, _, found) = open(&disk).map_err(|error| format!("last open: {error}"))?;
    model.check(&found)?;
    Ok(model)
}

/// The log has stopped.
struct Stopped;

fn act(log: &mut Log, model: &mut Model, rng: &mut SimRng) -> Result<(), Stopped> {
    let oldest = log.reader.segments()[0].segment;
    let last = log.reader.committed_end().segment();
    match rng.below(6) {
        0 if last > oldest => {
            let segment = oldest + rng.below(u64::from(last - oldest)) as u32;
            let salt = rng.next_u64() | 1;
            let goes = |seq: LogSeq| seq.get().wrapping_mul(salt) >> 61 < 3;
            let mut erased = Vec::new();
            let fate = &mut |seq, _: &[u8]| {
                if goes(seq) {
                    erased.push(seq);
                    return Fate::Erased;
                }
                Fate::Live
            };
            let done = log.compactor.rewrite(segment, fate, &mut |_| ControlFlow::Continue(()));
            model.drop(erased.into_iter(), done.is_ok());
            model.rewrites += u64::from(done.is_ok());
            done.map(drop).map_err(|_| Stopped)
        }
        1 => {
            let done = log.compactor.remove_before(oldest + rng.below(u64::from(last - oldest) + 1) as u32);
            let end =
                log.reader.segments().iter().find(|info| info.segment > oldest).map(|info| info.first_seq);
            let seqs: Vec<_> =
                model.live.keys().copied().filter(|seq| end.is_some_and(|end| *seq < end)).collect();
            match done {
                Ok(Removal::Removed { segment, .. }) => {
                    assert_eq!(segment, oldest);
                    model.removals += 1;
                    model.drop(seqs.into_iter(), true);
                    Ok(())
                }
                Ok(Removal::Done | Removal::WaitsForFloor) => Ok(()),
                Err(_) => {
                    model.drop(seqs.into_iter(), false);
                    Err(Stopped)
                }
            }
        }
        2 => log.writer.mark_idle().map(drop).map_err(|_| Stopped),
        3 => log.preparer.prepare_step().map(drop).map_err(|_| Stopped),
        _ => {
            let mut batch = log.writer.new_batch();
            let mut pushed = Vec::new();
            for _ in 0..=rng.below(8) {
                let bytes = rng.below(700) as usize;
                let payload = rng.bytes(bytes);
                if let Ok(place) = batch.push(&payload) {
                    pushed.push((place.seq, payload));
                }
            }
            match log.writer.commit(&mut batch, Durability::Synced) {
                Ok(_) => {
                    model.live.extend(pushed);
                    Ok(())
                }
                Err(_) => {
                    model.unsure.extend(pushed);
                    Err(Stopped)
                }
            }
        }
    }
}

#[test]
fn random_runs_lose_no_live_record_and_bring_no_erased_one_back() {
    let (mut rewrites, mut removals, mut erased) = (0, 0, 0);
    for seed in seeds(300) {
        let model = run(seed, false).unwrap_or_else(|what| panic!("HALLEY_SEED={seed}: {what}"));
        rewrites += model.rewrites;
        removals += model.removals;
        erased += model.erased.len();
    }
    println!("{rewrites} rewrites, {removals} removals, {erased} records gone");
    if std::env::var("HALLEY_SEED").is_err() {
        assert!(rewrites > 2000 && removals > 200, "{rewrites} rewrites, {removals} removals");
    }
}

#[test]
fn random_runs_on_a_disk_that_lies_are_seen() {
    let failed = (1..=100).filter(|seed| run(*seed, true).is_err()).count();
    println!("{failed} of 100 seeds fail without any sync");
    assert!(failed > 50, "only {failed} of 100 seeds saw that the syncs are gone");
}
