//! Files of the data directory that people and other programs read: `admin.token`, `listeners.json`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The data directory when none is named.
pub const DEFAULT: &str = "./halley-data";

/// Where the generated admin token is.
#[must_use]
pub fn admin_token_path(data: &Path) -> PathBuf {
    data.join("admin.token")
}

/// Where a ready server says which addresses it has.
#[must_use]
pub fn listeners_path(data: &Path) -> PathBuf {
    data.join("listeners.json")
}

/// The admin token of this data directory; made at the first start, readable by its owner only.
///
/// # Errors
/// When the file can neither be read nor made.
pub fn admin_token(data: &Path) -> Result<String> {
    let path = admin_token_path(data);
    if let Ok(token) = fs::read_to_string(&path) {
        let token = token.trim().to_owned();
        if !token.is_empty() {
            return Ok(token);
        }
    }
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).context("no random numbers for the admin token")?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    write_private(&path, format!("{token}\n").as_bytes())?;
    Ok(token)
}

/// Says where the listeners that were bound are reached from this machine. Replaced in one step: a reader never sees half of it.
///
/// # Errors
/// When it cannot be written.
pub fn write_listeners(data: &Path, listeners: &BTreeMap<String, SocketAddr>) -> Result<()> {
    let reachable: BTreeMap<&str, SocketAddr> =
        listeners.iter().map(|(name, address)| (name.as_str(), reachable(*address))).collect();
    let text = serde_json::to_string(&reachable).context("addresses are text")?;
    let path = listeners_path(data);
    let fresh = path.with_extension("json.new");
    fs::write(&fresh, format!("{text}\n")).with_context(|| format!("write {}", fresh.display()))?;
    fs::rename(&fresh, &path).with_context(|| format!("write {}", path.display()))
}

/// Where a program of this machine connects to: a listener on every address is reached on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

/// Removes what [`write_listeners`] wrote; none is fine.
pub fn remove_listeners(data: &Path) {
    let _none = fs::remove_file(listeners_path(data));
}

/// Remembers for `halley doctor` that a backup was made.
pub fn note_backup(data: &Path, directory: &Path, manifest: &halley_backends::backup::Manifest) {
    let note = serde_json::json!({
        "made_ms": manifest.made_ms,
        "bytes": manifest.bytes(),
        "directory": directory.display().to_string(),
    });
    if let Err(error) = fs::write(last_backup_path(data), format!("{note}\n")) {
        tracing::warn!(%error, "the backup is whole, but it could not be noted in the data directory");
    }
}

/// When the last backup was made, unix milliseconds, and where it is.
#[must_use]
pub fn last_backup(data: &Path) -> Option<(u64, String)> {
    let text = fs::read_to_string(last_backup_path(data)).ok()?;
    let note: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some((note["made_ms"].as_u64()?, note["directory"].as_str()?.to_owned()))
}

fn last_backup_path(data: &Path) -> PathBuf {
    data.join("last-backup.json")
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    let _none = fs::remove_file(&fresh);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
    let mut file = file.with_context(|| format!("make {}", fresh.display()))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("write {}", fresh.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("write {}", path.display()))
}
