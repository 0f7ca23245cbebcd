//! Making a data directory of a backup.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use halley_core::key::Epoch;

use super::copy::{CopyError, Progress, make_empty_dir, sync_dir};
use super::manifest::{self, BackedUpFile, Manifest};
use super::{OnProgress, RestoreError};
use crate::disk::state::{RedbState, Run, StateOptions};

/// What was restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// Of this backup.
    pub manifest: Manifest,
    /// The epoch that begins with it.
    pub epoch: Epoch,
}

/// In a backup: the epoch of its last restore.
const EPOCH_NAME: &str = "RESTORED_EPOCH";

/// Makes a data directory of the backup, in a directory that is empty or not there. It appears under its name when it is
/// whole; an interrupted restore leaves `<name>.restoring` behind, which the next one removes.
///
/// # Errors
/// See [`RestoreError`]; nothing was restored.
pub fn restore(backup: &Path, data: &Path, on_progress: OnProgress<'_>) -> Result<Restored, RestoreError> {
    let path = backup.join(manifest::NAME);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RestoreError::NoManifest(backup.to_owned()));
        }
        read => read.map_err(io_error("read", &path))?,
    };
    let made = Manifest::decode(&text)?;
    if !make_empty_dir(data).map_err(io_error("make", data))? {
        return Err(RestoreError::NotEmpty(data.to_owned()));
    }
    let new = beside(data);
    if new.exists() {
        fs::remove_dir_all(&new).map_err(io_error("remove", &new))?;
    }
    fs::create_dir_all(new.join("journal")).map_err(io_error("make", &new))?;
    let mut progress = Progress { on_progress, done: 0, total: made.bytes(), is_paced: false };
    for file in &made.files {
        copy(&mut progress, &backup.join("data"), &new, file)?;
    }
    let epoch = begin_epoch(&new.join("state.redb"), &backup.join(EPOCH_NAME))?;
    let named = (|| {
        sync_dir(&new.join("journal"))?;
        sync_dir(&new)?;
        // The target is empty: a directory may take its place.
        fs::rename(&new, data)?;
        sync_dir(data.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    })();
    named.map_err(io_error("name", data))?;
    Ok(Restored { manifest: made, epoch })
}

fn beside(data: &Path) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    data.with_file_name(name)
}

fn copy(
    progress: &mut Progress<'_>,
    from: &Path,
    to: &Path,
    file: &BackedUpFile,
) -> Result<(), RestoreError> {
    let source = from.join(&file.name);
    let damaged = |what| RestoreError::Damaged { file: file.name.clone(), what };
    let mut opened = match File::open(&source) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("it is not there")),
        opened => opened.map_err(io_error("open", &source))?,
    };
    let copied = progress.copy(&mut opened, &to.join(&file.name), u64::MAX);
    let (bytes, sha256) = copied.map_err(|error| match error {
        CopyError::Io(error) => io_error("copy", &source)(error),
        CopyError::Ended => RestoreError::Ended,
    })?;
    if bytes != file.bytes {
        return Err(damaged("its length differs"));
    }
    if sha256 != file.sha256 {
        return Err(damaged("its checksum differs"));
    }
    Ok(())
}

/// Keys that were given after the backup stay below those that are given from now on, and so do those that were given
/// after an earlier restore of the same backup: it leaves a note there.
fn begin_epoch(state: &Path, note: &Path) -> Result<Epoch, RestoreError> {
    let state = RedbState::open(state, StateOptions::default())?;
    let known = state.installation()?;
    let restored = fs::read_to_string(note).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let epoch = Epoch(known.epoch.0.max(restored) + 1);
    if epoch > Epoch::LAST {
        return Err(RestoreError::EpochsExhausted);
    }
    if let Err(error) = fs::write(note, format!("{}\n", epoch.0)) {
        tracing::warn!(
            %error,
            "the backup cannot note that it was restored: when it is restored once more, clients of this one may miss messages"
        );
    }
    if let Some(log_id) = known.log_id {
        state.begin_run(Run { epoch, weak_fsync: known.weak_fsync, log_id })?;
    }
    Ok(epoch)
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::Io { doing, path, source }
}
