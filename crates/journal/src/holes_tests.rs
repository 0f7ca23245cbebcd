//! A rewritten segment: sequences stay, batches move, the header lists what was taken out. Here they are made by
//! hand, beside `compact`, which makes them. A failure would make retention look like damage, or damage like retention.

use std::sync::Arc;

use crate::config::{Config, NewLog};
use crate::files::Files;
use crate::format::{BATCH_HEADER_BYTES, BatchHeader, Flags, Hole, SegmentHeader};
use crate::ids::{LogSeq, Position};
use crate::sim::SimDisk;
use crate::writer::Durability;
use crate::{Batch, Log, OpenError, verify};

const LOG_ID: u64 = 42;

fn config() -> Config {
    Config {
        segment_bytes: 16 << 10,
        zero_ahead_bytes: 8 << 10,
        first_segment_zero_bytes: 8 << 10,
        record_bytes_max: 2 << 10,
        batch_bytes_max: 6 << 10,
        reader_files_max: 4,
        new_log: NewLog { log_id: Some(LOG_ID), first_seq: LogSeq::FIRST },
    }
}

fn payload(seq: LogSeq) -> Vec<u8> {
    vec![seq.get() as u8; 1000]
}

fn open(files: Arc<dyn Files>) -> Result<(Log, Vec<LogSeq>), OpenError> {
    let mut seqs = Vec::new();
    let (log, _) = Log::open(files, config(), None, &mut |record| {
        assert_eq!(record.payload, payload(record.seq));
        seqs.push(record.seq);
        Ok(())
    })?;
    Ok((log, seqs))
}

/// The bytes of segment 2 with only the sequences that `keeps` lets through.
fn rewritten(first: LogSeq, next: LogSeq, holes: Vec<Hole>, keeps: impl Fn(LogSeq) -> bool) -> Vec<u8> {
    let header =
        SegmentHeader { log_id: LOG_ID, number: 2, first_seq: first, durable: Position::ZERO, holes };
    let mut bytes = header.encode();
    let batch_header = |bytes: &Vec<u8>, first_seq, flags| BatchHeader {
        log_id: LOG_ID,
        position: Position::new(2, bytes.len() as u32),
        first_seq,
        durable: Position::ZERO,
        body_bytes: 0,
        count: 0,
        flags,
        floor_segment: 1,
        records_crc: 0,
    };
    let mut seq = first;
    while seq < next {
        let mut batch = Batch::new(seq, &config());
        while seq < next && keeps(seq) && batch.push(&payload(seq)).is_ok() {
            seq = seq.plus(1);
        }
        if batch.is_empty() {
            seq = seq.plus(1);
            continue;
        }
        let head = batch_header(&bytes, LogSeq::ZERO, Flags::NONE);
        bytes.extend_from_slice(batch.frame(head));
    }
    let mut seal = [0; BATCH_HEADER_BYTES as usize];
    batch_header(&bytes, next, Flags::SEAL).encode(&mut seal);
    bytes.extend_from_slice(&seal);
    bytes
}

#[test]
fn a_segment_with_listed_holes_is_whole_and_one_with_others_is_damaged() {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(disk.files()).unwrap();
    for seq in 1..=40 {
        let mut batch = log.writer.new_batch();
        batch.push(&payload(LogSeq::new(seq))).unwrap();
        log.writer.commit(&mut batch, Durability::Synced).unwrap();
    }
    let segments = log.reader.segments();
    let (first, next) = (segments[1].first_seq, segments[2].first_seq);
    assert!(next.get() - first.get() > 6);
    // One hole inside, one that reaches the end; and a segment of which nothing is left.
    let inside = Hole { first: first.plus(2), count: 2 };
    let last = Hole { first: LogSeq::new(next.get() - 1), count: 1 };
    let all = Hole { first, count: next.get() - first.get() };
    for holes in [vec![inside, last], vec![all]] {
        let is_kept =
            |seq: LogSeq| !holes.iter().any(|hole| hole.first <= seq && seq < hole.first.plus(hole.count));
        let name = "0000000002.segment";
        disk.put(name, &rewritten(first, next, holes.clone(), is_kept));

        let report = verify(disk.files().as_ref(), &mut |_, _| {}).unwrap();
        assert!(report.is_sound(), "{report:?}");
        let dropped = holes.iter().map(|hole| hole.count).sum();
        assert_eq!((report.segments[1].holes, report.segments[1].dropped), (holes.len() as u64, dropped));
        disk.kill();
        let (log, seqs) = open(disk.files()).unwrap();
        let expected: Vec<_> = (1..=40).map(LogSeq::new).filter(|seq| is_kept(*seq)).collect();
        assert_eq!(seqs, expected);
        let mut scan = log.reader.scan(Position::ZERO);
        let mut count = 0;
        while scan.next_record().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, expected.len());

        // The same bytes without the list are damage.
        disk.put(name, &rewritten(first, next, Vec::new(), is_kept));
        assert!(!verify(disk.files().as_ref(), &mut |_, _| {}).unwrap().is_sound());
        disk.kill();
        assert!(matches!(open(disk.files()).map(drop), Err(OpenError::Damaged { .. })));
    }
}

#[test]
fn a_header_with_many_holes_takes_more_pages() {
    let disk = SimDisk::new(1);
    let holes: Vec<_> = (0..1000).map(|index| Hole { first: LogSeq::new(index * 3 + 1), count: 2 }).collect();
    let header = SegmentHeader {
        log_id: 1,
        number: 1,
        first_seq: LogSeq::FIRST,
        durable: Position::ZERO,
        holes: holes.clone(),
    };
    assert_eq!(header.header_bytes(), 16384);
    disk.put("x", &header.encode());
    let file = disk.files().open("x").unwrap();
    match SegmentHeader::read(file.as_ref()).unwrap() {
        crate::format::HeaderRead::Valid(read) => assert_eq!(read, header),
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_in_a_listed_hole_and_lists_out_of_order_are_damage() {
    let disk = SimDisk::new(1);
    let (mut log, _) = open(disk.files()).unwrap();
    for seq in 1..=40 {
        let mut batch = log.writer.new_batch();
        batch.push(&payload(LogSeq::new(seq))).unwrap();
        log.writer.commit(&mut batch, Durability::Synced).unwrap();
    }
    let segments = log.reader.segments();
    let (first, next) = (segments[1].first_seq, segments[2].first_seq);
    let hole = |from: u64, count| Hole { first: first.plus(from), count };
    let (early, late) = (hole(1, 2), hole(4, 1));
    let refused = |holes: Vec<Hole>, keeps: &dyn Fn(LogSeq) -> bool| {
        disk.put("0000000002.segment", &rewritten(first, next, holes, keeps));
        let is_sound = verify(disk.files().as_ref(), &mut |_, _| {}).unwrap().is_sound();
        let opened = open(disk.files());
        disk.kill();
        assert_eq!(is_sound, opened.is_ok());
        matches!(opened.map(drop), Err(OpenError::Damaged { .. }))
    };
    let is_kept = |seq: LogSeq| [early, late].iter().all(|hole| seq < hole.first || hole.end() <= seq);
    assert!(!refused(vec![early, late], &is_kept));
    assert!(refused(vec![late, early], &is_kept));
    assert!(refused(vec![early, hole(2, 1), late], &is_kept));
    assert!(refused(vec![early, hole(3, 0), late], &is_kept));
    assert!(refused(vec![early, late], &|seq| seq != late.first && is_kept(seq) || seq == first.plus(1)));
    // A batch that begins before a hole and reaches over it.
    assert!(refused(vec![early, late], &|seq| is_kept(seq) || seq == late.first));
}
