//! Power cuts on the simulated disk: what was acknowledged, or once served after a restart, is there with its bytes, in
//! order, once; what was not acknowledged is there as a prefix or not at all. A failure would be a lost message.
//!
//! The same run with syncs that do nothing must fail, else the checker is blind.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]
#![expect(clippy::print_stdout, reason = "the totals of the runs are part of the evidence")]

mod common;

use common::{Kept, open_with, seeds, small_config};
use halley_journal::sim::{SimDisk, SimRng};
use halley_journal::{Batch, CommitError, Durability, Log, LogReader, LogSeq, OpenError, PrepareError};

/// How a run behaves.
#[derive(Clone, Copy, Default)]
struct Mode {
    syncs_lie: bool,
    /// Commits are only written; what counts is what was synced.
    is_weak: bool,
    /// Commits are only written, and acknowledged nevertheless: the commit has lost its fsync.
    acks_unsynced: bool,
    /// Now and then a sync fails or the disk is full.
    has_faults: bool,
}

#[derive(Default, Debug)]
struct Totals {
    boots: u64,
    acked: u64,
    torn: u64,
    rewritten: u64,
    rotations: u64,
    full: u64,
    stopped: u64,
}

/// What the run knows about the records, beside the log.
struct Model {
    /// Everything written, by sequence from 1 on.
    written: Vec<Vec<u8>>,
    /// How many of these must survive.
    durable: usize,
    /// Where they lie, as far as known.
    places: Vec<Option<Kept>>,
}

impl Model {
    /// Compares what an open has shown with what must be there.
    fn check(&mut self, found: &[Kept]) -> Result<(), String> {
        if found.len() < self.durable {
            return Err(format!("{} records found, {} were acknowledged", found.len(), self.durable));
        }
        for (index, kept) in found.iter().enumerate() {
            if kept.seq.get() != index as u64 + 1 {
                return Err(format!("record {} has sequence {}", index + 1, kept.seq));
            }
            if self.written.get(index) != Some(&kept.payload) {
                return Err(format!("record {} has other bytes than were committed", kept.seq));
            }
        }
        // It has been served now, so it must never go again.
        self.written.truncate(found.len());
        self.durable = found.len();
        self.places = found.iter().cloned().map(Some).collect();
        Ok(())
    }

    fn check_reads(&self, reader: &LogReader, rng: &mut SimRng) -> Result<(), String> {
        let known: Vec<_> = self.places.iter().flatten().collect();
        if known.is_empty() {
            return Ok(());
        }
        let kept = known[rng.below(known.len() as u64) as usize];
        match reader.read(kept.position, kept.seq) {
            Ok(payload) if payload == kept.payload => {}
            other => return Err(format!("read {} at {}: {other:?}", kept.seq, kept.position)),
        }
        if rng.one_in(4) {
            let mut scan = reader.scan(kept.position);
            let mut seq = kept.seq;
            while let Some(record) = scan.next_record().map_err(|error| format!("scan: {error}"))? {
                if record.seq != seq || self.written[seq.get() as usize - 1] != record.payload {
                    return Err(format!("the scan shows {} where {seq} belongs", record.seq));
                }
                seq = seq.plus(1);
            }
            if seq != reader.next_seq() {
                return Err(format!("the scan ends before {seq}, the log before {}", reader.next_seq()));
            }
        }
        Ok(())
    }
}

fn run(seed: u64, mode: Mode) -> Result<Totals, String> {
    let mut rng = SimRng::new(seed);
    let disk = SimDisk::new(seed);
    disk.set_syncs_lie(mode.syncs_lie);
    let mut model = Model { written: Vec::new(), durable: 0, places: Vec::new() };
    let mut totals = Totals::default();
    for _ in 0..8 {
        disk.set_space_left(None);
        if rng.one_in(4) {
            disk.power_off_after(1 + rng.below(12));
        }
        match boot(&disk, &mut model, &mut rng, mode, &mut totals)? {
            End::PowerCut => disk.crash(),
            End::Died => disk.kill(),
        }
    }
    // An index that has seen a part of it is shown exactly the rest.
    let places: Vec<_> = model.places[..model.durable].iter().flatten().cloned().collect();
    disk.heal();
    if !places.is_empty() && !mode.syncs_lie {
        let from = places[rng.below(places.len() as u64) as usize].clone();
        let (_log, _, found) = open_with(disk.files(), small_config(), Some(from.position))
            .map_err(|error| format!("open from {}: {error}", from.position))?;
        let first = found.first().ok_or("nothing is shown from the watermark on")?;
        if *first != from || (found.len() as u64) < model.durable as u64 + 1 - from.seq.get() {
            return Err(format!("{} records from {} on", found.len(), from.position));
        }
    }
    // At last everything must be readable without any accident.
    disk.heal();
    let (_log, _, found) =
        open_with(disk.files(), small_config(), None).map_err(|error| format!("last open: {error}"))?;
    model.check(&found)?;
    totals.acked = model.durable as u64;
    Ok(totals)
}

enum End {
    PowerCut,
    Died,
}

/// One life of the process.
fn boot(
    disk: &SimDisk,
    model: &mut Model,
    rng: &mut SimRng,
    mode: Mode,
    totals: &mut Totals,
) -> Result<End, String> {
    let probe = disk.files();
    let opened = open_with(disk.files(), small_config(), None);
    let (mut log, recovery, found) = match opened {
        Ok(opened) => opened,
        // The power went while it was opening.
        Err(_) if probe.list().is_err() => return Ok(End::PowerCut),
        // A sync of the open itself failed: it is tried again.
        Err(OpenError::Io { .. } | OpenError::DiskFull(_)) if mode.has_faults => return Ok(End::Died),
        Err(error) => return Err(format!("open refused: {error}")),
    };
    totals.boots += 1;
    totals.torn += u64::from(recovery.torn.is_some());
    totals.rewritten += recovery.rewritten_bytes;
    model.check(&found)?;
    if rng.one_in(2) {
        disk.power_off_after(1 + rng.below(80));
    }
    if mode.has_faults && rng.one_in(4) {
        disk.fail_sync_after(1 + rng.below(20));
    }
    let mut batch = log.writer.new_batch();
    for _ in 0..10 + rng.below(40) {
        if let Some(end) = act(&mut log, &mut batch, disk, model, rng, mode, totals)? {
            totals.rotations += log.reader.counters().rotations;
            return Ok(end);
        }
    }
    totals.rotations += log.reader.counters().rotations;
    match rng.below(3) {
        0 if log.writer.close().is_ok() => {
            model.durable = model.written.len();
            Ok(if rng.one_in(2) { End::Died } else { End::PowerCut })
        }
        1 => Ok(End::Died),
        _ => Ok(End::PowerCut),
    }
}

/// One thing that an owner does. Some end the life of the process.
fn act(
    log: &mut Log,
    batch: &mut Batch,
    disk: &SimDisk,
    model: &mut Model,
    rng: &mut SimRng,
    mode: Mode,
    totals: &mut Totals,
) -> Result<Option<End>, String> {
    match rng.below(10) {
        0 => match log.preparer.prepare_step() {
            Ok(_) | Err(PrepareError::DiskFull(_)) => Ok(None),
            Err(_) => Ok(Some(if rng.one_in(2) { End::Died } else { End::PowerCut })),
        },
        1 => match log.writer.mark_idle() {
            Ok(_) => {
                model.durable = model.written.len();
                Ok(None)
            }
            Err(error) => after_failure(&error, totals, rng),
        },
        2 if disk.files().list().is_ok() => model.check_reads(&log.reader, rng).map(|()| None),
        3 if mode.has_faults => {
            let space = rng.one_in(3).then(|| rng.below(10_000));
            disk.set_space_left(space);
            Ok(None)
        }
        _ => append(log, batch, model, rng, mode, totals),
    }
}

fn append(
    log: &mut Log,
    batch: &mut Batch,
    model: &mut Model,
    rng: &mut SimRng,
    mode: Mode,
    totals: &mut Totals,
) -> Result<Option<End>, String> {
    batch.restart(log.writer.next_seq());
    let before = model.written.len();
    let mut pushed = Vec::new();
    for _ in 0..=rng.below(8) {
        let bytes = rng.below(700) as usize;
        let payload = rng.bytes(bytes);
        if let Ok(place) = batch.push(&payload) {
            pushed.push(place);
            model.written.push(payload);
        }
    }
    let durability = if mode.acks_unsynced || (mode.is_weak && !rng.one_in(8)) {
        Durability::Written
    } else {
        Durability::Synced
    };
    match log.writer.commit(batch, durability) {
        Ok(committed) => {
            if durability == Durability::Synced || mode.acks_unsynced {
                model.durable = model.written.len();
            }
            for place in pushed {
                let position = committed.position(place.offset_in_batch);
                let payload = model.written[place.seq.get() as usize - 1].clone();
                model.places.push(Some(Kept { seq: place.seq, position, payload }));
            }
            Ok(None)
        }
        Err(error) => {
            let end = after_failure(&error, totals, rng)?;
            if end.is_none() {
                // Refused: the sequences go to others.
                model.written.truncate(before);
                if log.writer.next_seq() != LogSeq::new(before as u64 + 1) {
                    return Err("a refused batch took its sequences".to_owned());
                }
            }
            Ok(end)
        }
    }
}

fn after_failure(error: &CommitError, totals: &mut Totals, rng: &mut SimRng) -> Result<Option<End>, String> {
    match error {
        CommitError::DiskFull(_) => {
            totals.full += 1;
            Ok(None)
        }
        CommitError::OutOfOrder { .. } | CommitError::Exhausted => Err(format!("{error}")),
        _ => {
            totals.stopped += 1;
            // A process that stops may be started again without a power cut.
            Ok(Some(if rng.one_in(2) { End::Died } else { End::PowerCut }))
        }
    }
}

fn run_all(count: u64, mode: Mode) -> Totals {
    let mut sum = Totals::default();
    for seed in seeds(count) {
        match run(seed, mode) {
            Ok(totals) => {
                sum.boots += totals.boots;
                sum.acked += totals.acked;
                sum.torn += totals.torn;
                sum.rewritten += totals.rewritten;
                sum.rotations += totals.rotations;
                sum.full += totals.full;
                sum.stopped += totals.stopped;
            }
            Err(what) => panic!("HALLEY_SEED={seed}: {what}"),
        }
    }
    println!("seeds {:?}: {sum:?}", seeds(count).len());
    sum
}

#[test]
fn no_acknowledged_record_is_lost_or_doubled() {
    let sum = run_all(400, Mode::default());
    if std::env::var("HALLEY_SEED").is_err() {
        assert!(sum.torn > 50 && sum.rotations > 1000 && sum.rewritten > 0, "{sum:?}");
    }
}

#[test]
fn no_acknowledged_record_is_lost_when_syncs_fail_and_the_disk_fills() {
    let sum = run_all(400, Mode { has_faults: true, ..Mode::default() });
    if std::env::var("HALLEY_SEED").is_err() {
        assert!(sum.full > 50 && sum.stopped > 50, "{sum:?}");
    }
}

#[test]
fn without_a_sync_per_commit_what_was_synced_survives_and_the_rest_is_a_prefix() {
    run_all(400, Mode { is_weak: true, ..Mode::default() });
}

#[test]
fn a_build_whose_commit_does_not_sync_fails_the_same_run() {
    assert_most_seeds_fail("fdatasync in the commit", Mode { acks_unsynced: true, ..Mode::default() });
}

#[test]
fn a_disk_that_lies_about_every_sync_fails_the_same_run() {
    assert_most_seeds_fail("any fsync at all", Mode { syncs_lie: true, ..Mode::default() });
}

fn assert_most_seeds_fail(without: &str, mode: Mode) {
    let failed: Vec<_> = (1..=200).filter_map(|seed| Some((seed, run(seed, mode).err()?))).collect();
    println!("{} of 200 seeds fail without {without}, among them:", failed.len());
    for (seed, what) in failed.iter().take(5) {
        println!("  seed {seed}: {what}");
    }
    assert!(failed.len() > 100, "only {} of 200 seeds saw that {without} is gone", failed.len());
}
