//! The gateway's configuration. Every field says its unit, its default and why that default.

use std::time::Duration;

use thiserror::Error;

use crate::prefix::Prefix;

/// Times, bounds and limits of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// From accept to authenticated, WebSocket upgrade included; not extended by anything (8 s: ruling 13).
    pub handshake_timeout: Duration,
    /// Without a frame for this long a session ends (8 min: ruling 13, spec 1.5).
    pub idle_timeout: Duration,
    /// First resend of a push that is not acknowledged (2 s: ruling 13).
    pub resend_delay_min: Duration,
    /// Resends double their distance up to this (30 s: ruling 13).
    pub resend_delay_max: Duration,
    /// After so many resends without progress the session is closed, its cursor stays (8: about three minutes).
    pub resends_max: u8,
    /// Pushes of a session that may be unacknowledged at a time, 1 to 4096 (64: ruling 13).
    pub window: usize,
    /// A session's cursor is saved at most this often (5 s: design section 3).
    pub cursor_interval: Duration,
    /// Bytes waiting for a socket above which nothing more is pushed; the session falls behind (256 KiB).
    pub push_bytes_max: usize,
    /// Bytes waiting for a socket above which it is closed: answers cannot wait in a timeline (1 MiB).
    pub output_bytes_max: usize,
    /// Bytes waiting and no progress for this long: closed (30 s).
    pub write_timeout: Duration,
    /// Connections of the process (default: what the descriptor limit leaves after a reserve of 1/16, at least 64).
    pub connections_max: usize,
    /// Connections of one address (of IPv6: of one /64); 0 is no limit (the default: many clients share one behind NAT).
    pub connections_per_address: u32,
    /// Sessions of one app in this process; 0 is no limit (the default).
    pub connections_per_app: u32,
    /// Sessions of one user; with one more the oldest is closed; 0 is no limit (100: far more than people have devices).
    pub sessions_per_user: u32,
    /// Peers whose PROXY header is believed, and required (none).
    pub proxies: Vec<Prefix>,
    /// Commands from other threads that may wait for a bucket (32,768: a second of answers at full speed).
    pub commands_max: usize,
    /// Bytes read from one connection a turn, so that a chatty peer starves nobody (64 KiB).
    pub read_bytes_per_turn: usize,
    /// Timelines looked at and sessions shown something in one turn: whoever sends something meanwhile waits for it (1,024: less
    /// than half a millisecond).
    pub shown_per_turn: usize,
    /// Retry of what found a queue full: held sends, hand-overs (5 ms).
    pub retry_delay: Duration,
    /// Attempts to hand a connection to its user's bucket before it is closed (200: a second).
    pub hand_over_tries_max: u16,
    /// Pause of a listener after an accept failed for want of descriptors (50 ms).
    pub accept_pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(8),
            idle_timeout: Duration::from_secs(8 * 60),
            resend_delay_min: Duration::from_secs(2),
            resend_delay_max: Duration::from_secs(30),
            resends_max: 8,
            window: 64,
            cursor_interval: Duration::from_secs(5),
            push_bytes_max: 256 << 10,
            output_bytes_max: 1 << 20,
            write_timeout: Duration::from_secs(30),
            connections_max: connections_of(halley_sys::descriptor_limit()),
            connections_per_address: 0,
            connections_per_app: 0,
            sessions_per_user: 100,
            proxies: Vec::new(),
            commands_max: 32_768,
            read_bytes_per_turn: 64 << 10,
            shown_per_turn: 1_024,
            retry_delay: Duration::from_millis(5),
            hand_over_tries_max: 200,
            accept_pause: Duration::from_millis(50),
        }
    }
}

/// How many connections a descriptor limit allows: the rest is for files, the journal, admin calls.
fn connections_of(descriptors: usize) -> usize {
    let reserve = (descriptors / 16).clamp(64, 4_096);
    descriptors.saturating_sub(reserve).max(1)
}

/// A value that cannot work.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{field} must be {expected}")]
pub struct ConfigError {
    /// Which field.
    pub field: &'static str,
    /// What it must be.
    pub expected: &'static str,
}

impl Config {
    /// Checks what the types do not say.
    ///
    /// # Errors
    /// With the first field that is out of its bounds.
    pub fn check(&self) -> Result<(), ConfigError> {
        let bounds = [
            ("window", "from 1 to 4096", (1..=4_096).contains(&self.window)),
            ("shown_per_turn", "at least 1", self.shown_per_turn >= 1),
            ("connections_max", "at least 1", self.connections_max >= 1),
            ("commands_max", "at least 64", self.commands_max >= 64),
            (
                "read_bytes_per_turn",
                "from 1 KiB to 1 MiB",
                (1 << 10..=1 << 20).contains(&self.read_bytes_per_turn),
            ),
            (
                "output_bytes_max",
                "at least push_bytes_max and 64 KiB",
                self.output_bytes_max >= self.push_bytes_max.max(64 << 10),
            ),
            (
                "resend_delay_min",
                "from 10 ms to resend_delay_max",
                self.resend_delay_min >= Duration::from_millis(10)
                    && self.resend_delay_min <= self.resend_delay_max,
            ),
            ("handshake_timeout", "at least 10 ms", self.handshake_timeout >= Duration::from_millis(10)),
            ("idle_timeout", "at least 10 ms", self.idle_timeout >= Duration::from_millis(10)),
        ];
        match bounds.into_iter().find(|(_, _, holds)| !holds) {
            Some((field, expected, _)) => Err(ConfigError { field, expected }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_and_a_bad_value_names_its_field() {
        assert_eq!(Config::default().check(), Ok(()));
        let config = Config { window: 0, ..Config::default() };
        assert_eq!(config.check().map_err(|error| error.field), Err("window"));
    }

    #[test]
    fn a_reserve_of_descriptors_stays_free() {
        assert_eq!(connections_of(20_000), 18_750);
        assert_eq!(connections_of(256), 192);
        assert_eq!(connections_of(10), 1);
    }
}
