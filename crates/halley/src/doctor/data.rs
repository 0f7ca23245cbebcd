//! The data directory: version, who uses it, what is in it, the last backup.

use std::fs::{self, TryLockError};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use halley_backends::{DATA_FORMAT_VERSION, disk::state};

use super::Findings;
use crate::data_dir;

/// Who uses the data directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum UseOfIt {
    /// There is none yet.
    Absent,
    /// Nobody.
    Free,
    /// A process holds its lock.
    Locked,
}

/// Without a newer one it is time.
const BACKUP_AGE_MAX: Duration = Duration::from_hours(7 * 24);

pub(super) fn check(data: &Path, findings: &mut Findings) -> UseOfIt {
    let shown = data.display();
    if !data.join("journal").is_dir() {
        findings.ok("data", format!("{shown} is no data directory yet: the first start makes it"));
        return UseOfIt::Absent;
    }
    version(data, findings);
    let use_of_it = lock(data);
    let has_listeners = data_dir::listeners_path(data).exists();
    match (use_of_it, has_listeners) {
        (UseOfIt::Locked, true) => findings.ok("lock", "a server runs on it"),
        (UseOfIt::Locked, false) => {
            findings.advise("lock", "a process has it that is not ready: a server that starts or stops");
        }
        (_, true) => findings.advise(
            "lock",
            "no server runs on it, and listeners.json is there: the last one crashed. The next start recovers by itself",
        ),
        (_, false) => findings.ok("lock", "no server runs on it"),
    }
    if use_of_it == UseOfIt::Free {
        apps(data, findings);
    }
    sizes(data, findings);
    backup(data, findings);
    use_of_it
}

fn version(data: &Path, findings: &mut Findings) {
    let text = fs::read_to_string(data.join("VERSION")).unwrap_or_default();
    match text.trim().parse::<u64>() {
        Ok(found) if found > DATA_FORMAT_VERSION => findings.act(
            "version",
            format!("format {found} is newer than this build's {DATA_FORMAT_VERSION}: run the newer Halley"),
        ),
        Ok(found) => {
            findings.ok("version", format!("format {found}, this build writes {DATA_FORMAT_VERSION}"));
        }
        Err(_) => findings
            .act("version", "VERSION cannot be read: restore it, it holds the number of the format (1)"),
    }
}

fn lock(data: &Path) -> UseOfIt {
    let Ok(file) = fs::File::options().write(true).open(data.join("journal").join("lock")) else {
        return UseOfIt::Free;
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => UseOfIt::Locked,
        _ => UseOfIt::Free,
    }
}

/// What a stopped server's state says that is not as safe as it should be.
fn apps(data: &Path, findings: &mut Findings) {
    use halley_core::ports::accounts::Apps as _;
    let path = data.join("state.redb");
    if !path.is_file() {
        findings.act("state", "state.redb is missing: users, tokens and groups are only there; restore it");
        return;
    }
    let opened = state::RedbState::open(&path, state::StateOptions::default());
    let state = match opened {
        Ok(state) => state,
        Err(error) => {
            let why = format!("{:#}", anyhow::Error::from(error));
            findings.act("state", format!("the state database does not open ({why}): restore a backup"));
            return;
        }
    };
    if state.installation().is_ok_and(|installation| installation.weak_fsync) {
        findings.advise("fsync", "the last run used a journal.fsync other than always");
    }
    let Ok(apps) = futures::executor::block_on(state.list()) else { return };
    findings.ok("state", format!("the state database opens and has {} apps", apps.len()));
    let methods = apps.iter().map(|app| (&*app.name, app.settings.auth.as_slice()));
    super::server::weak_apps(
        methods.map(|(name, auth)| (name.to_owned(), auth.contains(&halley_core::app::AuthMethod::Dev))),
        findings,
    );
}

fn sizes(data: &Path, findings: &mut Findings) {
    let bytes = |folder: &str| {
        let entries = fs::read_dir(data.join(folder)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum::<u64>()
    };
    let segments = fs::read_dir(data.join("journal")).into_iter().flatten().flatten();
    let segments = segments.filter(|entry| entry.path().extension().is_some_and(|it| it == "segment"));
    let (count, mib) = (segments.count(), bytes("journal") >> 20);
    findings.ok("journal", format!("{count} segments, {mib} MiB"));
    for name in ["index.suspect", "index.opening"] {
        if data.join(name).exists() {
            findings.advise("index", format!("{name} is there: the next start may rebuild the index"));
        }
    }
}

fn backup(data: &Path, findings: &mut Findings) {
    let Some((made_ms, directory)) = data_dir::last_backup(data) else {
        findings.advise("backup", "none was ever made: halley backup DIR");
        return;
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let age = now.saturating_sub(Duration::from_millis(made_ms));
    let days = age.as_secs() / 86_400;
    let text = format!("the last one was made {days} days ago, in {directory}");
    if age > BACKUP_AGE_MAX { findings.advise("backup", text) } else { findings.ok("backup", text) }
}
