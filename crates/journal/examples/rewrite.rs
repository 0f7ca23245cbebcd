//! What it costs to rewrite a full segment, and to read from it afterwards: `rewrite [directory]`.
//!
//! Fills segments of 64 MiB with records of 200 bytes, drops two of three at random, and reads kept and dropped ones by
//! their old positions.

#![expect(clippy::print_stdout, reason = "it is a measurement: printing is all it does")]

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use halley_journal::real::DirFiles;
use halley_journal::sim::SimRng;
use halley_journal::{Config, Durability, Fate, Log, LogReader, LogSeq, Position, ReadError};

fn main() -> Result<(), Box<dyn Error>> {
    let directory =
        std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from).join("halley-rewrite");
    for (what, live_in) in [("1 in 3 lives", 3), ("1 in 100 lives", 100), ("99 in 100 live", 0)] {
        let _ = std::fs::remove_dir_all(&directory);
        let files = Arc::new(DirFiles::open(&directory)?);
        let (mut log, _) = Log::open(files, Config::default(), None, &mut |_| Ok(()))?;
        let mut places = fill(&mut log)?;
        println!("{what}; {} records of 200 bytes in a segment of 64 MiB", places.len());
        read_all("  read before the rewrite", &log.reader, &mut places)?;

        let mut rng = SimRng::new(1);
        let started = Instant::now();
        let mut fate = |_: LogSeq, _: &[u8]| match live_in {
            0 if rng.one_in(100) => Fate::Erased,
            0 => Fate::Live,
            live_in if rng.one_in(live_in) => Fate::Live,
            _ => Fate::Dead,
        };
        let done = log.compactor.rewrite(1, &mut fate, &mut |_| ControlFlow::Continue(()))?;
        println!("  rewrite {:?}: {done:?}", started.elapsed());
        read_all("  read by old position", &log.reader, &mut places)?;

        let started = Instant::now();
        let mut scan = log.reader.scan(Position::new(1, 0));
        while scan.next_record()?.is_some_and(|record| record.position.segment() == 1) {}
        println!("  a scan of the segment {:?}", started.elapsed());
        // The directory is locked as long as anything of the log lives.
        drop((scan, log));
        let started = Instant::now();
        let files = Arc::new(DirFiles::open(&directory)?);
        Log::open(files, Config::default(), Some(Position::new(2, 0)), &mut |_| Ok(()))?;
        println!("  open above it {:?}", started.elapsed());
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

/// Fills the first segment; where its records lie.
fn fill(log: &mut Log) -> Result<Vec<(Position, LogSeq)>, Box<dyn Error>> {
    let mut places = Vec::new();
    let mut batch = log.writer.new_batch();
    while log.reader.segments().len() < 2 {
        batch.restart(log.writer.next_seq());
        let pushed = (0..32).map(|index| batch.push(&[index; 200])).collect::<Result<Vec<_>, _>>()?;
        let committed = log.writer.commit(&mut batch, Durability::Written)?;
        places.extend(pushed.iter().map(|place| (committed.position(place.offset_in_batch), place.seq)));
    }
    log.writer.sync()?;
    places.retain(|(position, _)| position.segment() == 1);
    Ok(places)
}

fn read_all(what: &str, reader: &LogReader, places: &mut [(Position, LogSeq)]) -> Result<(), Box<dyn Error>> {
    let mut rng = SimRng::new(2);
    let (mut found, mut dropped) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        let (position, seq) = places[rng.below(places.len() as u64) as usize];
        let started = Instant::now();
        match reader.read(position, seq) {
            Ok(_) => found.push(started.elapsed()),
            Err(ReadError::Dropped { .. }) => dropped.push(started.elapsed()),
            Err(error) => return Err(error.into()),
        }
    }
    for (kind, mut times) in [("kept", found), ("dropped", dropped)] {
        if times.is_empty() {
            continue;
        }
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let mean = times.iter().sum::<Duration>() / times.len() as u32;
        println!("{what}, {kind}: p50 {:?}, p99 {:?}, mean {mean:?} of {}", at(50), at(99), times.len());
    }
    Ok(())
}
