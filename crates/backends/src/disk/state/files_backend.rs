//! The state database over the journal's file port, so that one simulated disk holds both.

use std::fmt;
use std::io;
use std::sync::Arc;

use halley_journal::{File, Files};
use parking_lot::Mutex;
use redb::StorageBackend;

/// One file of the port. The port cannot shorten a file: what lies behind the length that was set is overwritten with
/// zeros before it is used again. It cannot lengthen one at once either: a power loss may leave part of a page at the
/// end, or a file that was never begun; both are cut off here.
pub struct FilesBackend {
    file: Arc<dyn File>,
    length: Mutex<u64>,
}

impl FilesBackend {
    /// Opens or creates the file of this name.
    ///
    /// # Errors
    /// When the files refuse.
    pub fn open(files: &dyn Files, name: &str) -> io::Result<Self> {
        let file = match files.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = files.create(name)?;
                files.sync_dir()?;
                file
            }
            opened => opened?,
        };
        let mut magic = [0; 9];
        let is_begun = file.read_at(&mut magic, 0)? == magic.len() && magic != [0; 9];
        let length = if is_begun { file.size()? / PAGE_BYTES * PAGE_BYTES } else { 0 };
        Ok(Self { file, length: Mutex::new(length) })
    }
}

/// The database grows by whole pages.
const PAGE_BYTES: u64 = 4_096;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl StorageBackend for FilesBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(*self.length.lock())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < out.len() {
            match self.file.read_at(&mut out[done..], offset + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut length = self.length.lock();
        let mut at = *length;
        while at < len {
            let count = (len - at).min(ZEROS.len() as u64);
            self.file.write_all_at(&ZEROS[..count as usize], at)?;
            at += count;
        }
        *length = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
}

impl fmt::Debug for FilesBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesBackend").finish_non_exhaustive()
    }
}
