//! The format version of the data directory.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::OpenError;

/// The version of data directories that this build writes.
pub const FORMAT_VERSION: u64 = 1;

/// Makes the directory if need be, and checks or writes its version. An older one would be upgraded here.
pub(super) fn check(data: &Path) -> Result<(), OpenError> {
    let fail = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { doing, path, source }
    };
    fs::create_dir_all(data).map_err(fail("create the data directory", data))?;
    let file = data.join("VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => {
            let found: u64 = text.trim().parse().map_err(|_| OpenError::VersionUnreadable { path: file })?;
            if found > FORMAT_VERSION {
                return Err(OpenError::Newer { path: data.to_owned(), found, supported: FORMAT_VERSION });
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write(data, &file).map_err(fail("write", &file))
        }
        Err(error) => Err(fail("read", &file)(error)),
    }
}

/// Whole or not at all.
fn write(data: &Path, file: &Path) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut out = fs::File::create(&new)?;
    writeln!(out, "{FORMAT_VERSION}")?;
    out.sync_all()?;
    fs::rename(&new, file)?;
    fs::File::open(data)?.sync_all()
}
