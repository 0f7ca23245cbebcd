//! Before the first word: which server, which token, which device.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use halley_client::txchat::{Device, Login, SessionConfig, Target};
use halley_client::{ClientConfig, Endpoint, Trust};
use serde_json::json;

use super::ChatArgs;
use super::history::History;
use crate::admin_client::{AdminClient, Listeners};

/// The app that is made by itself.
const DEMO: &str = "demo";

/// Everything a chat needs.
pub(super) struct Prepared {
    pub(super) client: ClientConfig,
    pub(super) user: String,
    pub(super) target: Option<Target>,
    /// Starts every client id of this device: its own echoes are known by it, also after a restart.
    pub(super) device: String,
    /// `None` when the admin API cannot be asked.
    pub(super) history: Option<History>,
}

pub(super) fn prepare(args: &ChatArgs) -> anyhow::Result<Prepared> {
    if args.user.is_empty() {
        bail!("--user must not be empty");
    }
    let url = match &args.server {
        Some(url) => url.clone(),
        None => format!("tcp://{}", Listeners::read(&args.data)?.address("txchat_tcp")?),
    };
    let endpoint: Endpoint = url.parse()?;
    let trust = trust(args, &endpoint)?;
    let admin = AdminClient::find(&args.data, None, None);
    let (token, admin) = match (&args.token, admin) {
        (Some(token), admin) => (token.clone(), admin.ok()),
        (None, Ok(admin)) => {
            if args.app == DEMO {
                admin.put_app(DEMO, &json!({}))?;
            }
            // One may speak first: whom one talks to need not have been here yet. A token makes the id known.
            if let Some(to) = &args.to {
                let _unused = admin.create_token(&args.app, to, Some(Duration::from_secs(1)))?;
            }
            (admin.create_token(&args.app, &args.user, None)?, Some(admin))
        }
        (None, Err(error)) => return Err(error).context("no --token was given, and none can be made"),
    };
    let device = device_id(args)?;
    let login = Login {
        device: Device::Linux,
        username: args.user.clone(),
        uuid: device.clone(),
        device_name: "halley chat".to_owned(),
        ..Login::default()
    };
    let target = match (&args.to, &args.group) {
        (Some(user), _) => Some(Target::User(user.clone())),
        (None, Some(group)) => Some(Target::Group(group.clone())),
        (None, None) => None,
    };
    let session = SessionConfig::new(args.app.as_str(), token, Some(login));
    Ok(Prepared {
        client: ClientConfig { trust, ..ClientConfig::new(endpoint, session) },
        user: args.user.clone(),
        target,
        device,
        history: admin.map(|admin| History::new(admin, &args.app, &args.user, args.history)),
    })
}

/// Whose certificates are trusted.
fn trust(args: &ChatArgs, endpoint: &Endpoint) -> anyhow::Result<Option<Trust>> {
    let Some(path) = &args.ca else {
        if endpoint.is_encrypted() {
            bail!(
                "{endpoint}: say whose certificate is trusted, with --ca FILE (the server's own, or its authority's)"
            );
        }
        return Ok(None);
    };
    let pem = fs::read(path).with_context(|| format!("--ca: cannot read {}", path.display()))?;
    let trust = Trust::from_pem(&pem).with_context(|| format!("--ca: {}", path.display()))?;
    Ok(Some(trust))
}

/// A stable name of this user's terminal here: the server's cursor hangs on it.
fn device_id(args: &ChatArgs) -> anyhow::Result<String> {
    let folder = state_folder(&args.data)?;
    let path = folder.join(format!("device-{}-{}", file_name(&args.app), file_name(&args.user)));
    if let Ok(id) = fs::read_to_string(&path)
        && !id.trim().is_empty()
    {
        return Ok(id.trim().to_owned());
    }
    let random = getrandom::u64().context("the system gives no random numbers")?;
    let id = format!("{random:016x}");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, &id))
        .with_context(|| format!("cannot keep this device's name in {}", path.display()))?;
    Ok(id)
}

/// Beside the server's data when that is here, else where a user's programs keep state.
fn state_folder(data: &Path) -> anyhow::Result<PathBuf> {
    if data.is_dir() {
        return Ok(data.join("chat"));
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let base = state.or_else(home).context("neither HOME nor XDG_STATE_HOME is set: give --data DIR")?;
    Ok(base.join("halley"))
}

fn file_name(id: &str) -> String {
    id.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02x}")
                }
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_leaves_the_folder_or_meets_another() {
        assert_eq!(file_name("../a"), "%2e%2e%2fa");
        assert_ne!(file_name("a-b"), file_name("a_b"));
    }
}
