//! Damage is seen. One flipped bit anywhere: refused when it lies below the last durable mark, cut and reported when it
//! lies above, never silent. Files that are cut short, gone, doubled or garbage never panic and never lose in silence.
//!
//! A failure would be a log that shrinks without a word, or one that refuses to start for nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]
#![expect(clippy::print_stdout, reason = "the totals of the runs are part of the evidence")]

mod common;

use common::{Kept, commit, open, open_with, restore, seeds, small_config, snapshot};
use halley_journal::sim::{SimDisk, SimRng};
use halley_journal::{Durability, Log, OpenError, Position, ReadError, verify};

/// A log with several segments, and what is known about it without reading it.
struct Built {
    files: Vec<(String, Vec<u8>)>,
    kept: Vec<Kept>,
    /// The place of the last batch: when it was written, everything before it was durable.
    mark: Position,
    end: Position,
}

enum Ending {
    /// The last batch has just been acknowledged.
    Busy,
    /// 100 ms later.
    Idle,
    Clean,
}

fn build(seed: u64, ending: &Ending) -> Built {
    let mut rng = SimRng::new(seed ^ 0xb111d);
    let disk = SimDisk::new(seed);
    let (mut log, _, _) = open(&disk).unwrap();
    let mut kept = Vec::new();
    let mut mark = Position::ZERO;
    for round in 0..60 + rng.below(60) {
        let payloads: Vec<Vec<u8>> = (0..=rng.below(6))
            .map(|_| {
                let bytes = rng.below(400) as usize;
                rng.bytes(bytes)
            })
            .collect();
        let slices: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let (committed, more) = commit(&mut log.writer, &slices);
        mark = committed.start;
        kept.extend(more);
        if round % 16 == 3 {
            while log.preparer.prepare_step().unwrap() != halley_journal::Prepared::Nothing {}
        }
    }
    let mut end = log.writer.end();
    match ending {
        Ending::Busy => {}
        Ending::Idle => {
            log.writer.mark_idle().unwrap();
            (mark, end) = marker_places(&log);
        }
        Ending::Clean => {
            log.writer.mark_idle().unwrap();
            let reader = log.reader.clone();
            log.writer.close().unwrap();
            end = reader.committed_end();
            mark = Position::new(end.segment(), end.offset() - 64);
        }
    }
    Built { files: snapshot(&disk), kept, mark, end }
}

fn marker_places(log: &Log) -> (Position, Position) {
    let end = log.writer.end();
    (Position::new(end.segment(), end.offset() - 64), end)
}

fn place_of(name: &str, offset: u64) -> Position {
    let number = name.split('.').next().unwrap().parse().unwrap();
    Position::new(number, offset as u32)
}

#[test]
fn one_flipped_bit_is_refused_below_the_mark_and_cut_above_it() {
    let (mut refused, mut cut) = (0, 0);
    for seed in seeds(600) {
        let ending = match seed % 3 {
            0 => Ending::Busy,
            1 => Ending::Idle,
            _ => Ending::Clean,
        };
        let built = build(seed % 7, &ending);
        let mut rng = SimRng::new(seed);
        let bytes: u64 = built.files.iter().map(|(_, content)| content.len() as u64).sum();
        // Half of the places anywhere, half near the end, where the judgement is hard.
        let mut at = if rng.one_in(2) { rng.below(bytes) } else { near_the_end(&built, &mut rng) };
        let (name, _) = built
            .files
            .iter()
            .find(|(_, content)| {
                let here = at < content.len() as u64;
                if !here {
                    at -= content.len() as u64;
                }
                here
            })
            .unwrap();
        let disk = restore(&built.files);
        disk.flip_bit(name, at, rng.below(8) as u8);
        let place = place_of(name, at);
        let outcome = judge(&disk, &built, place);
        match outcome {
            Ok(true) => refused += 1,
            Ok(false) => cut += 1,
            Err(what) => {
                panic!("HALLEY_SEED={seed}: flip at {place}, mark {}, end {}: {what}", built.mark, built.end)
            }
        }
    }
    println!("600 flips: {refused} refused, {cut} cut and reported, none silent");
    if std::env::var("HALLEY_SEED").is_err() {
        assert!(refused > 100 && cut > 50, "{refused} refused, {cut} cut");
    }
}

/// A byte offset over all files, close to the end of the log.
fn near_the_end(built: &Built, rng: &mut SimRng) -> u64 {
    let mut before = 0;
    for (name, content) in &built.files {
        if place_of(name, 0).segment() == built.end.segment() {
            let from = u64::from(built.end.offset()).saturating_sub(600);
            return before + (from + rng.below(800)).min(content.len() as u64 - 1);
        }
        before += content.len() as u64;
    }
    0
}

/// True when refused, false when cut; an error when the outcome is wrong.
fn judge(disk: &SimDisk, built: &Built, flipped: Position) -> Result<bool, String> {
    let report = verify(disk.files().as_ref(), &mut |_, _| {}).map_err(|error| format!("verify: {error}"))?;
    let opened = open(disk);
    if flipped < built.mark {
        return match opened {
            Err(OpenError::Damaged { damage, .. }) if damage.position <= flipped => {
                if report.is_sound() {
                    return Err("verify saw nothing".to_owned());
                }
                Ok(true)
            }
            Err(other) => Err(format!("refused for another reason: {other}")),
            Ok((_, recovery, _)) => Err(format!("not refused: {recovery:?}")),
        };
    }
    let (_, recovery, found) = opened.map_err(|error| format!("refused: {error}"))?;
    if recovery.torn.is_none_or(|torn| torn.bytes == 0) {
        return Err(format!("silent: {recovery:?}"));
    }
    if report.torn.is_none() || !report.is_sound() {
        return Err(format!("verify says {report:?}"));
    }
    let below_mark = built.kept.iter().filter(|kept| kept.position < built.mark).count();
    if found.len() < below_mark || found[..] != built.kept[..found.len()] {
        return Err(format!("{} records found, {below_mark} below the mark", found.len()));
    }
    Ok(false)
}

#[test]
fn an_unharmed_log_opens_whole_and_verifies() {
    for ending in [Ending::Busy, Ending::Idle, Ending::Clean] {
        let built = build(3, &ending);
        let disk = restore(&built.files);
        let mut done = 0;
        let report = verify(disk.files().as_ref(), &mut |bytes, total| {
            assert!(bytes > done && bytes <= total);
            done = bytes;
        })
        .unwrap();
        assert!(report.is_sound() && report.torn.is_none(), "{report:?}");
        assert_eq!(report.end, built.end);
        assert_eq!(report.is_clean, matches!(ending, Ending::Clean));
        assert_eq!(
            report.segments.iter().map(|segment| segment.records).sum::<u64>(),
            built.kept.len() as u64
        );
        let (_, recovery, found) = open(&disk).unwrap();
        assert_eq!(found, built.kept);
        assert_eq!(recovery.torn, None);
        assert_eq!(recovery.is_clean, matches!(ending, Ending::Clean));
    }
}

#[test]
fn files_cut_short_are_refused_below_the_mark_and_never_show_other_records() {
    for seed in seeds(200) {
        let built = build(seed % 5, &Ending::Idle);
        let mut rng = SimRng::new(seed);
        let mut files = built.files.clone();
        let index = rng.below(files.len() as u64) as usize;
        let keep = rng.below(files[index].1.len() as u64) as usize;
        files[index].1.truncate(keep);
        let place = place_of(&files[index].0, keep as u64);
        let disk = restore(&files);
        let watermark = built.kept.last().unwrap().position;
        match open(&disk) {
            // Nothing in the file itself can say that its end is missing when no mark is left behind it.
            Ok((_, _, found)) => {
                let is_last = place.segment() >= built.end.segment();
                assert!(is_last || found == built.kept, "HALLEY_SEED={seed}: cut at {place} was not seen");
                assert_eq!(found[..], built.kept[..found.len()], "HALLEY_SEED={seed}");
            }
            Err(OpenError::Damaged { .. }) => {}
            Err(other) => panic!("HALLEY_SEED={seed}: {other}"),
        }
        // But the index can: it has seen the last record. (Sealed segments below it are for the scrubber.)
        let from_index = open_with(restore(&files).files(), small_config(), Some(watermark));
        if place <= watermark && place.segment() == watermark.segment() {
            assert!(from_index.is_err(), "HALLEY_SEED={seed}: cut at {place} below the index at {watermark}");
        }
    }
}

#[test]
fn a_missing_segment_is_refused_wherever_it_was() {
    let built = build(2, &Ending::Idle);
    let started = built.end.segment();
    assert!(started > 3);
    for missing in 1..=started {
        let disk = restore(&built.files);
        disk.take(&format!("{missing:010}.segment"));
        // Behind the end there may be a spare: without the active segment it is out of place.
        match open(&disk) {
            Err(OpenError::MissingSegment { segment }) => assert_eq!(segment, missing),
            Err(OpenError::Damaged { .. }) if missing == started => {}
            other => panic!("segment {missing} missing: {:?}", other.map(|(_, recovery, _)| recovery)),
        }
        let report = verify(disk.files().as_ref(), &mut |_, _| {}).unwrap();
        assert!(!report.is_sound(), "segment {missing} missing: {report:?}");
    }
}

#[test]
fn a_doubled_or_exchanged_segment_is_refused() {
    let built = build(2, &Ending::Idle);
    let name = |number: u32| format!("{number:010}.segment");
    let second = built.files[1].1.clone();
    let past = name(built.end.segment() + 1);
    for (target, content) in [(name(3), &second), (name(1), &second), (past, &second)] {
        let disk = restore(&built.files);
        disk.put(&target, content);
        let refused = open(&disk).map(|(_, recovery, _)| recovery).unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{target}: {refused}");
        assert!(!verify(disk.files().as_ref(), &mut |_, _| {}).unwrap().is_sound(), "{target}");
    }
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let built = build(2, &Ending::Idle);
    let other = SimDisk::new(9);
    let mut config = small_config();
    config.new_log.log_id = Some(99);
    let (mut log, _, _) = open_with(other.files(), config, None).unwrap();
    for _ in 0..40 {
        commit(&mut log.writer, &[&[7; 1000]]);
    }
    let disk = restore(&built.files);
    disk.put("0000000002.segment", &other.content("0000000002.segment"));
    assert!(matches!(open(&disk).map(drop), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_payload_that_looks_like_a_batch_is_none() {
    // A batch of this very log is sent as a payload, and then the batch that holds it is torn.
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let (committed, _) = commit(&mut log.writer, &[b"first"]);
    let start = committed.start.offset() as usize;
    let copied = disk.content("0000000001.segment")[start..committed.end.offset() as usize].to_vec();
    let (torn, _) = commit(&mut log.writer, &[&copied, &copied]);
    disk.flip_bit("0000000001.segment", u64::from(torn.start.offset()) + 30, 0);
    let (_, recovery, found) = open(&disk).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(recovery.torn.unwrap().position, torn.start);
}

#[test]
fn garbage_files_never_panic() {
    for seed in seeds(300) {
        let mut rng = SimRng::new(seed);
        let built = build(seed % 3, &Ending::Busy);
        let mut files = built.files;
        for _ in 0..=rng.below(3) {
            let index = rng.below(files.len() as u64) as usize;
            let content = &mut files[index].1;
            let from = rng.below(content.len() as u64) as usize;
            let to = (from + rng.below(9000) as usize).min(content.len());
            match rng.below(4) {
                0 => content[from..to].fill(0),
                1 => {
                    let garbage = rng.bytes(to - from);
                    content[from..to].copy_from_slice(&garbage);
                }
                2 => content[from..to].fill(0xff),
                _ => {
                    let count = rng.below(30_000) as usize;
                    *content = rng.bytes(count);
                }
            }
        }
        let disk = restore(&files);
        let report = verify(disk.files().as_ref(), &mut |_, _| {});
        match open(&disk) {
            // Garbage at the end may take the marks with it: then only the index knows that there was more.
            Ok((_, _, found)) => assert_eq!(found[..], built.kept[..found.len()], "HALLEY_SEED={seed}"),
            Err(
                OpenError::Damaged { .. } | OpenError::MissingSegment { .. } | OpenError::NewerFormat { .. },
            ) => {
                assert!(
                    report.is_err() || !report.unwrap().is_sound(),
                    "HALLEY_SEED={seed}: verify saw nothing"
                );
            }
            Err(other) => panic!("HALLEY_SEED={seed}: {other}"),
        }
    }
}

#[test]
fn names_that_are_not_segments_are_left_alone() {
    let disk = SimDisk::new(1);
    for name in ["lock", "1.segment", "0000000000.segment", "99999999999.segment", "notes.txt"] {
        disk.put(name, b"something else");
    }
    let (_, recovery, _) = open(&disk).unwrap();
    assert!(recovery.is_new);
    assert_eq!(disk.content("notes.txt"), b"something else");
}

#[test]
fn a_newer_format_is_refused_clearly_and_a_flipped_version_is_damage() {
    let built = build(1, &Ending::Idle);
    let disk = restore(&built.files);
    // Bit 1 of the version: 1 becomes 3, under the checksum of version 1.
    disk.flip_bit("0000000002.segment", 8, 1);
    assert!(matches!(open(&disk).map(drop), Err(OpenError::Damaged { .. })));

    let mut newer = built.files[1].1.clone();
    newer[8] = 2;
    newer[100] = 1;
    let disk = restore(&built.files);
    disk.put("0000000002.segment", &newer);
    let refused = open(&disk).map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::NewerFormat { segment: 2, found: 2, supported: 1 }), "{refused}");
    assert_eq!(
        refused.to_string(),
        "segment 0000000002.segment has format version 2, this build reads up to 1: run the newer version"
    );
}

#[test]
fn damage_in_a_sealed_segment_is_met_by_read_scan_and_scrub() {
    let built = build(4, &Ending::Idle);
    let disk = restore(&built.files);
    let victim =
        built.kept.iter().find(|kept| kept.position.segment() == 2 && kept.payload.len() > 20).unwrap();
    let watermark = built.kept.last().unwrap().position;
    disk.flip_bit("0000000002.segment", u64::from(victim.position.offset()) + 12, 3);
    // The index is up to date, so the open does not look there.
    let (log, recovery, found) = open_with(disk.files(), small_config(), Some(watermark)).unwrap();
    assert_eq!((found.len(), recovery.torn), (1, None));

    let read = log.reader.read(victim.position, victim.seq).unwrap_err();
    assert!(matches!(read, ReadError::Damaged(damage) if damage.position == victim.position), "{read}");

    let mut scan = log.reader.scan(Position::ZERO);
    let stopped = loop {
        match scan.next_record() {
            Ok(Some(record)) => assert!(record.seq < victim.seq),
            Ok(None) => panic!("the scan passed over damage"),
            Err(error) => break error,
        }
    };
    assert!(matches!(stopped, ReadError::Damaged(_)));

    let mut scrub = log.reader.scrub();
    let mut damage = Vec::new();
    let mut steps = 0;
    loop {
        let step = scrub.step(4096).unwrap();
        damage.extend(step.damage);
        steps += 1;
        if step.is_done {
            break;
        }
    }
    assert_eq!(damage.len(), 1);
    assert!(damage[0].position < victim.position && damage[0].position.segment() == 2);
    assert!(steps > 10);
    assert_eq!(log.reader.counters().damaged_reads, 3);

    // Other records of the segment are still read.
    let other = built.kept.iter().rfind(|kept| kept.position.segment() == 2).unwrap();
    assert_eq!(log.reader.read(other.position, other.seq).unwrap(), other.payload);
}

#[test]
fn after_a_cut_the_old_bytes_never_come_back() {
    for seed in seeds(100) {
        let built = build(seed % 5, &Ending::Busy);
        let disk = restore(&built.files);
        // The last batch is damaged, so it is cut; then a shorter one is written there.
        disk.flip_bit(
            &format!("{:010}.segment", built.mark.segment()),
            u64::from(built.mark.offset()) + 40,
            1,
        );
        let (mut log, recovery, found) = open(&disk).unwrap();
        assert!(recovery.torn.is_some(), "HALLEY_SEED={seed}");
        let (_, more) = commit(&mut log.writer, &[b"x"]);
        disk.crash();
        let (_, recovery, again) = open(&disk).unwrap();
        assert_eq!(recovery.torn, None, "HALLEY_SEED={seed}");
        assert_eq!(again, [found, more].concat(), "HALLEY_SEED={seed}");
    }
}

#[test]
fn a_marker_covers_what_was_only_written_before_it() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let mut start = Position::ZERO;
    for _ in 0..3 {
        let mut batch = log.writer.new_batch();
        batch.push(&[1; 300]).unwrap();
        start = log.writer.commit(&mut batch, Durability::Written).unwrap().start;
    }
    assert!(log.writer.synced() < start);
    log.writer.mark_idle().unwrap();
    disk.flip_bit("0000000001.segment", u64::from(start.offset()) + 100, 0);
    assert!(matches!(open(&disk).map(drop), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_cut_whose_sync_failed_is_made_again_by_the_next_open() {
    for seed in seeds(200) {
        let built = build(seed % 5, &Ending::Busy);
        let disk = restore(&built.files);
        disk.flip_bit(
            &format!("{:010}.segment", built.mark.segment()),
            u64::from(built.mark.offset()) + 40,
            1,
        );
        // The zeros of the cut stay in the page cache, counted as clean; on the disk the old bytes are still there.
        disk.fail_sync_after(1);
        assert!(matches!(open(&disk).map(drop), Err(OpenError::Io { .. })), "HALLEY_SEED={seed}");
        disk.kill();
        let (mut log, _, found) = open(&disk).unwrap();
        let (_, more) = commit(&mut log.writer, &[b"x"]);
        disk.crash();
        let (_, recovery, again) = open(&disk).unwrap_or_else(|error| panic!("HALLEY_SEED={seed}: {error}"));
        assert_eq!((recovery.torn, again), (None, [found, more].concat()), "HALLEY_SEED={seed}");
    }
}

#[test]
fn padding_is_checked_too() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let (committed, _) = commit(&mut log.writer, &[b"1"]);
    log.writer.mark_idle().unwrap();
    disk.flip_bit("0000000001.segment", u64::from(committed.end.offset()) - 1, 0);
    assert!(matches!(open(&disk).map(drop), Err(OpenError::Damaged { .. })));
}

#[test]
fn garbage_in_segments_behind_the_end_is_removed_however_often_the_power_goes() {
    for seed in seeds(200) {
        let built = build(seed % 5, &Ending::Busy);
        let disk = restore(&built.files);
        for behind in 1..=3 {
            disk.put(&format!("{:010}.segment", built.end.segment() + behind), &[0xee; 700]);
        }
        disk.power_off_after(1 + seed % 12);
        let _ = open(&disk);
        disk.crash();
        let (_, recovery, found) = open(&disk).unwrap_or_else(|error| panic!("HALLEY_SEED={seed}: {error}"));
        assert_eq!(found, built.kept, "HALLEY_SEED={seed}: {recovery:?}");
    }
}

#[test]
fn a_power_cut_while_the_log_is_created_leaves_nothing_to_refuse() {
    for seed in seeds(600) {
        let disk = SimDisk::new(seed);
        disk.power_off_after(1 + seed % 12);
        let _ = open(&disk);
        disk.crash();
        let (_, _, found) = open(&disk).unwrap_or_else(|error| panic!("HALLEY_SEED={seed}: {error}"));
        assert!(found.is_empty());
    }
}

#[test]
fn an_interrupted_open_can_be_repeated() {
    for seed in seeds(200) {
        let built = build(seed % 5, &Ending::Busy);
        let disk = restore(&built.files);
        disk.flip_bit(
            &format!("{:010}.segment", built.mark.segment()),
            u64::from(built.mark.offset()) + 70,
            1,
        );
        let mut last = 0;
        for _ in 0..4 {
            disk.power_off_after(1 + seed % 9);
            if let Ok((_, _, found)) = open(&disk) {
                last = found.len();
            }
            disk.crash();
        }
        let (_, _, found) = open(&disk).unwrap();
        assert!(found.len() >= last, "HALLEY_SEED={seed}");
        assert!(built.kept.iter().filter(|kept| kept.position < built.mark).count() <= found.len());
        assert_eq!(found[..], built.kept[..found.len()], "HALLEY_SEED={seed}");
    }
}
