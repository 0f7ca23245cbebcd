//! Making a backup.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use halley_journal::LogReader;
use halley_journal::real::DirFiles;

use super::copy::{CopyError, Progress, make_empty_dir, sync_dir};
use super::manifest::{self, BackedUpFile, Manifest};
use super::{BackupError, OnProgress};
use crate::disk::state::{RedbState, StateOptions};

/// What is backed up: an open data directory.
pub struct BackupOf<'a> {
    /// Where it is.
    pub data: &'a Path,
    /// Its state.
    pub state: &'a RedbState,
    /// Its journal; nothing is taken out of it meanwhile.
    pub log: &'a LogReader,
    /// Version of Halley.
    pub version: &'a str,
    /// Now, unix milliseconds.
    pub now_ms: u64,
}

/// Backs up what is open and written to meanwhile: everything that was acknowledged when it began is in it.
///
/// # Errors
/// See [`BackupError`]; there is no backup then.
pub fn backup(
    of: &BackupOf<'_>,
    target: &Path,
    on_progress: OnProgress<'_>,
) -> Result<Manifest, BackupError> {
    let mut writing = Writing::begin(target, on_progress, true)?;
    writing.file(of.data.join("VERSION"), "VERSION", u64::MAX)?;
    // State first: the journal has more by the time it is copied.
    of.state.flush()?;
    writing.state(of.state)?;
    let end = of.log.committed_end();
    let segments = of.log.segments();
    let journal = of.data.join("journal");
    let name = |segment: u32| format!("{segment:010}.segment");
    let last = |segment: u32| segment == end.segment();
    for segment in segments.iter().filter(|info| info.segment <= end.segment()) {
        let bytes = if last(segment.segment) {
            Ok(u64::from(end.offset()))
        } else {
            fs::metadata(journal.join(name(segment.segment))).map(|file| file.len())
        };
        writing.progress.total += bytes.map_err(io_error("read the length of", &journal))?;
    }
    for segment in segments.iter().filter(|info| info.segment <= end.segment()) {
        let bytes_max = if last(segment.segment) { u64::from(end.offset()) } else { u64::MAX };
        let name = name(segment.segment);
        writing.file(journal.join(&name), &format!("journal/{name}"), bytes_max)?;
    }
    writing.finish(of.version, of.now_ms)
}

/// Backs up the data directory of a server that is stopped; nobody can start one meanwhile.
///
/// # Errors
/// See [`BackupError`]; there is no backup then.
pub fn backup_stopped(
    data: &Path,
    target: &Path,
    version: &str,
    now_ms: u64,
    on_progress: OnProgress<'_>,
) -> Result<Manifest, BackupError> {
    let (journal, state) = (data.join("journal"), data.join("state.redb"));
    if !journal.is_dir() || !state.is_file() {
        return Err(BackupError::NoData(data.to_owned()));
    }
    let _lock = DirFiles::open(&journal)?;
    let mut writing = Writing::begin(target, on_progress, false)?;
    writing.file(data.join("VERSION"), "VERSION", u64::MAX)?;
    // Opened and copied, not copied as a file: a crash may have left one that wants repair.
    writing.state(&RedbState::open(&state, StateOptions::default())?)?;
    let mut segments = Vec::new();
    for entry in fs::read_dir(&journal).map_err(io_error("list", &journal))? {
        let entry = entry.map_err(io_error("list", &journal))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".segment") {
            writing.progress.total +=
                entry.metadata().map_err(io_error("read the length of", &journal))?.len();
            segments.push(name);
        }
    }
    segments.sort();
    for name in segments {
        writing.file(journal.join(&name), &format!("journal/{name}"), u64::MAX)?;
    }
    writing.finish(version, now_ms)
}

struct Writing<'a> {
    target: PathBuf,
    data: PathBuf,
    files: Vec<BackedUpFile>,
    progress: Progress<'a>,
}

impl<'a> Writing<'a> {
    fn begin(target: &Path, on_progress: OnProgress<'a>, is_paced: bool) -> Result<Self, BackupError> {
        if !make_empty_dir(target).map_err(io_error("make", target))? {
            return Err(BackupError::NotEmpty(target.to_owned()));
        }
        let data = target.join("data");
        fs::create_dir_all(data.join("journal")).map_err(io_error("make", &data))?;
        let progress = Progress { on_progress, done: 0, total: 0, is_paced };
        Ok(Self { target: target.to_owned(), data, files: Vec::new(), progress })
    }

    fn file(&mut self, from: PathBuf, name: &str, bytes_max: u64) -> Result<(), BackupError> {
        let mut source = File::open(&from).map_err(io_error("open", &from))?;
        let to = self.data.join(name);
        let copied = self.progress.copy(&mut source, &to, bytes_max);
        let (bytes, sha256) = copied.map_err(|error| copy_error(error, &from))?;
        self.files.push(BackedUpFile { name: name.to_owned(), bytes, sha256 });
        Ok(())
    }

    fn state(&mut self, state: &RedbState) -> Result<(), BackupError> {
        let snapshot = self.data.join("state.snapshot");
        state.copy_to(&snapshot).map_err(|error| BackupError::State(error.into()))?;
        self.file(snapshot.clone(), "state.redb", u64::MAX)?;
        fs::remove_file(&snapshot).map_err(io_error("remove", &snapshot))
    }

    fn finish(self, version: &str, now_ms: u64) -> Result<Manifest, BackupError> {
        let made = Manifest { version: version.to_owned(), made_ms: now_ms, files: self.files };
        let path = self.target.join(manifest::NAME);
        let new = path.with_extension("new");
        let written = (|| {
            sync_dir(&self.data.join("journal"))?;
            sync_dir(&self.data)?;
            fs::write(&new, made.encode())?;
            File::open(&new)?.sync_all()?;
            fs::rename(&new, &path)?;
            sync_dir(&self.target)
        })();
        written.map_err(io_error("write", &path))?;
        Ok(made)
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { doing, path: path.clone(), source }
}

fn copy_error(error: CopyError, path: &Path) -> BackupError {
    match error {
        CopyError::Io(source) => io_error("copy", path)(source),
        CopyError::Ended => BackupError::Ended,
    }
}
