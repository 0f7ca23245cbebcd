//! `halley backup` and `halley restore`.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use halley_backends::backup::{BackupError, Manifest, backup_stopped, restore};
use serde_json::{Value, json};

use crate::admin_commands::AdminArgs;
use crate::data_dir;

/// How often a running server is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Arguments of `halley backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Where to: a directory that is empty or not there, on the server's machine
    directory: PathBuf,
    /// The server; one that runs is backed up while it runs, a data directory without one as it is
    #[command(flatten)]
    server: AdminArgs,
}

/// Arguments of `halley restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    directory: PathBuf,
    /// The data directory to make; it must be empty or not there
    #[arg(long, value_name = "DIR", default_value = data_dir::DEFAULT)]
    data: PathBuf,
    /// Print what was restored as JSON
    #[arg(long)]
    json: bool,
}

/// Makes a backup and waits until it is whole.
///
/// # Errors
/// When it was not made.
pub fn run_backup(args: &BackupArgs) -> Result<()> {
    let target = std::path::absolute(&args.directory).context("find the working directory")?;
    let is_remote = args.server.admin.is_some();
    if is_remote || data_dir::listeners_path(&args.server.data).exists() {
        match of_running(args, &target) {
            Ok(bytes) => return say(&args.server, &target, bytes),
            // Left behind by a crash: the lock of the directory decides.
            Err(error) if is_remote || !is_unreachable(&error) => return Err(error),
            Err(_nobody) => {}
        }
    }
    let mut progress = Shown::default();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let made = backup_stopped(
        &args.server.data,
        &target,
        env!("CARGO_PKG_VERSION"),
        u64::try_from(now_ms).unwrap_or(u64::MAX),
        &mut |done, total| progress.show(done, total),
    );
    progress.end();
    let manifest: Manifest = match made {
        Err(BackupError::Directory(error)) => {
            return Err(error).context(
                "a server has the data directory and its admin API cannot be reached: name it with --admin",
            );
        }
        made => made?,
    };
    data_dir::note_backup(&args.server.data, &target, &manifest);
    say(&args.server, &target, manifest.bytes())
}

fn is_unreachable(error: &anyhow::Error) -> bool {
    use crate::admin_client::AdminError;
    matches!(
        error.downcast_ref(),
        Some(AdminError::Unreachable { .. } | AdminError::NoServer { .. } | AdminError::ListenerOff { .. })
    )
}

fn of_running(args: &BackupArgs, target: &Path) -> Result<u64> {
    let client = args.server.client()?;
    let path = target.to_str().context("the path of the backup is not valid UTF-8")?;
    client.begin_backup(path)?;
    let mut progress = Shown::default();
    loop {
        let newest = client.newest_backup()?;
        let status = &newest["backup"];
        if status["directory"] != path {
            bail!("the server is making another backup, or was restarted: this one is not whole");
        }
        let bytes = |name: &str| status[name].as_u64().unwrap_or(0);
        let _on = progress.show(bytes("done_bytes"), bytes("total_bytes"));
        match status["state"].as_str() {
            Some("running") => thread::sleep(ASK_EVERY),
            Some("done") => {
                progress.end();
                return Ok(bytes("done_bytes"));
            }
            _ => {
                progress.end();
                bail!(
                    "the backup failed: {}",
                    status["error"].as_str().unwrap_or("the server does not say why")
                )
            }
        }
    }
}

fn say(args: &AdminArgs, target: &Path, bytes: u64) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({ "directory": target.display().to_string(), "bytes": bytes }))?;
    } else {
        writeln!(out, "{} is a whole backup of {} KiB", target.display(), bytes >> 10)?;
    }
    Ok(())
}

/// Makes a data directory of a backup.
///
/// # Errors
/// When nothing was restored.
pub fn run_restore(args: &RestoreArgs) -> Result<()> {
    let mut progress = Shown::default();
    let restored = restore(&args.directory, &args.data, &mut |done, total| progress.show(done, total));
    progress.end();
    let restored = restored.with_context(|| format!("restore {}", args.directory.display()))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let value: Value = json!({
            "data": args.data.display().to_string(),
            "bytes": restored.manifest.bytes(),
            "made_ms": restored.manifest.made_ms,
            "version": restored.manifest.version,
            "epoch": restored.epoch.0,
        });
        writeln!(out, "{value}")?;
    } else {
        writeln!(
            out,
            "{} holds the backup of {} KiB made by version {}; epoch {} begins. The first start rebuilds the index.",
            args.data.display(),
            restored.manifest.bytes() >> 10,
            restored.manifest.version,
            restored.epoch.0
        )?;
    }
    Ok(())
}

/// Progress on a terminal.
#[derive(Default)]
struct Shown {
    mib: Option<u64>,
}

impl Shown {
    fn show(&mut self, done: u64, total: u64) -> ControlFlow<()> {
        if std::io::stderr().is_terminal() && self.mib != Some(done >> 20) {
            self.mib = Some(done >> 20);
            let _ = write!(std::io::stderr(), "\r{} of {} MiB", done >> 20, total >> 20);
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self) {
        if self.mib.take().is_some() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
