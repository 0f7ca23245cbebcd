//! The machine: room and speed of the disk, descriptors, the clock.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use halley_backends::disk::journal::{Directory, FreeSpace as _};

use super::Findings;

/// Below this new messages are refused by default.
const FREE_PERCENT_ACT: u8 = 5;
const FREE_PERCENT_ADVICE: u8 = 15;
/// A message waits for about one of these.
const SYNC_ADVICE: Duration = Duration::from_millis(20);
const SYNCS: usize = 15;
const DESCRIPTORS_ADVICE: usize = 10_000;
/// 2026-01-01: no clock that is right shows less.
const CLOCK_S_MIN: u64 = 1_767_225_600;

pub(super) fn check(data: &Path, findings: &mut Findings) {
    let folder = existing(data);
    match Directory(folder.clone()).free_percent() {
        Some(free) if free < FREE_PERCENT_ACT => findings.act(
            "disk",
            format!(
                "{free} % free: new messages are refused below journal.free_space_min_percent; make room"
            ),
        ),
        Some(free) if free < FREE_PERCENT_ADVICE => {
            findings.advise("disk", format!("{free} % free: soon full"));
        }
        Some(free) => findings.ok("disk", format!("{free} % free")),
        None => findings.advise("disk", "the free space cannot be told"),
    }
    match syncs(&folder) {
        Err(error) => findings.act(
            "disk-sync",
            format!("nothing can be written to {}: {error}; mend its rights or the disk", folder.display()),
        ),
        Ok((median, worst)) => {
            let text = format!("fdatasync takes {median:.1?}, at worst {worst:.1?} of {SYNCS}");
            if median > SYNC_ADVICE {
                findings
                    .advise("disk-sync", format!("{text}: every message waits so long; use a faster disk"));
            } else {
                findings.ok("disk-sync", text);
            }
        }
    }
    descriptors(findings);
    clock(data, findings);
}

fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// Median and worst of writing a page and syncing it.
fn syncs(folder: &Path) -> io::Result<(Duration, Duration)> {
    let path = folder.join(format!(".halley-doctor-{}", std::process::id()));
    let measured = (|| {
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        // As the journal does: over bytes that are there already.
        file.write_all(&[0; 4_096 * (SYNCS + 1)])?;
        file.sync_all()?;
        let mut took = Vec::with_capacity(SYNCS);
        for page in 0..SYNCS {
            std::os::unix::fs::FileExt::write_all_at(&file, &[1; 4_096], page as u64 * 4_096)?;
            let began = Instant::now();
            file.sync_data()?;
            took.push(began.elapsed());
        }
        took.sort_unstable();
        Ok((took[SYNCS / 2], took[SYNCS - 1]))
    })();
    let _gone = fs::remove_file(&path);
    measured
}

fn descriptors(findings: &mut Findings) {
    // What a server started from here would have.
    match halley_sys::raise_descriptor_limit() {
        Ok(limit) if limit < DESCRIPTORS_ADVICE => findings.advise(
            "descriptors",
            format!("a server started like this has {limit}: each connection takes one; raise ulimit -n"),
        ),
        Ok(usize::MAX) => findings.ok("descriptors", "no limit"),
        Ok(limit) => findings.ok("descriptors", format!("{limit} for a server started like this")),
        Err(error) => findings.advise("descriptors", format!("the limit cannot be raised: {error}")),
    }
}

fn clock(data: &Path, findings: &mut Findings) {
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let newest = fs::read_dir(data.join("journal")).into_iter().flatten().flatten();
    let newest = newest.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max();
    let behind = newest.and_then(|newest| newest.duration_since(now).ok()).unwrap_or_default();
    if since.as_secs() < CLOCK_S_MIN {
        findings.act("clock", "the system clock is years behind: messages and tokens would be misdated");
    } else if behind > Duration::from_secs(5) {
        let text =
            format!("the clock is {behind:.0?} behind the newest file of the journal: did it go back?");
        findings.advise("clock", text);
    } else {
        findings.ok("clock", "plausible");
    }
}
