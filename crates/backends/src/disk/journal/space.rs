//! How much room the disk has.

use std::path::PathBuf;

/// Tells the share of the disk that is free.
pub trait FreeSpace: Send {
    /// Percent, 0 to 100; `None` when it cannot be told, which refuses nothing.
    fn free_percent(&self) -> Option<u8>;
}

/// The file system that a directory is on.
#[derive(Debug)]
pub struct Directory(pub PathBuf);

impl FreeSpace for Directory {
    fn free_percent(&self) -> Option<u8> {
        let stat = rustix::fs::statvfs(&self.0).ok()?;
        let percent = u128::from(stat.f_bavail) * 100 / u128::from(stat.f_blocks.max(1));
        u8::try_from(percent).ok()
    }
}

/// Memory and simulated disks: there is always room until a write says otherwise.
#[derive(Debug)]
pub struct Unlimited;

impl FreeSpace for Unlimited {
    fn free_percent(&self) -> Option<u8> {
        None
    }
}
