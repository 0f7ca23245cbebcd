//! Where the server is and who logs in to it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use halley_client::Endpoint;
use halley_client::txchat::codec::encode_auth;
use halley_client::txchat::{Device, Login};

use crate::args::CommonArgs;

/// A user that logs in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    token: String,
}

impl User {
    /// The bytes of its login.
    pub(crate) fn login(&self, common: &CommonArgs) -> Vec<u8> {
        let login = Login {
            device: Device::Android,
            username: self.id.clone(),
            uuid: format!("bench-{}", self.id),
            device_name: "bench".to_owned(),
            ..Login::default()
        };
        let login = (!common.no_device).then_some(&login);
        let mut bytes = Vec::new();
        encode_auth(&common.app, &self.token, login, false, 0).encode(&mut bytes);
        bytes
    }
}

/// The server's address, as given or as a local server left it in its data directory.
pub(crate) fn find_server(common: &CommonArgs) -> anyhow::Result<SocketAddr> {
    let url = match &common.server {
        Some(url) => url.clone(),
        None => from_listeners(&common.data)?,
    };
    let endpoint: Endpoint = url.parse()?;
    ensure!(
        matches!(endpoint, Endpoint::Tcp { .. }),
        "{endpoint}: the bench speaks TCP only so far; give tcp://host:port"
    );
    let authority = endpoint.authority();
    authority
        .to_socket_addrs()
        .with_context(|| format!("cannot resolve {authority}"))?
        .next()
        .with_context(|| format!("{authority} has no address"))
}

fn from_listeners(data: &Path) -> anyhow::Result<String> {
    let path = data.join("listeners.json");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("cannot read {}: is `halley serve` running with that data directory? (else give --server tcp://host:port)", path.display())
    })?;
    let listeners: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    match listeners.get("txchat_tcp").and_then(serde_json::Value::as_str) {
        // Bound to every address: this machine's own is as good as any.
        Some(address) => Ok(address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")),
        None => bail!("{} names no txchat_tcp: that listener is off", path.display()),
    }
}

/// `count` users: of the token file, or made up for `dev` authentication.
pub(crate) fn users(common: &CommonArgs, count: usize) -> anyhow::Result<Vec<User>> {
    let Some(path) = &common.token_file else {
        let ids = common.first_user..common.first_user + count as u64;
        return Ok(ids.map(|id| User { id: id.to_string(), token: id.to_string() }).collect());
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let users: Vec<User> = text
        .lines()
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(id, token)| User { id: id.trim().to_owned(), token: token.trim().to_owned() })
        .take(count)
        .collect();
    let found = users.len();
    ensure!(
        found == count,
        "{} has {found} users, {count} are needed: one \"user token\" per line",
        path.display()
    );
    Ok(users)
}
