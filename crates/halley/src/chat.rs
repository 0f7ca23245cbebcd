//! `halley chat`: two people and a terminal each.
//!
//! Owns: the conversation on the screen: lines in, lines out, each message once and in order, nothing typed is lost.
//!
//! Does not own: the protocol, resending, reconnecting (`halley-client`), finding a server (`setup`), printing (`screen`).

mod history;
mod screen;
mod setup;
mod talk;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

/// Arguments of `halley chat`.
#[derive(Args, Clone, Debug)]
pub struct ChatArgs {
    /// The app; `demo` is made when it does not exist
    #[arg(long, default_value = "demo")]
    pub app: String,
    /// Who you are
    #[arg(long)]
    pub user: String,
    /// Talk to this user
    #[arg(long, conflicts_with = "group")]
    pub to: Option<String>,
    /// Talk in this group
    #[arg(long)]
    pub group: Option<String>,
    /// The server, tcp://host:port or ws://host:port/sub, with TLS tls:// or wss://; found through the data directory when not given
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// PEM file of the certificates to trust with tls:// and wss://
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Access token; made through the admin API of a local server when not given
    #[arg(long)]
    pub token: Option<String>,
    /// The data directory of a local server
    #[arg(long, default_value = "./halley-data")]
    pub data: PathBuf,
    /// Earlier messages shown at the start
    #[arg(long, default_value_t = 20)]
    pub history: usize,
    /// Seconds to stay for incoming messages after the input has ended (for scripts)
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    pub linger: u64,
}

/// Chats until the input ends or `/quit`, and everything typed is acknowledged.
///
/// # Errors
/// When there is no server, the login is refused, or lines stay unacknowledged.
#[expect(clippy::needless_pass_by_value, reason = "the arguments end here")]
pub fn run(args: ChatArgs) -> anyhow::Result<()> {
    let prepared = setup::prepare(&args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let result = runtime.block_on(talk::talk(prepared, Duration::from_secs(args.linger)));
    // The thread that reads the terminal may be waiting for a line that never comes.
    runtime.shutdown_background();
    result
}
