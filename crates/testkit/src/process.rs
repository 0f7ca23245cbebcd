//! The real server as a process of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::wait::wait_for;

/// How long a server may take to be ready, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a server may take to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// The binary: `HALLEY_BIN`, or the one that cargo built beside this test.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("HALLEY_BIN") {
        return named.into();
    }
    let test = std::env::current_exe().expect("a running program has a path");
    let found = test.ancestors().map(|folder| folder.join("halley")).find(|path| path.is_file());
    found.expect("build the binary first: cargo build --package halley")
}

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--set` lines, after those that put every listener on a free loopback port.
    pub set: Vec<String>,
    /// Most descriptors the process may have; `None` for the inherited limit.
    pub descriptors_max: Option<u32>,
}

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    data: PathBuf,
    listeners: BTreeMap<String, SocketAddr>,
    log: PathBuf,
    /// From the start of the process to ready.
    pub ready_after: Duration,
}

impl Server {
    /// Starts a server on this data directory and waits until it is ready.
    ///
    /// # Panics
    /// When it does not get ready; the log is in the message.
    #[must_use]
    pub fn start(data: &Path, options: &Options) -> Self {
        match Self::try_start(data, options) {
            Ok(server) => server,
            Err((status, log)) => panic!("the server ended with {status} instead of getting ready:\n{log}"),
        }
    }

    /// As [`Server::start`]; a server that ends instead gives its status and its log.
    ///
    /// # Errors
    /// When the process ends before it is ready.
    ///
    /// # Panics
    /// When the process neither ends nor gets ready.
    pub fn try_start(data: &Path, options: &Options) -> Result<Self, (ExitStatus, String)> {
        std::fs::create_dir_all(data).expect("a data directory");
        let listeners_file = data.join("listeners.json");
        let _none = std::fs::remove_file(&listeners_file);
        let log = data.with_extension("log");
        let log_file = File::options().create(true).append(true).open(&log).expect("a log file");
        let log_before = log_file.metadata().expect("a log file").len();
        let mut command = command(data, options);
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file).spawn();
        let mut child = child.expect("the binary runs");
        let ended = |status| {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            (status, text[usize::try_from(log_before).unwrap_or(0).min(text.len())..].to_owned())
        };
        let outcome = wait_for("the server to be ready", READY_WITHIN, || {
            if let Some(status) = child.try_wait().expect("our own child") {
                return Some(Err(ended(status)));
            }
            let text = std::fs::read_to_string(&listeners_file).ok()?;
            serde_json::from_str(&text).ok().map(Ok)
        });
        let ready_after = began.elapsed();
        Ok(Self { child, data: data.to_owned(), listeners: outcome?, log, ready_after })
    }

    /// The address of a listener, named as in `listen.*`.
    ///
    /// # Panics
    /// When the server has no such listener.
    #[must_use]
    pub fn address(&self, listener: &str) -> SocketAddr {
        *self
            .listeners
            .get(listener)
            .unwrap_or_else(|| panic!("no listener {listener}: {:?}", self.listeners))
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its admin token.
    ///
    /// # Panics
    /// When it has not written one.
    #[must_use]
    pub fn admin_token(&self) -> String {
        let token = std::fs::read_to_string(self.data.join("admin.token")).expect("a generated admin token");
        token.trim().to_owned()
    }

    /// Everything it (and earlier servers on this data directory) logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -9`, and waits for the end.
    ///
    /// # Panics
    /// When the process cannot be killed.
    pub fn kill(mut self) {
        self.child.kill().expect("our own child");
        let _status = self.child.wait().expect("our own child");
    }

    /// Waits until it ends by itself (a failpoint, a failed disk).
    ///
    /// # Panics
    /// When it does not.
    pub fn wait_end(&mut self, within: Duration) -> ExitStatus {
        wait_for("the server to end", within, || self.child.try_wait().expect("our own child"))
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// Never: it is our own child.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// When it does not stop in time.
    pub fn stop(mut self) -> ExitStatus {
        terminate(self.pid());
        self.wait_end(STOPPED_WITHIN)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn command(data: &Path, options: &Options) -> Command {
    let mut command = match options.descriptors_max {
        None => Command::new(binary()),
        Some(max) => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("ulimit -n {max} && exec \"$0\" \"$@\"")).arg(binary());
            shell
        }
    };
    command.arg("serve").arg("--data").arg(data);
    for listener in ["txchat_tcp", "txchat_ws", "admin", "comet_grpc", "logic_grpc"] {
        command.arg("--set").arg(format!("listen.{listener}=127.0.0.1:0"));
    }
    for line in &options.set {
        command.arg("--set").arg(line);
    }
    command
}

/// SIGTERM by the system's own command: this crate says no `unsafe`.
fn terminate(pid: u32) {
    let sent = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().expect("kill is everywhere");
    assert!(sent.success(), "the server is still there to be stopped");
}
