//! The file port: one directory of files, as little of it as the log needs.

use std::io;
use std::sync::Arc;

/// A directory. Names are plain file names.
///
/// A created, removed or renamed name is certain only after [`Files::sync_dir`]; written bytes are certain only after
/// [`File::sync_data`].
pub trait Files: Send + Sync {
    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens an existing file for reading and writing. Every call gives a handle of its own, because a write-back
    /// error is reported once per handle.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Creates an empty file; fails with `AlreadyExists` when there is one.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// Removes the name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Gives the file another name, in place of whatever had that name: one step, so a crash leaves the old or the new.
    /// Handles that are open stay on the file that they opened.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes creations, removals and renames durable.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file.
pub trait File: Send + Sync {
    /// Reads into `buffer` from `offset`; a short count is allowed, 0 is the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`, extending the file. An error may leave a part written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// `fdatasync`: the bytes, and the metadata needed to read them.
    fn sync_data(&self) -> io::Result<()>;
    /// Bytes of the file.
    fn size(&self) -> io::Result<u64>;
}

/// Reads until `buffer` is full or the file ends.
pub(crate) fn read_full(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes zeros over `from..to`.
pub(crate) fn write_zeros(file: &dyn File, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let count = (to - at).min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..count as usize], at)?;
        at += count;
    }
    Ok(())
}

/// Whether every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|chunk| chunk == &ZEROS[..chunk.len()])
}

/// Whether this says that there is no space, which may pass, as opposed to a broken device.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

static ZEROS: [u8; 256 << 10] = [0; 256 << 10];
