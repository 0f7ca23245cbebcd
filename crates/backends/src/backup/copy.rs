//! Copying a file with its checksum, at a pace that leaves the disk to others.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::OnProgress;

const CHUNK_BYTES: usize = 1 << 20;
/// A backup of a running server takes no more of the disk than this.
const BYTES_PER_SECOND: u64 = 64 << 20;

/// How far the whole is.
pub(super) struct Progress<'a> {
    pub(super) on_progress: OnProgress<'a>,
    pub(super) done: u64,
    pub(super) total: u64,
    /// Whether others use the disk meanwhile.
    pub(super) is_paced: bool,
}

/// Why a copy was not made.
pub(super) enum CopyError {
    Io(io::Error),
    Ended,
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Progress<'_> {
    /// Copies the first `bytes_max` bytes, synced; length and checksum of the copy.
    pub(super) fn copy(
        &mut self,
        from: &mut dyn io::Read,
        to: &Path,
        bytes_max: u64,
    ) -> Result<(u64, String), CopyError> {
        let mut out = File::options().write(true).create_new(true).open(to)?;
        let mut from = from.take(bytes_max);
        let mut digest = Sha256::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut bytes = 0;
        loop {
            let began = Instant::now();
            let count = from.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            digest.update(&chunk[..count]);
            out.write_all(&chunk[..count])?;
            bytes += count as u64;
            self.done += count as u64;
            if (self.on_progress)(self.done, self.total.max(self.done)) == ControlFlow::Break(()) {
                return Err(CopyError::Ended);
            }
            if self.is_paced {
                let least = Duration::from_secs(1) * u32::try_from(count).unwrap_or(u32::MAX)
                    / u32::try_from(BYTES_PER_SECOND).unwrap_or(u32::MAX);
                thread::sleep(least.saturating_sub(began.elapsed()));
            }
        }
        out.sync_all()?;
        Ok((bytes, hex(&digest.finalize())))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A name in a directory is durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the directory; one that is there must be empty. `false`: it is not.
pub(super) fn make_empty_dir(path: &Path) -> io::Result<bool> {
    std::fs::create_dir_all(path)?;
    Ok(std::fs::read_dir(path)?.next().is_none())
}
