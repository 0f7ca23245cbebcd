//! The command line of `halley bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// `halley bench SCENARIO [...]`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub scenario: Scenario,
}

/// What to measure.
#[derive(Subcommand, Clone, Debug)]
pub enum Scenario {
    /// Pairs of users send each other private messages; every message is checked
    Peer(PeerArgs),
    /// Many connections that sent and received once and then keep still
    Idle(IdleArgs),
    /// One group, all members online: every message must reach all of them in one order
    Group(GroupArgs),
    /// A flood of logins that are refused, beside a private conversation
    Logins(LoginsArgs),
}

/// What every scenario takes.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// The server, tcp://host:port; found through the data directory when not given
    #[arg(long)]
    pub server: Option<String>,
    /// The data directory of a local server, to find its address
    #[arg(long, default_value = "./halley-data")]
    pub data: PathBuf,
    /// The server's process id: its CPU and memory are reported (give it several times for several processes)
    #[arg(long)]
    pub pid: Vec<u32>,
    /// The app to log in to; without a token file it must allow `dev` authentication (token = user id)
    #[arg(long, default_value = "demo")]
    pub app: String,
    /// Users and their tokens, one "user token" per line, instead of `dev` authentication
    #[arg(long)]
    pub token_file: Option<PathBuf>,
    /// The first user id of `dev` authentication; the others follow
    #[arg(long, default_value_t = 1_000_001)]
    pub first_user: u64,
    /// Log in without a device: the server keeps no cursor then
    #[arg(long)]
    pub no_device: bool,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// How long to wait at the end for what is in flight
    #[arg(long, default_value = "15s", value_parser = parse_duration)]
    pub drain: Duration,
    /// Write the full report to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// `halley bench peer`.
#[derive(Args, Clone, Debug)]
pub struct PeerArgs {
    /// Server, users, output
    #[command(flatten)]
    pub common: CommonArgs,
    /// Pairs of users
    #[arg(long, default_value_t = 500)]
    pub pairs: usize,
    /// Unacknowledged messages of one sender, at most
    #[arg(long, default_value_t = 8)]
    pub window: usize,
    /// Open loop: this many messages per second in all, latency counted from the time each was due (the window then only bounds
    /// what is unacknowledged; give a large one)
    #[arg(long)]
    pub rate: Option<f64>,
    /// Bytes of text in a message
    #[arg(long, default_value_t = 96)]
    pub size: usize,
    /// The measured time
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Load before it, not measured
    #[arg(long, default_value = "3s", value_parser = parse_duration)]
    pub warm_up: Duration,
    /// Both users of a pair send
    #[arg(long)]
    pub both: bool,
}

/// `halley bench idle`.
#[derive(Args, Clone, Debug)]
pub struct IdleArgs {
    /// Server, users, output
    #[command(flatten)]
    pub common: CommonArgs,
    /// Connections (an even number)
    #[arg(long, default_value_t = 10_000)]
    pub connections: usize,
    /// How long to hold them
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub hold: Duration,
    /// Every connection sends a heartbeat this often
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub heartbeat: Duration,
}

/// `halley bench group`.
#[derive(Args, Clone, Debug)]
pub struct GroupArgs {
    /// Server, users, output
    #[command(flatten)]
    pub common: CommonArgs,
    /// The group, whose members the users are; without it `halley bench` makes one, over the admin API of the data directory
    #[arg(long)]
    pub group: Option<String>,
    /// The group to be made is a super group
    #[arg(long = "super")]
    pub is_super: bool,
    /// Members, all online
    #[arg(long, default_value_t = 5_000)]
    pub members: usize,
    /// Members who speak, in turn
    #[arg(long, default_value_t = 10)]
    pub senders: usize,
    /// Open loop: this many messages per second in all; without it as many as `--window` allows
    #[arg(long)]
    pub rate: Option<f64>,
    /// Closed loop: messages that have not reached everybody, at most
    #[arg(long, default_value_t = 8)]
    pub window: u64,
    /// Bytes of text in a message
    #[arg(long, default_value_t = 96)]
    pub size: usize,
    /// The measured time
    #[arg(long, default_value = "60s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Before it: only the private conversation, for comparison
    #[arg(long, default_value = "15s", value_parser = parse_duration)]
    pub baseline: Duration,
    /// Messages per second of the private conversation beside the group
    #[arg(long, default_value_t = 100.0)]
    pub private_rate: f64,
    /// Acknowledgements of pushes wait so long for company
    #[arg(long, default_value = "100ms", value_parser = parse_duration)]
    pub ack_delay: Duration,
}

/// Which bad token.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadToken {
    /// An access token that nobody has
    Unknown,
    /// A signed token of the txchat dialect, fresh and well-formed, that the key did not sign
    Signature,
    /// A JSON web token that nobody signed
    Jwt,
}

/// `halley bench logins`.
#[derive(Args, Clone, Debug)]
pub struct LoginsArgs {
    /// Server, the two who talk, output
    #[command(flatten)]
    pub common: CommonArgs,
    /// What the strangers show
    #[arg(long, value_enum, default_value_t = BadToken::Unknown)]
    pub token: BadToken,
    /// The app they name; else that of the two who talk
    #[arg(long)]
    pub bad_app: Option<String>,
    /// Connections that knock at once; each comes again as soon as it is refused
    #[arg(long, default_value_t = 200)]
    pub connections: usize,
    /// The measured time
    #[arg(long, default_value = "30s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Before it: only the private conversation, for comparison
    #[arg(long, default_value = "15s", value_parser = parse_duration)]
    pub baseline: Duration,
    /// Messages per second of the private conversation
    #[arg(long, default_value_t = 100.0)]
    pub private_rate: f64,
}

/// `250ms`, `8s`, `5m`, `1h`, or plain seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: f64 =
        digits.parse().map_err(|_| format!("{text:?} is no duration: write 250ms, 8s or 5m"))?;
    let unit_s = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("{unit:?} is no unit of time: use ms, s, m or h")),
    };
    Duration::try_from_secs_f64(number * unit_s).map_err(|_| format!("{text:?} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_all_units() {
        let ms = |text| parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("1.5s"), Ok(1500));
        assert_eq!(ms("5m"), Ok(300_000));
        assert_eq!(ms("7"), Ok(7000));
        for bad in ["", "s", "-1s", "5x", "5 s"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }
}
