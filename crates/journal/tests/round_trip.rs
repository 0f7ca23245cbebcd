//! What is pushed is read back: by position, by scan, by the next open, whatever the sizes and the batches.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod common;

use common::{Kept, open, open_with, small_config};
use halley_journal::sim::SimDisk;
use halley_journal::{Durability, Position, Prepared, PushError};
use proptest::prelude::*;

fn batches() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let payload = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => proptest::collection::vec(any::<u8>(), 480..530),
        1 => proptest::collection::vec(any::<u8>(), 1900..=2048),
    ];
    proptest::collection::vec(proptest::collection::vec(payload, 1..8), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_committed_is_read_back(batches in batches(), prepares in any::<bool>(), from in any::<prop::sample::Index>()) {
        let disk = SimDisk::new(1);
        let (mut log, _, _) = open(&disk).unwrap();
        let mut batch = log.writer.new_batch();
        let mut kept: Vec<Kept> = Vec::new();
        for payloads in &batches {
            batch.restart(log.writer.next_seq());
            let mut pushed = Vec::new();
            for payload in payloads {
                match batch.push(payload) {
                    Ok(place) => pushed.push((place, payload)),
                    Err(error) => prop_assert_eq!(error, PushError::Full),
                }
            }
            let committed = log.writer.commit(&mut batch, Durability::Synced).unwrap();
            prop_assert_eq!(committed.end, log.reader.committed_end());
            kept.extend(pushed.into_iter().map(|(place, payload)| Kept {
                seq: place.seq,
                position: committed.position(place.offset_in_batch),
                payload: payload.clone(),
            }));
            if prepares {
                while log.preparer.prepare_step().unwrap() != Prepared::Nothing {}
            }
        }
        for (index, record) in kept.iter().enumerate() {
            prop_assert_eq!(record.seq.get(), index as u64 + 1);
            prop_assert_eq!(&log.reader.read(record.position, record.seq).unwrap(), &record.payload);
        }
        let mut scanned = Vec::new();
        let mut scan = log.reader.scan(Position::ZERO);
        while let Some(record) = scan.next_record().unwrap() {
            scanned.push(Kept { seq: record.seq, position: record.position, payload: record.payload.to_vec() });
        }
        prop_assert_eq!(&scanned, &kept);
        disk.kill();
        let (_, recovery, found) = open(&disk).unwrap();
        prop_assert_eq!(&found, &kept);
        prop_assert_eq!(recovery.torn, None);
        disk.kill();
        let start = from.index(kept.len());
        let (_, _, found) = open_with(disk.files(), small_config(), Some(kept[start].position)).unwrap();
        prop_assert_eq!(&found[..], &kept[start..]);
    }
}

#[test]
fn a_scan_goes_on_with_what_is_committed_later() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let mut scan = log.reader.scan(Position::ZERO);
    for round in 0_u8..60 {
        assert!(scan.next_record().unwrap().is_none());
        common::commit(&mut log.writer, &[&[round; 900], b"second"]);
        if round % 7 == 0 {
            log.writer.mark_idle().unwrap();
        }
        let record = scan.next_record().unwrap().unwrap();
        assert_eq!((record.seq.get(), record.payload[0]), (u64::from(round) * 2 + 1, round));
        assert_eq!(scan.next_record().unwrap().unwrap().payload, b"second");
    }
    assert!(log.reader.counters().rotations > 2);
}

#[test]
fn a_sequence_leads_to_its_segment() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = open(&disk).unwrap();
    let mut kept = Vec::new();
    for round in 0..40 {
        kept.extend(common::commit(&mut log.writer, &[&[round; 1000]]).1);
    }
    for record in &kept {
        let start = log.reader.segment_of(record.seq).unwrap();
        assert_eq!(start.segment(), record.position.segment());
    }
    assert_eq!(log.reader.segment_of(log.reader.next_seq()), None);
    assert!(log.reader.segments().len() > 2);
}
