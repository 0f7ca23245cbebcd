//! The writer's promises outside of crashes: a failed sync is the end, a full disk is not, sequences are given once,
//! preparing ahead is only ever a matter of speed.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod common;

use std::sync::Arc;

use common::{commit, open, open_with, small_config};
use halley_journal::failing::{Action, FailingFiles, Fault, Operation};
use halley_journal::sim::SimDisk;
use halley_journal::{
    CommitError, Config, ConfigError, Durability, LogSeq, OpenError, Position, PrepareError, Prepared,
    PushError, ReadError,
};

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_ever() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let (_, kept) = commit(&mut log.writer, &[b"acknowledged"]);
    let mut batch = log.writer.new_batch();
    batch.push(b"lost").unwrap();
    disk.fail_sync_after(1);
    assert!(matches!(log.writer.commit(&mut batch, Durability::Synced), Err(CommitError::Sync(_))));
    for _ in 0..3 {
        let again = log.writer.commit(&mut batch, Durability::Synced).unwrap_err();
        assert!(matches!(again, CommitError::Poisoned) && !again.is_passing());
    }
    assert!(matches!(log.writer.mark_idle(), Err(CommitError::Poisoned)));
    assert!(matches!(log.writer.sync(), Err(CommitError::Poisoned)));
    assert!(matches!(log.preparer.prepare_step(), Err(PrepareError::Poisoned)));
    assert!(log.reader.is_poisoned());
    // What was acknowledged is still read; what was not is not shown.
    assert_eq!(log.reader.read(kept[0].position, kept[0].seq).unwrap(), b"acknowledged");
    assert_eq!(log.reader.next_seq(), LogSeq::new(2));
    assert!(matches!(log.writer.close(), Err(CommitError::Poisoned)));
}

#[test]
fn a_failed_sync_of_the_preparer_stops_the_writer_too() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    commit(&mut log.writer, &[&[0; 2000], &[0; 2000]]);
    disk.fail_sync_after(1);
    assert!(matches!(log.preparer.prepare_step(), Err(PrepareError::Io(_))));
    let mut batch = log.writer.new_batch();
    batch.push(b"x").unwrap();
    assert!(matches!(log.writer.commit(&mut batch, Durability::Synced), Err(CommitError::Poisoned)));
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_made_durable_or_gone_after_a_restart() {
    for seed in 1..=100 {
        let disk = SimDisk::new(seed);
        let (mut log, _, _) = open(&disk).unwrap();
        commit(&mut log.writer, &[&[1; 700]]);
        let mut batch = log.writer.new_batch();
        batch.push(&[2; 1800]).unwrap();
        disk.fail_sync_after(1);
        log.writer.commit(&mut batch, Durability::Synced).unwrap_err();
        // Only the process dies: the next one reads the batch from the page cache, whose pages count as clean.
        disk.kill();
        let (_, recovery, found) = open(&disk).unwrap();
        assert_eq!(found.len(), 2);
        assert!(recovery.rewritten_bytes > 0);
        disk.crash();
        let (_, _, again) = open(&disk).unwrap();
        assert_eq!(again, found, "seed {seed}");
    }
}

#[test]
fn a_full_disk_refuses_and_then_goes_on() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let mut kept = Vec::new();
    let mut refused = 0;
    for space in [0, 100, 5_000, 9_000, 0, 13_000, 700, 4_096] {
        disk.set_space_left(Some(space));
        for round in 0..40_u8 {
            let mut batch = log.writer.new_batch();
            let payload = vec![round; 100 + usize::from(round) * 40];
            let pushed = batch.push(&payload).unwrap();
            let _ = log.preparer.prepare_step();
            match log.writer.commit(&mut batch, Durability::Synced) {
                Ok(committed) => kept.push((committed.position(pushed.offset_in_batch), pushed.seq, payload)),
                Err(error) => {
                    assert!(matches!(error, CommitError::DiskFull(_)) && error.is_passing(), "{error}");
                    refused += 1;
                }
            }
        }
        disk.set_space_left(None);
        // The very batch that was refused goes in once there is space.
        let mut batch = log.writer.new_batch();
        let pushed = batch.push(b"space again").unwrap();
        let committed = log.writer.commit(&mut batch, Durability::Synced).unwrap();
        kept.push((committed.position(pushed.offset_in_batch), pushed.seq, b"space again".to_vec()));
    }
    assert!(refused > 50 && log.reader.counters().disk_full >= refused);
    for (position, seq, payload) in &kept {
        assert_eq!(&log.reader.read(*position, *seq).unwrap(), payload);
    }
    disk.crash();
    let (_, recovery, found) = open(&disk).unwrap();
    assert_eq!(found.len(), kept.len());
    assert!(found.iter().zip(&kept).all(|(found, kept)| found.payload == kept.2));
    assert_eq!(recovery.torn, None);
}

#[test]
fn a_full_disk_does_not_keep_the_log_from_being_read() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    // Up to the very end of what is allocated.
    disk.set_space_left(Some(0));
    let mut count = 0;
    loop {
        let mut batch = log.writer.new_batch();
        batch.push(&[0; 16]).unwrap();
        if log.writer.commit(&mut batch, Durability::Synced).is_err() {
            break;
        }
        count += 1;
    }
    disk.kill();
    let (mut log, recovery, found) = open(&disk).unwrap();
    assert_eq!((found.len(), recovery.next_seq), (count, LogSeq::new(count as u64 + 1)));
    assert_eq!(log.reader.read(found[0].position, found[0].seq).unwrap(), [0; 16]);
    disk.set_space_left(None);
    commit(&mut log.writer, &[b"space again"]);
}

#[test]
fn what_a_refused_write_leaves_behind_is_cleared_by_the_next() {
    for nth in 6..16 {
        let disk = SimDisk::new(nth);
        let fault = Fault { operation: Operation::Write, nth, action: Action::Enospc };
        let files = Arc::new(FailingFiles::new(disk.files(), fault));
        let (mut log, _, _) = open_with(files, small_config(), None).unwrap();
        let mut count = 0;
        loop {
            count += 1;
            let mut batch = log.writer.new_batch();
            batch.push(&[7; 1900]).unwrap();
            if log.writer.commit(&mut batch, Durability::Synced).is_err() {
                // Somebody else's shorter message gets the sequence, and it is the last one.
                commit(&mut log.writer, &[b"short"]);
                break;
            }
        }
        disk.kill();
        let (_, recovery, found) = open(&disk).unwrap();
        assert_eq!((found.len(), recovery.torn), (count, None), "write {nth}");
        let report = halley_journal::verify(disk.files().as_ref(), &mut |_, _| {}).unwrap();
        assert!(report.is_sound() && report.torn.is_none(), "write {nth}: {report:?}");
    }
}

#[test]
fn batches_must_follow_each_other() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let mut batch = log.writer.new_batch();
    batch.push(b"a").unwrap();
    log.writer.commit(&mut batch, Durability::Synced).unwrap();
    let twice = log.writer.commit(&mut batch, Durability::Synced).unwrap_err();
    assert!(
        matches!(twice, CommitError::OutOfOrder { expected, found } if (expected.get(), found.get()) == (2, 1))
    );
    batch.restart(LogSeq::new(2));
    let pushed = batch.push(b"b").unwrap();
    assert_eq!((pushed.seq, batch.next_seq()), (LogSeq::new(2), LogSeq::new(3)));
    log.writer.commit(&mut batch, Durability::Synced).unwrap();
}

#[test]
fn a_batch_says_when_it_is_full_and_what_never_fits() {
    let config = small_config();
    let mut batch = halley_journal::Batch::new(LogSeq::FIRST, &config);
    assert_eq!(batch.push(&[0; 2049]), Err(PushError::TooLong { bytes: 2049, bytes_max: 2048 }));
    let mut pushed = 0;
    while batch.has_room_for(2000) {
        batch.push(&[0; 2000]).unwrap();
        pushed += 1;
    }
    assert_eq!(batch.push(&[0; 2000]), Err(PushError::Full));
    assert_eq!(batch.len(), pushed);
    assert!(batch.framed_bytes() <= config.batch_bytes_max);
}

#[test]
fn an_empty_batch_writes_nothing() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let before = (log.writer.end(), disk.operations());
    let mut batch = log.writer.new_batch();
    let committed = log.writer.commit(&mut batch, Durability::Synced).unwrap();
    assert_eq!((committed.start, committed.end), (before.0, before.0));
    assert_eq!(disk.operations(), before.1);
}

#[test]
fn a_commit_is_one_write_and_one_sync_when_the_preparer_keeps_up() {
    let disk = SimDisk::new(1);
    let config = Config { first_segment_zero_bytes: 8 << 10, ..small_config() };
    let (mut log, _, _) = open_with(disk.files(), config, None).unwrap();
    let mut batch = log.writer.new_batch();
    for _ in 0..100 {
        while log.preparer.prepare_step().unwrap() != Prepared::Nothing {}
        let rotations = log.reader.counters().rotations;
        batch.restart(log.writer.next_seq());
        for _ in 0..3 {
            batch.push(&[5; 300]).unwrap();
        }
        let before = disk.operations();
        log.writer.commit(&mut batch, Durability::Synced).unwrap();
        if log.reader.counters().rotations == rotations {
            assert_eq!(disk.operations() - before, 2);
        }
    }
    let counters = log.reader.counters();
    assert_eq!((counters.late_zeroings, counters.late_segments), (0, 0));
    assert!(counters.rotations > 3 && counters.records == 300 && counters.batches == 100, "{counters:?}");
}

#[test]
fn commits_go_on_when_the_preparer_never_runs_and_are_counted() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    for _ in 0..100 {
        commit(&mut log.writer, &[&[5; 900]]);
    }
    let counters = log.reader.counters();
    assert!(counters.late_zeroings > 3 && counters.late_segments > 3, "{counters:?}");
    disk.crash();
    assert_eq!(open(&disk).unwrap().2.len(), 100);
}

#[test]
fn an_idle_marker_is_written_once() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    assert!(!log.writer.mark_idle().unwrap());
    commit(&mut log.writer, &[b"x"]);
    assert!(log.writer.mark_idle().unwrap());
    let end = log.writer.end();
    assert!(!log.writer.mark_idle().unwrap());
    assert_eq!((log.writer.end(), log.writer.synced()), (end, end));
}

#[test]
fn a_clean_end_is_told_from_any_other() {
    let disk = SimDisk::new(1);
    let (log, recovery, _) = open(&disk).unwrap();
    assert!(recovery.is_new && recovery.is_clean);
    log.writer.close().unwrap();
    let (_, recovery, _) = open(&disk).unwrap();
    assert!(recovery.is_clean && !recovery.is_new);
    // That run has begun and did not end cleanly, though it wrote no record.
    disk.kill();
    let (_, recovery, _) = open(&disk).unwrap();
    assert!(!recovery.is_clean);
}

#[test]
fn unsynced_records_that_are_lost_do_not_look_like_a_clean_end() {
    for seed in 1..=100 {
        let disk = SimDisk::new(seed);
        let (log, _, _) = open(&disk).unwrap();
        log.writer.close().unwrap();
        let (mut log, _, _) = open(&disk).unwrap();
        let mut batch = log.writer.new_batch();
        batch.push(b"only written").unwrap();
        log.writer.commit(&mut batch, Durability::Written).unwrap();
        disk.crash();
        let (_, recovery, _) = open(&disk).unwrap();
        assert!(!recovery.is_clean, "seed {seed}");
    }
}

#[test]
fn a_log_may_start_at_any_sequence() {
    let disk = SimDisk::new(1);
    let mut config = small_config();
    config.new_log.first_seq = LogSeq::new(1_000_000);
    let (mut log, recovery, _) = open_with(disk.files(), config.clone(), None).unwrap();
    assert_eq!(recovery.next_seq, LogSeq::new(1_000_000));
    let (committed, _) = commit(&mut log.writer, &[b"x"]);
    assert_eq!(committed.first_seq, LogSeq::new(1_000_000));
    // Only a new log asks.
    let (_, recovery, _) = open(&disk).unwrap();
    assert_eq!((recovery.oldest_seq, recovery.next_seq), (LogSeq::new(1_000_000), LogSeq::new(1_000_001)));
}

#[test]
fn an_index_that_knows_more_than_the_log_is_told() {
    let disk = SimDisk::new(1);
    let ahead = Some(Position::new(1, 9000));
    assert!(matches!(open_with(disk.files(), small_config(), ahead), Err(OpenError::Shorter { .. })));
    assert!(disk.names().is_empty());
    drop(open(&disk).unwrap());
    for ahead in [Position::new(1, 9000), Position::new(2, 0), Position::new(900, 7)] {
        let refused = open_with(disk.files(), small_config(), Some(ahead)).map(drop).unwrap_err();
        assert!(matches!(refused, OpenError::Shorter { from, .. } if from == ahead), "{refused}");
    }
}

#[test]
fn reads_beyond_the_end_are_refused() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let (committed, _) = commit(&mut log.writer, &[b"x"]);
    let beyond = log.reader.read(committed.end, LogSeq::new(2)).unwrap_err();
    assert!(matches!(beyond, ReadError::NotCommitted { .. }));
    let nowhere = log.reader.read(Position::new(0, 5000), LogSeq::new(1)).unwrap_err();
    assert!(matches!(nowhere, ReadError::NoSegment { segment: 0 }));
}

#[test]
fn a_visitor_may_refuse() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    commit(&mut log.writer, &[b"a", b"b"]);
    let refused = halley_journal::Log::open(disk.files(), small_config(), None, &mut |record| {
        if record.payload == b"b" { Err("no".into()) } else { Ok(()) }
    });
    assert!(matches!(refused.map(drop), Err(OpenError::Visit { seq, .. }) if seq == LogSeq::new(2)));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let refused = |change: fn(&mut Config)| {
        let mut config = small_config();
        change(&mut config);
        config.check().unwrap_err()
    };
    assert!(matches!(refused(|config| config.segment_bytes = 5000), ConfigError::SegmentBytes(5000)));
    assert!(matches!(refused(|config| config.batch_bytes_max = 16 << 10), ConfigError::BatchBytes { .. }));
    assert!(matches!(refused(|config| config.record_bytes_max = 6 << 10), ConfigError::RecordBytes { .. }));
    assert!(matches!(refused(|config| config.reader_files_max = 0), ConfigError::ReaderFiles));
    assert_eq!(Config::default().check(), Ok(()));
}

#[test]
fn injected_faults_are_read_from_text_and_happen() {
    let fault: Fault = "sync:3:eio".parse().unwrap();
    assert_eq!(fault, Fault { operation: Operation::Sync, nth: 3, action: Action::Eio });
    for wrong in ["", "sync", "sync:0:eio", "sync:1:boom", "read:1:eio", "sync:1:eio:more"] {
        assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
    }
    let mut outcomes = Vec::new();
    for nth in 1..40 {
        let disk = SimDisk::new(nth);
        let fault = Fault { operation: Operation::Sync, nth, action: Action::Eio };
        let files = Arc::new(FailingFiles::new(disk.files(), fault));
        let Ok((mut log, _, _)) = open_with(files, small_config(), None) else {
            continue;
        };
        let mut acknowledged = 0;
        let failed = loop {
            let mut batch = log.writer.new_batch();
            batch.push(&[1; 1500]).unwrap();
            match log.writer.commit(&mut batch, Durability::Synced) {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(failed, CommitError::Sync(_)), "{failed}");
        disk.crash();
        assert!(open(&disk).unwrap().2.len() >= acknowledged);
        outcomes.push(acknowledged);
    }
    assert!(outcomes.len() > 30 && outcomes.is_sorted());
}
