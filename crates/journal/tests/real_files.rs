//! The same log over a directory of the operating system.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{commit, open_with, small_config};
use halley_journal::real::{DirError, DirFiles};
use halley_journal::{Position, PrepareError, Prepared, verify};

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
