//! Records are taken out and nothing else: what is kept is read back by scan, by old position and by the next open, what
//! went is gone from the bytes, `verify` finds nothing wrong, and damage is never turned into a hole.
//!
//! A failure would be a deleted message that comes back, or one that goes although nobody deleted it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use common::{Kept, commit, open, open_with, restore, seeds, small_config, snapshot};
use halley_journal::sim::{SimDisk, SimRng};
use halley_journal::{
    Compactor, Fate, Log, LogSeq, OpenError, Position, ReadError, Removal, RewriteError, Rewritten, verify,
};

fn name(segment: u32) -> String {
    format!("{segment:010}.segment")
}

fn at_full_speed(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn rewrite(
    compactor: &mut Compactor,
    segment: u32,
    fate: impl Fn(LogSeq) -> Fate,
) -> Result<Rewritten, RewriteError> {
    compactor.rewrite(segment, &mut |seq, _| fate(seq), &mut at_full_speed)
}

/// A log of several segments; payloads are random and long enough to be told apart in the bytes.
fn build(rng: &mut SimRng) -> (SimDisk, Log, Vec<Kept>) {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let mut kept = Vec::new();
    let mut batches = 20 + rng.below(40);
    while batches > 0 || log.reader.segments().len() < 4 {
        batches = batches.saturating_sub(1);
        let payloads: Vec<Vec<u8>> = (0..=rng.below(6))
            .map(|_| {
                let bytes = 16 + rng.below(600) as usize;
                rng.bytes(bytes)
            })
            .collect();
        let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        kept.extend(commit(&mut log.writer, &slices).1);
        if rng.one_in(9) {
            log.writer.mark_idle().unwrap();
        }
    }
    (disk, log, kept)
}

fn half(seq: LogSeq) -> Fate {
    if seq.get().is_multiple_of(2) { Fate::Erased } else { Fate::Live }
}

fn sealed(log: &Log) -> std::ops::Range<u32> {
    1..log.reader.committed_end().segment()
}

/// A fate for every record, with stretches of each kind.
fn fates(rng: &mut SimRng, kept: &[Kept]) -> BTreeMap<LogSeq, Fate> {
    let mut fate = Fate::Live;
    let mut next = |rng: &mut SimRng| {
        if rng.one_in(3) {
            fate = [Fate::Live, Fate::Dead, Fate::Erased][rng.below(3) as usize];
        }
        fate
    };
    kept.iter().map(|record| (record.seq, next(rng))).collect()
}

fn holds(content: &[u8], payload: &[u8]) -> bool {
    content.windows(payload.len()).any(|window| window == payload)
}

/// What a scan shows, wherever it lies.
fn scanned(log: &Log, from: Position) -> Vec<(LogSeq, Vec<u8>)> {
    let mut scan = log.reader.scan(from);
    let mut found = Vec::new();
    while let Some(record) = scan.next_record().unwrap() {
        found.push((record.seq, record.payload.to_vec()));
    }
    found
}

fn plain(kept: &[Kept]) -> Vec<(LogSeq, Vec<u8>)> {
    kept.iter().map(|record| (record.seq, record.payload.clone())).collect()
}

#[test]
fn what_is_kept_is_read_back_and_what_went_is_gone() {
    let (mut holes, mut dropped) = (0, 0);
    for seed in seeds(60) {
        let mut rng = SimRng::new(seed);
        let (disk, mut log, all) = build(&mut rng);
        let fates = fates(&mut rng, &all);
        let mut gone = Vec::new();
        for segment in sealed(&log) {
            let before = disk.content(&name(segment)).len() as u64;
            let done = rewrite(&mut log.compactor, segment, |seq| fates[&seq]).unwrap();
            assert_eq!(done.bytes_before, before);
            assert_eq!(done.bytes_after, disk.content(&name(segment)).len() as u64);
            // What was dead and is still there was worth less than its hole.
            let (mut kept, mut erased) = (0, 0);
            for record in all.iter().filter(|record| record.position.segment() == segment) {
                match log.reader.read(record.position, record.seq) {
                    Ok(payload) => {
                        assert_eq!(payload, record.payload, "HALLEY_SEED={seed}");
                        assert_ne!(fates[&record.seq], Fate::Erased, "HALLEY_SEED={seed}");
                        assert!(fates[&record.seq] == Fate::Live || payload.len() < 88, "HALLEY_SEED={seed}");
                        kept += 1;
                    }
                    Err(ReadError::Dropped { seq }) => {
                        assert_eq!(seq, record.seq);
                        assert_ne!(fates[&seq], Fate::Live, "HALLEY_SEED={seed}");
                        erased += 1;
                        gone.push(record.seq);
                        assert!(!holds(&disk.content(&name(segment)), &record.payload), "HALLEY_SEED={seed}");
                    }
                    Err(other) => panic!("HALLEY_SEED={seed}: {other}"),
                }
            }
            assert_eq!((done.kept, done.dropped), (kept, erased));
            holes += done.holes;
        }
        dropped += gone.len();
        let left: Vec<_> = all.iter().filter(|record| !gone.contains(&record.seq)).cloned().collect();
        assert_eq!(scanned(&log, Position::ZERO), plain(&left), "HALLEY_SEED={seed}");
        for segment in log.reader.segments() {
            let start = log.reader.segment_of(segment.first_seq).unwrap();
            let from =
                left.iter().filter(|record| record.seq >= segment.first_seq).cloned().collect::<Vec<_>>();
            assert_eq!(scanned(&log, start), plain(&from), "HALLEY_SEED={seed}");
        }
        // A scan from an old position shows everything that is left from there on.
        let place = all[rng.below(all.len() as u64) as usize].position;
        let shown = scanned(&log, place);
        let wanted: Vec<_> = left.iter().filter(|record| record.position >= place).cloned().collect();
        assert!(shown.ends_with(&plain(&wanted)), "HALLEY_SEED={seed}: from {place}");

        let report = verify(disk.files().as_ref(), &mut |_, _| {}).unwrap();
        assert!(report.is_sound() && report.torn.is_none(), "HALLEY_SEED={seed}: {report:?}");
        assert_eq!(report.segments.iter().map(|segment| segment.dropped).sum::<u64>(), gone.len() as u64);
        assert_eq!(log.reader.counters().damaged_reads, 0);
        let mut scrub = log.reader.scrub();
        let step = scrub.step(u64::MAX).unwrap();
        assert!(step.is_done && step.damage.is_empty(), "HALLEY_SEED={seed}: {step:?}");

        disk.kill();
        let (_, recovery, found) = open(&disk).unwrap();
        assert_eq!((plain(&found), recovery.torn), (plain(&left), None), "HALLEY_SEED={seed}");
        disk.kill();
        let (_, _, found) = open_with(disk.files(), small_config(), Some(place)).unwrap();
        assert!(plain(&found).ends_with(&plain(&wanted)), "HALLEY_SEED={seed}: from {place}");
    }
    if std::env::var("HALLEY_SEED").is_err() {
        assert!(holes > 500 && dropped > 1500, "{holes} holes, {dropped} dropped");
    }
}

#[test]
fn a_segment_is_rewritten_again_and_again_until_nothing_is_left() {
    for seed in seeds(60) {
        let mut rng = SimRng::new(seed);
        let (disk, mut log, all) = build(&mut rng);
        let mut left = all.clone();
        while left.iter().any(|record| record.position.segment() == 2) {
            let goes: Vec<_> = left
                .iter()
                .filter(|record| record.position.segment() == 2 && rng.one_in(3))
                .map(|record| record.seq)
                .collect();
            let fate = |seq| if goes.contains(&seq) { Fate::Erased } else { Fate::Live };
            let done = rewrite(&mut log.compactor, 2, fate).unwrap();
            assert_eq!(done.dropped, goes.len() as u64);
            left.retain(|record| !goes.contains(&record.seq));
            for record in &all {
                match log.reader.read(record.position, record.seq) {
                    Ok(payload) => assert_eq!(payload, record.payload),
                    Err(ReadError::Dropped { .. }) => {
                        assert!(!left.contains(record), "HALLEY_SEED={seed}: {record:?}");
                    }
                    Err(other) => panic!("HALLEY_SEED={seed}: {other}"),
                }
            }
            assert_eq!(scanned(&log, Position::ZERO), plain(&left), "HALLEY_SEED={seed}");
        }
        // A page with one hole, and a seal.
        assert_eq!(disk.content(&name(2)).len(), 4096 + 64);
        let report = verify(disk.files().as_ref(), &mut |_, _| {}).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!((report.segments[1].holes, report.segments[1].records), (1, 0));
        assert_eq!(report.segments[1].next_seq, report.segments[2].first_seq);
        disk.kill();
        assert_eq!(plain(&open(&disk).unwrap().2), plain(&left));
    }
}

#[test]
fn an_old_position_never_shows_what_somebody_put_there() {
    const FORGED: &[u8] = b"you owe me money";
    // The victim is record 2. Record 4 carries, `pad` bytes in, a whole record that says it were record 2.
    let build = |pad: usize| {
        let disk = SimDisk::new(1);
        let (mut log, _, _) = open(&disk).unwrap();
        commit(&mut log.writer, &[&[1; 400]]);
        let (_, victim) = commit(&mut log.writer, &[b"the words of the victim"]);
        let mut attack = vec![b'x'; pad];
        let head = [&2_u64.to_le_bytes()[..], &(FORGED.len() as u32).to_le_bytes()].concat();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head), FORGED);
        attack.extend_from_slice(&(FORGED.len() as u32).to_le_bytes());
        attack.extend_from_slice(&crc.to_le_bytes());
        attack.extend_from_slice(FORGED);
        attack.resize(1500, b'y');
        commit(&mut log.writer, &[&[3; 40]]);
        commit(&mut log.writer, &[&attack]);
        while log.reader.segments().len() < 2 {
            commit(&mut log.writer, &[&[5; 1000]]);
        }
        let fate = |seq| if seq == LogSeq::FIRST { Fate::Erased } else { Fate::Live };
        rewrite(&mut log.compactor, 1, fate).unwrap();
        (disk, log, victim[0].clone())
    };
    let (disk, _, victim) = build(0);
    let content = disk.content(&name(1));
    let place = content.windows(FORGED.len()).position(|window| window == FORGED).unwrap() - 8;
    let pad = victim.position.offset() as usize - place;
    let (disk, log, victim) = build(pad);
    // It lies where the victim lay, and its checksum is right.
    let at = victim.position.offset() as usize;
    assert_eq!(&disk.content(&name(1))[at + 8..at + 8 + FORGED.len()], FORGED);
    assert_eq!(log.reader.read(victim.position, victim.seq).unwrap(), victim.payload);
}

#[test]
fn removed_segments_are_gone_and_the_log_begins_later() {
    let mut rng = SimRng::new(5);
    let (disk, mut log, all) = build(&mut rng);
    let last = log.reader.committed_end().segment();
    assert!(last >= 4);
    assert!(log.compactor.remove_before(last + 1).is_err());
    assert_eq!(log.compactor.remove_before(1).unwrap(), Removal::Done);
    let spare = disk.names().len();

    assert_eq!(log.compactor.remove_before(3).unwrap(), Removal::WaitsForFloor);
    assert_eq!(log.compactor.remove_before(3).unwrap(), Removal::WaitsForFloor);
    assert_eq!(log.reader.segments()[0].segment, 1);
    let mut scan = log.reader.scan(Position::ZERO);
    assert_eq!(scan.next_record().unwrap().unwrap().seq, LogSeq::FIRST);
    assert!(log.writer.mark_idle().unwrap());
    assert!(!log.writer.mark_idle().unwrap());
    let bytes = disk.content(&name(1)).len() as u64;
    assert_eq!(log.compactor.remove_before(3).unwrap(), Removal::Removed { segment: 1, bytes });
    // What is durably stated may go while more is asked for.
    assert!(matches!(log.compactor.remove_before(4).unwrap(), Removal::Removed { segment: 2, .. }));
    assert_eq!(log.compactor.remove_before(4).unwrap(), Removal::WaitsForFloor);
    assert_eq!(log.compactor.remove_before(3).unwrap(), Removal::Done);
    assert_eq!(log.compactor.remove_before(2).unwrap(), Removal::Done);
    assert_eq!(disk.names().len(), spare - 2);
    assert_eq!(log.reader.counters().removed_segments, 2);
    assert!(log.reader.counters().freed_bytes > bytes);

    // A scan that had the file open finishes it, and then says that the next is gone.
    let mut seen = 1;
    let gone = loop {
        match scan.next_record() {
            Ok(Some(_)) => seen += 1,
            Ok(None) => panic!("the scan passed over what was removed"),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, all.iter().filter(|record| record.position.segment() == 1).count());
    assert!(matches!(gone, ReadError::NoSegment { segment: 2 }), "{gone}");
    assert!(matches!(log.reader.read(all[0].position, all[0].seq), Err(ReadError::NoSegment { segment: 1 })));
    assert!(matches!(
        log.reader.scan(all[0].position).next_record().map(drop),
        Err(ReadError::NoSegment { segment: 1 })
    ));
    let left: Vec<_> = all.iter().filter(|record| record.position.segment() > 2).cloned().collect();
    assert_eq!(scanned(&log, Position::ZERO), plain(&left));
    assert_eq!(log.reader.segment_of(LogSeq::FIRST), None);

    disk.kill();
    let report = verify(disk.files().as_ref(), &mut |_, _| {}).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let (mut log, recovery, found) = open(&disk).unwrap();
    assert_eq!((plain(&found), recovery.oldest_seq), (plain(&left), left[0].seq));
    commit(&mut log.writer, &[b"and on"]);
    disk.kill();
    let refused = open_with(disk.files(), small_config(), Some(all[0].position)).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Removed { oldest: 3, .. }), "{refused}");
    // The next one is still missed when it goes on its own.
    disk.take(&name(3));
    assert!(matches!(open(&disk).map(drop), Err(OpenError::MissingSegment { segment: 3 })));
    assert_eq!(verify(disk.files().as_ref(), &mut |_, _| {}).unwrap().missing, [3]);
}

#[test]
fn only_sealed_segments_are_rewritten() {
    let mut rng = SimRng::new(5);
    let (disk, mut log, _) = build(&mut rng);
    let before = snapshot(&disk);
    let last = log.reader.committed_end().segment();
    for segment in [last, last + 1, u32::MAX] {
        let refused = rewrite(&mut log.compactor, segment, |_| Fate::Erased).unwrap_err();
        assert!(matches!(refused, RewriteError::NotSealed { .. }), "{refused}");
    }
    assert!(matches!(
        rewrite(&mut log.compactor, 0, |_| Fate::Erased),
        Err(RewriteError::NoSegment { segment: 0 })
    ));
    // Nothing to drop: nothing is written.
    let done = rewrite(&mut log.compactor, 1, |_| Fate::Live).unwrap();
    assert_eq!((done.dropped, done.bytes_before), (0, done.bytes_after));
    // The owner stops it.
    let stopped = log.compactor.rewrite(1, &mut |_, _| Fate::Erased, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(RewriteError::Stopped)));
    assert_eq!(snapshot(&disk), before);
    assert_eq!(log.reader.counters().rewritten_segments, 0);
}

#[test]
fn damage_is_refused_and_never_becomes_a_hole() {
    for seed in seeds(300) {
        let mut rng = SimRng::new(seed);
        let (disk, log, _) = build(&mut SimRng::new(seed % 5));
        let watermark = log.reader.committed_end();
        let segment = 1 + rng.below(u64::from(watermark.segment()) - 1) as u32;
        let disk = restore(&snapshot(&disk));
        let bytes = disk.content(&name(segment)).len() as u64;
        // Rewritten before, or not.
        if rng.one_in(2) {
            let (mut log, _, _) = open(&disk).unwrap();
            rewrite(&mut log.compactor, segment, half).unwrap();
            disk.kill();
        }
        let bytes = bytes.min(disk.content(&name(segment)).len() as u64);
        disk.flip_bit(&name(segment), rng.below(bytes), rng.below(8) as u8);
        assert!(!verify(disk.files().as_ref(), &mut |_, _| {}).unwrap().is_sound(), "HALLEY_SEED={seed}");
        let before = disk.content(&name(segment));
        let Ok((mut log, _, _)) = open_with(disk.files(), small_config(), Some(watermark)) else {
            // Segments below the watermark are opened by their headers, and this one is hit there.
            continue;
        };
        let refused = rewrite(&mut log.compactor, segment, |_| Fate::Erased).unwrap_err();
        assert!(matches!(refused, RewriteError::Damaged(_)), "HALLEY_SEED={seed}: {refused}");
        assert_eq!(disk.content(&name(segment)), before, "HALLEY_SEED={seed}");
        assert!(!disk.names().iter().any(|name| name.ends_with(".rewrite")));
        assert_eq!(log.reader.counters().damaged_reads, 1);
        let step = log.reader.scrub().step(u64::MAX).unwrap();
        assert!(!step.damage.is_empty(), "HALLEY_SEED={seed}");
    }
}

#[test]
fn a_flipped_bit_in_a_rewritten_segment_is_refused_by_an_open() {
    for seed in seeds(300) {
        let mut rng = SimRng::new(seed);
        let (disk, mut log, all) = build(&mut SimRng::new(seed % 5));
        let last = log.reader.committed_end().segment();
        let fates = fates(&mut rng, &all);
        for segment in 1..last {
            rewrite(&mut log.compactor, segment, |seq| fates[&seq]).unwrap();
        }
        let segment = 1 + rng.below(u64::from(last) - 1) as u32;
        let at = rng.below(disk.content(&name(segment)).len() as u64);
        disk.kill();
        disk.flip_bit(&name(segment), at, rng.below(8) as u8);
        let refused = open(&disk).map(|(_, recovery, _)| recovery).unwrap_err();
        assert!(
            matches!(refused, OpenError::Damaged { damage, .. } if damage.position <= Position::new(segment, at as u32)),
            "HALLEY_SEED={seed}: flip at {at} of {segment}: {refused}"
        );
    }
}

#[test]
fn a_full_disk_leaves_the_old_segment() {
    for seed in seeds(100) {
        let mut rng = SimRng::new(seed);
        let (disk, mut log, _) = build(&mut SimRng::new(seed % 5));
        let before = snapshot(&disk);
        disk.set_space_left(Some(rng.below(6000)));
        let refused = rewrite(&mut log.compactor, 1, half).unwrap_err();
        assert!(matches!(refused, RewriteError::DiskFull(_)), "HALLEY_SEED={seed}: {refused}");
        assert_eq!(snapshot(&disk), before, "HALLEY_SEED={seed}");
        disk.set_space_left(None);
        commit(&mut log.writer, &[b"not poisoned"]);
        assert!(rewrite(&mut log.compactor, 1, half).unwrap().dropped > 0);
    }
}

#[test]
fn scans_and_scrubs_in_progress_finish_what_they_have_begun() {
    for seed in seeds(200) {
        let mut rng = SimRng::new(seed);
        let (_, mut log, mut all) = build(&mut rng);
        let mut scan = log.reader.scan(Position::ZERO);
        let mut scrub = log.reader.scrub();
        let mut seen = Vec::new();
        for _ in 0..rng.below(all.len() as u64) {
            seen.extend(scan.next_record().unwrap().map(|record| record.seq));
        }
        assert!(scrub.step(1 + rng.below(60_000)).unwrap().damage.is_empty());
        // The segment that is scrubbed to its end now is sealed later, and rewritten before the scrubber comes there.
        for _ in 0..rng.below(30) {
            all.extend(commit(&mut log.writer, &[&rng.bytes(900)]).1);
        }
        for segment in sealed(&log) {
            rewrite(&mut log.compactor, segment, half).unwrap();
            for _ in 0..rng.below(5) {
                seen.extend(scan.next_record().unwrap().map(|record| record.seq));
                assert!(scrub.step(1 + rng.below(3000)).unwrap().damage.is_empty(), "HALLEY_SEED={seed}");
            }
        }
        let step = scrub.step(u64::MAX).unwrap();
        assert!(step.is_done && step.damage.is_empty(), "HALLEY_SEED={seed}: {step:?}");
        while let Some(record) = scan.next_record().unwrap() {
            seen.push(record.seq);
        }
        assert!(seen.is_sorted(), "HALLEY_SEED={seed}");
        let odd = all.iter().filter(|record| record.seq.get() % 2 == 1);
        assert!(odd.clone().all(|record| seen.contains(&record.seq)), "HALLEY_SEED={seed}");
        assert_eq!(log.reader.counters().damaged_reads, 0, "HALLEY_SEED={seed}");
    }
}
