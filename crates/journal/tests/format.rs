//! The bytes of version 1, held fast. A failure means that logs written by released builds may not open: the version
//! must be raised and the old one still read.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod common;

use std::ops::ControlFlow;

use common::{commit, open, small_config};
use halley_journal::sim::SimDisk;
use halley_journal::{Fate, LogSeq, Position};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A log of two records, as version 1 writes it.
fn golden_disk() -> SimDisk {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    commit(&mut log.writer, &[b"hello", b""]);
    log.writer.close().unwrap();
    disk
}

#[test]
fn the_bytes_of_version_1_stay() {
    let disk = golden_disk();
    let bytes = disk.content("0000000001.segment");
    let header = concat!(
        "48414c4c45597367", // magic
        "01000000",         // version
        "00100000",         // header bytes
        "8877665544332211", // log id
        "01000000",         // segment
        "00000000",         // holes
        "0100000000000000", // first sequence
        "0000000001000000", // durable: 1:0
        "0000000000000000", // reserved
        "00000000",         // reserved
        "CRC_SEGM",
    );
    assert_golden(&bytes[..64], header);
    assert!(bytes[64..4096].iter().all(|byte| *byte == 0));
    let opened = concat!(
        "48414c4c45596274", // magic
        "8877665544332211", // log id
        "0010000001000000", // position: 1:4096
        "0100000000000000", // first sequence
        "0010000001000000", // durable
        "00000000",         // body bytes
        "00000000",         // records
        "0100",             // flags: marker
        "0000",             // reserved
        "01000000",         // floor segment
        "00000000",         // checksum of the record checksums
        "CRC_MARK",
    );
    assert_golden(&bytes[4096..4160], opened);
    let batch = concat!(
        "48414c4c45596274",
        "8877665544332211",
        "4010000001000000", // position: 1:4160
        "0100000000000000",
        "4010000001000000", // durable
        "18000000",         // body bytes: 24
        "02000000",         // records
        "0000",
        "0000",
        "01000000",
        "CRC_RECS",
        "CRC_HEAD",
        "05000000", // length
        "CRC_ONE_",
        "68656c6c6f",
        "00000000",
        "CRC_TWO_",
        "000000", // padding
    );
    assert_golden(&bytes[4160..4248], batch);
    let clean = concat!(
        "48414c4c45596274",
        "8877665544332211",
        "9810000001000000", // position: 1:4248
        "0300000000000000",
        "9810000001000000",
        "00000000",
        "00000000",
        "0300", // flags: marker, clean
        "0000",
        "01000000",
        "00000000",
        "CRC_CLEA",
    );
    assert_golden(&bytes[4248..4312], clean);
    assert!(bytes[4312..].iter().all(|byte| *byte == 0));
}

/// The checksums, computed by another implementation (a table-driven CRC-32C in Python), are given by name, so
/// that the tables above stay readable.
fn assert_golden(bytes: &[u8], expected: &str) {
    let expected =
        CHECKSUMS.iter().fold(expected.to_owned(), |text, (name, value)| text.replace(name, value));
    assert_eq!(hex(bytes), expected);
}

const CHECKSUMS: [(&str, &str); 11] = [
    ("CRC_SEGM", "c3b745f4"),
    ("CRC_MARK", "68be64d9"),
    ("CRC_RECS", "e7c0e7e6"),
    ("CRC_HEAD", "34cbb901"),
    ("CRC_ONE_", "b4a6fb70"),
    ("CRC_TWO_", "3d1d8349"),
    ("CRC_CLEA", "12540e2a"),
    ("CRC_HOLE", "c9d3a1d4"),
    ("CRC_RREC", "73b862dd"),
    ("CRC_RHEA", "63d7bdf1"),
    ("CRC_SEAL", "807fc855"),
];

#[test]
fn the_bytes_of_a_rewritten_segment_stay() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    for seq in 1..=14_u8 {
        commit(&mut log.writer, &[&[seq; 1000]]);
    }
    assert_eq!(log.reader.segments()[1].first_seq, LogSeq::new(12));
    let fate = |seq: LogSeq| match seq.get() {
        1 | 2 | 6 => Fate::Live,
        7..=11 => Fate::Dead,
        _ => Fate::Erased,
    };
    let done = log.compactor.rewrite(1, &mut |seq, _| fate(seq), &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((done.kept, done.dropped, done.holes), (3, 8, 2));
    let bytes = disk.content("0000000001.segment");
    let header = concat!(
        "48414c4c45597367", // magic
        "01000000",         // version
        "00100000",         // header bytes
        "8877665544332211", // log id
        "01000000",         // segment
        "02000000",         // holes
        "0100000000000000", // first sequence
        "0000000001000000", // durable: 1:0
        "0000000000000000", // reserved
        "00000000",         // reserved
        "CRC_HOLE",
        "0300000000000000", // from 3
        "0300000000000000", // three
        "0700000000000000", // from 7
        "0500000000000000", // five
    );
    assert_golden(&bytes[..96], header);
    assert!(bytes[96..4096].iter().all(|byte| *byte == 0));
    let batch = concat!(
        "48414c4c45596274", // magic
        "8877665544332211", // log id
        "0010000001000000", // position: 1:4096
        "0100000000000000", // first sequence
        "0010000001000000", // durable: its own place
        "e0070000",         // body bytes: 2016
        "02000000",         // records
        "0000",             // flags
        "0000",             // reserved
        "01000000",         // floor segment
        "CRC_RREC",
        "CRC_RHEA",
    );
    assert_golden(&bytes[4096..4160], batch);
    let seal = concat!(
        "48414c4c45596274",
        "8877665544332211",
        "501c000001000000", // position: 1:7248
        "0c00000000000000", // the sequence that the next segment begins with
        "501c000001000000",
        "00000000",
        "00000000",
        "0500", // flags: marker, seal
        "0000",
        "01000000",
        "00000000",
        "CRC_SEAL",
    );
    assert_golden(&bytes[7248..], seal);
    assert_eq!(bytes.len(), 7312);
}

#[test]
fn a_record_is_found_by_its_position_alone() {
    let disk = golden_disk();
    let (log, recovery, found) = open(&disk).unwrap();
    assert!(recovery.is_clean);
    assert_eq!(found[0].position, Position::new(1, 4224));
    assert_eq!(log.reader.read(Position::new(1, 4224), LogSeq::new(1)).unwrap(), b"hello");
    assert_eq!(log.reader.read(Position::new(1, 4237), LogSeq::new(2)).unwrap(), b"");
    // The sequence is part of the proof.
    assert!(log.reader.read(Position::new(1, 4224), LogSeq::new(2)).is_err());
    assert_eq!(small_config().new_log.log_id, Some(0x1122_3344_5566_7788));
}

#[test]
fn positions_order_as_the_log_does_and_survive_as_bits() {
    let places = [Position::ZERO, Position::new(1, 4096), Position::new(1, u32::MAX), Position::new(2, 0)];
    assert!(places.is_sorted());
    for place in places {
        assert_eq!(Position::from_bits(place.to_bits()), place);
    }
    assert_eq!(Position::new(3, 77).to_string(), "3:77");
}
