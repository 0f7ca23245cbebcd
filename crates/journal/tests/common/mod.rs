//! Shared by the tests: small logs on a simulated disk.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;

use halley_journal::sim::SimDisk;
use halley_journal::{
    Committed, Config, Durability, Files, Log, LogSeq, LogWriter, NewLog, OpenError, Position, Recovery,
};

/// Segments so small that every test rotates.
pub(crate) fn small_config() -> Config {
    Config {
        segment_bytes: 16 << 10,
        zero_ahead_bytes: 8 << 10,
        first_segment_zero_bytes: 4 << 10,
        record_bytes_max: 2 << 10,
        batch_bytes_max: 6 << 10,
        reader_files_max: 2,
        new_log: NewLog { log_id: Some(0x1122_3344_5566_7788), first_seq: LogSeq::FIRST },
    }
}

/// A record as a test remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) seq: LogSeq,
    pub(crate) position: Position,
    pub(crate) payload: Vec<u8>,
}

pub(crate) type Opened = Result<(Log, Recovery, Vec<Kept>), OpenError>;

pub(crate) fn open_with(files: Arc<dyn Files>, config: Config, from: Option<Position>) -> Opened {
    let mut kept = Vec::new();
    let (log, recovery) = Log::open(files, config, from, &mut |record| {
        kept.push(Kept { seq: record.seq, position: record.position, payload: record.payload.to_vec() });
        Ok(())
    })?;
    Ok((log, recovery, kept))
}

pub(crate) fn open(disk: &SimDisk) -> Opened {
    open_with(disk.files(), small_config(), None)
}

/// Commits one batch, synced.
pub(crate) fn commit(writer: &mut LogWriter, payloads: &[&[u8]]) -> (Committed, Vec<Kept>) {
    let mut batch = writer.new_batch();
    let pushed: Vec<_> = payloads.iter().map(|payload| batch.push(payload).unwrap()).collect();
    let committed = writer.commit(&mut batch, Durability::Synced).unwrap();
    let kept = pushed
        .iter()
        .zip(payloads)
        .map(|(pushed, payload)| Kept {
            seq: pushed.seq,
            position: committed.position(pushed.offset_in_batch),
            payload: payload.to_vec(),
        })
        .collect();
    (committed, kept)
}

/// The seeds of a run: `HALLEY_SEED` alone, or the first `count`; `HALLEY_SEEDS` says another count, for long runs.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number of seeds"));
    match number("HALLEY_SEED") {
        Some(seed) => vec![seed],
        None => (1..=number("HALLEY_SEEDS").unwrap_or(count)).collect(),
    }
}

/// Every file of the disk.
pub(crate) fn snapshot(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    disk.names().into_iter().map(|name| (name.clone(), disk.content(&name))).collect()
}

/// A new disk with these files.
pub(crate) fn restore(files: &[(String, Vec<u8>)]) -> SimDisk {
    let disk = SimDisk::new(1);
    for (name, content) in files {
        disk.put(name, content);
    }
    disk
}
