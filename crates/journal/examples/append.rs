//! What a commit and a restart cost on this disk: `append [directory] [megabytes]`.
//!
//! Commits batches of 1, 32 and 256 records of 300 bytes with the preparer in a thread of its own, then fills a log and
//! opens it near its end, wholly, and after nothing was closed.

#![expect(clippy::print_stdout, reason = "it is a measurement: printing is all it does")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use halley_journal::real::DirFiles;
use halley_journal::{Batch, Config, Durability, Log, LogSeq, Position, Prepared, Recovery, verify};

const PAYLOAD: [u8; 300] = [0xa5; 300];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from).join("halley-append");
    let megabytes: u64 = arguments.next().map_or(Ok(2048), |text| text.parse())?;
    println!("{}; records of {} bytes; fdatasync in every commit", directory.display(), PAYLOAD.len());
    println!(
        "{:>8} {:>12} {:>12} {:>9} {:>9} {:>9} {:>9}  late",
        "batch", "commits/s", "records/s", "p50", "p99", "p99.9", "max"
    );
    for records in [1, 32, 256] {
        measure(&directory, records)?;
    }
    restart(&directory, megabytes)?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn open(path: &Path, from: Option<Position>) -> Result<(Log, Recovery), Box<dyn Error>> {
    let files = Arc::new(DirFiles::open(path)?);
    Ok(Log::open(files, Config::default(), from, &mut |_| Ok(()))?)
}

fn measure(directory: &Path, records: u32) -> Result<(), Box<dyn Error>> {
    std::fs::remove_dir_all(directory).or_else(ignore_missing)?;
    let (log, _) = open(directory, None)?;
    let (mut writer, reader, mut preparer) = (log.writer, log.reader, log.preparer);
    let is_done = AtomicBool::new(false);
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                if !matches!(preparer.prepare_step(), Ok(Prepared::Zeroed { .. } | Prepared::Segment { .. }))
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let started = Instant::now();
        let mut batch = writer.new_batch();
        let result = (|| -> Result<(), Box<dyn Error>> {
            while started.elapsed() < Duration::from_secs(5) {
                batch.restart(writer.next_seq());
                for _ in 0..records {
                    batch.push(&PAYLOAD)?;
                }
                let commit_started = Instant::now();
                writer.commit(&mut batch, Durability::Synced)?;
                times.push(commit_started.elapsed());
            }
            Ok(())
        })();
        is_done.store(true, Ordering::Release);
        result
    })?;
    let total: Duration = times.iter().sum();
    let per_second = times.len() as f64 / total.as_secs_f64();
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    let counters = reader.counters();
    println!(
        "{records:>8} {per_second:>12.0} {:>12.0} {:>9.1?} {:>9.1?} {:>9.1?} {:>9.1?}  {} zeroings, {} segments of {}",
        per_second * f64::from(records),
        at(500),
        at(990),
        at(999),
        at(1000),
        counters.late_zeroings,
        counters.late_segments,
        counters.rotations,
    );
    Ok(())
}

fn restart(directory: &Path, megabytes: u64) -> Result<(), Box<dyn Error>> {
    std::fs::remove_dir_all(directory).or_else(ignore_missing)?;
    let (mut log, _) = open(directory, None)?;
    let mut batch = Batch::new(LogSeq::FIRST, &Config::default());
    let mut watermark = (LogSeq::ZERO, Position::ZERO);
    let mut written = 0;
    let mut push_and_commit = Duration::ZERO;
    while written < megabytes << 20 {
        let started = Instant::now();
        batch.restart(log.writer.next_seq());
        let mut last = batch.push(&PAYLOAD)?;
        for _ in 0..31 {
            last = batch.push(&PAYLOAD)?;
        }
        let committed = log.writer.commit(&mut batch, Durability::Written)?;
        push_and_commit += started.elapsed();
        written += u64::from(batch.framed_bytes());
        if written < (megabytes << 20) - (4 << 20) {
            watermark = (last.seq, committed.position(last.offset_in_batch));
        }
        while log.preparer.prepare_step()? != Prepared::Nothing {}
    }
    log.writer.sync()?;
    println!(
        "{megabytes} MB, {} records; push and write without sync {push_and_commit:.1?}",
        batch.next_seq().get() - 1
    );
    drop(log);
    time("open near the end, as after a kill", || {
        let (log, recovery) = open(directory, Some(watermark.1))?;
        let read = log.reader.read(watermark.1, watermark.0)?;
        Ok(format!(
            "{} records shown, {} bytes read back, clean {}",
            recovery.visited,
            read.len(),
            recovery.is_clean
        ))
    })?;
    time("open wholly", || {
        let (_, recovery) = open(directory, None)?;
        Ok(format!("{} records shown", recovery.visited))
    })?;
    time("verify", || {
        let report = verify(&DirFiles::open(directory)?, &mut |_, _| {})?;
        Ok(format!("sound {}", report.is_sound()))
    })?;
    let (log, _) = open(directory, Some(watermark.1))?;
    time("100,000 reads by position", || {
        let mut bytes = 0;
        for _ in 0..100_000 {
            bytes += log.reader.read(watermark.1, watermark.0)?.len();
        }
        Ok(format!("{bytes} bytes"))
    })
}

fn time(what: &str, work: impl FnOnce() -> Result<String, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let result = work()?;
    println!("{what}: {:.1?} ({result})", started.elapsed());
    Ok(())
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
