//! The same log over a directory of the operating system.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{commit, open_with, small_config};
use halley_journal::real::{DirError, DirFiles};
use halley_journal::{Fate, Position, PrepareError, Prepared, ReadError, Removal, verify};

#[test]
fn a_directory_is_opened_by_one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/journal");
    let first = DirFiles::open(&path).unwrap();
    assert!(matches!(DirFiles::open(&path), Err(DirError::InUse { .. })));
    drop(first);
    DirFiles::open(&path).unwrap();
}

#[test]
fn a_log_on_real_files_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut kept = Vec::new();
    for run in 0..4_u8 {
        let files = Arc::new(DirFiles::open(directory.path()).unwrap());
        let (mut log, recovery, found) = open_with(files, small_config(), None).unwrap();
        assert_eq!(found, kept);
        assert_eq!(recovery.is_clean, run == 0 || run % 2 == 0);
        for round in 0..30 {
            kept.extend(commit(&mut log.writer, &[&[run; 600], &[round; 30]]).1);
        }
        for record in &kept {
            assert_eq!(log.reader.read(record.position, record.seq).unwrap(), record.payload);
        }
        if run % 2 == 1 {
            log.writer.close().unwrap();
        }
    }
    let files = DirFiles::open(directory.path()).unwrap();
    let report = verify(&files, &mut |_, _| {}).unwrap();
    assert!(report.is_sound() && report.is_clean, "{report:?}");
}

#[test]
fn writer_preparer_and_readers_work_in_threads() {
    const BATCHES: u64 = 400;
    let directory = tempfile::tempdir().unwrap();
    let files = Arc::new(DirFiles::open(directory.path()).unwrap());
    let (log, _, _) = open_with(files, small_config(), None).unwrap();
    let (mut writer, reader, mut preparer) = (log.writer, log.reader, log.preparer);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                match preparer.prepare_step() {
                    Ok(Prepared::Nothing) => std::thread::yield_now(),
                    Ok(_) => {}
                    Err(error @ PrepareError::DiskFull(_)) | Err(error) => panic!("{error}"),
                }
            }
        });
        for _ in 0..2 {
            let reader = reader.clone();
            scope.spawn(move || {
                let mut scan = reader.scan(Position::ZERO);
                let mut seen = 0;
                while seen < BATCHES * 2 {
                    let Some(record) = scan.next_record().unwrap() else {
                        std::thread::yield_now();
                        continue;
                    };
                    seen += 1;
                    assert_eq!(record.seq.get(), seen);
                    let (position, seq, payload) = (record.position, record.seq, record.payload.to_vec());
                    assert_eq!(reader.read(position, seq).unwrap(), payload);
                }
            });
        }
        for round in 0..BATCHES {
            commit(&mut writer, &[&round.to_le_bytes(), &[1; 700]]);
        }
        is_done.store(true, Ordering::Release);
    });
    assert!(reader.counters().rotations > 10);
}

#[test]
fn segments_are_rewritten_and_removed_beside_writer_and_readers() {
    const BATCHES: u64 = 600;
    let directory = tempfile::tempdir().unwrap();
    let files = Arc::new(DirFiles::open(directory.path()).unwrap());
    let (log, _, _) = open_with(files, small_config(), None).unwrap();
    let (mut writer, reader, mut preparer, mut compactor) =
        (log.writer, log.reader, log.preparer, log.compactor);
    let is_done = AtomicBool::new(false);
    let is_odd = |seq: u64| seq % 2 == 1;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                if preparer.prepare_step().unwrap() == Prepared::Nothing {
                    std::thread::yield_now();
                }
            }
        });
        // Everything sealed loses its even records, and what lies ten segments back goes.
        scope.spawn(|| {
            let mut next = 1;
            while !is_done.load(Ordering::Acquire) || next < reader.committed_end().segment() {
                if next >= reader.committed_end().segment() {
                    std::thread::yield_now();
                    continue;
                }
                let fate = &mut |seq: halley_journal::LogSeq, _: &[u8]| {
                    if is_odd(seq.get()) { Fate::Live } else { Fate::Erased }
                };
                let done = compactor.rewrite(next, fate, &mut |_| ControlFlow::Continue(())).unwrap();
                assert!(done.dropped > 0 && done.bytes_after < done.bytes_before);
                next += 1;
                while let Removal::Removed { segment, .. } =
                    compactor.remove_before(next.saturating_sub(10)).unwrap()
                {
                    assert!(segment + 10 < next);
                }
            }
        });
        for _ in 0..2 {
            let reader = reader.clone();
            let is_done = &is_done;
            scope.spawn(move || {
                let mut scrub = reader.scrub();
                let mut places = Vec::new();
                let mut scan = reader.scan(Position::ZERO);
                while !is_done.load(Ordering::Acquire) {
                    match scan.next_record() {
                        Ok(Some(record)) => {
                            places.push((record.position, record.seq, record.payload.to_vec()));
                        }
                        Ok(None) => {}
                        Err(ReadError::NoSegment { .. }) => scan = reader.scan(Position::ZERO),
                        Err(error) => panic!("{error}"),
                    }
                    // Positions of every age, from before and after a rewrite.
                    if let Some((position, seq, payload)) = places.get(places.len() * 2 / 3) {
                        match reader.read(*position, *seq) {
                            Ok(read) => assert_eq!(&read, payload),
                            Err(ReadError::Dropped { .. }) => assert!(!is_odd(seq.get())),
                            Err(ReadError::NoSegment { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    let step = scrub.step(4096).unwrap();
                    assert_eq!(step.damage, []);
                    if step.is_done {
                        scrub = reader.scrub();
                    }
                }
            });
        }
        for round in 0..BATCHES {
            commit(&mut writer, &[&round.to_le_bytes(), &[1; 700]]);
        }
        is_done.store(true, Ordering::Release);
    });
    let counters = reader.counters();
    assert!(counters.rewritten_segments > 20 && counters.removed_segments > 5, "{counters:?}");
    assert_eq!(counters.damaged_reads, 0);
    writer.close().unwrap();
    drop((reader, preparer, compactor));
    let files = DirFiles::open(directory.path()).unwrap();
    let report = verify(&files, &mut |_, _| {}).unwrap();
    assert!(report.is_sound() && report.is_clean, "{report:?}");
    assert!(report.segments[0].segment > 1);
}
