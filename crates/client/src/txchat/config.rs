//! How a session behaves: credentials, timings, bounds, and the misbehaviours that tests ask for.

use std::time::Duration;

/// The kind of device that logs in (`Login.device`, spec 2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Device {
    /// Android.
    Android,
    /// iOS.
    Ios,
    /// Windows.
    Windows,
    /// Linux: what a terminal is.
    #[default]
    Linux,
    /// macOS.
    MacOs,
    /// A browser.
    Web,
}

impl Device {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Android => 0,
            Self::Ios => 1,
            Self::Windows => 2,
            Self::Linux => 3,
            Self::MacOs => 4,
            Self::Web => 5,
        }
    }
}

/// Who the device is (`AuthMsg.ext`). Its `uuid` names the cursor the server keeps for it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Login {
    /// The kind of device.
    pub device: Device,
    /// Shown to other devices of the user.
    pub username: String,
    /// Token for third-party push; empty when there is none.
    pub device_token: String,
    /// The installation: stable over restarts.
    pub uuid: String,
    /// A name for people.
    pub device_name: String,
}

/// When a push is acknowledged once the caller has taken it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AckPolicy {
    /// At once.
    #[default]
    Immediately,
    /// After this time (tests).
    After(Duration),
    /// Never (tests: the server must resend, then close).
    Never,
}

/// How a session behaves. [`SessionConfig::new`] gives what a well-behaved client does.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// `AuthMsg.appId`.
    pub app: String,
    /// `AuthMsg.token`.
    pub token: String,
    /// The device; `None` logs in without one (no cursor is kept then).
    pub login: Option<Login>,
    /// An unanswered send is repeated after this long; `None` never (tests). Spec 1.6: 1.5 s.
    pub resend_after: Option<Duration>,
    /// A heartbeat is sent this often; the server closes after 8 minutes without one.
    pub heartbeat_interval: Duration,
    /// The login must be answered within this.
    pub login_timeout: Duration,
    /// With nothing heard for this long the connection counts as dead; at least two heartbeat intervals are waited for.
    pub silence_max: Duration,
    /// When pushes are acknowledged.
    pub acks: AckPolicy,
    /// Sends accepted and not answered yet, at most; more are refused to the caller ([`super::OutboxFull`]).
    pub outbox_max: usize,
    /// Sends on the wire and not answered yet, at most; the rest of the outbox waits its turn.
    pub in_flight_max: usize,
    /// Events not taken by the caller, at most; then the session wants no more input.
    pub pending_max: usize,
    /// Message ids remembered to tell repetitions.
    pub seen_max: usize,
}

impl SessionConfig {
    /// A well-behaved client of `app` with this token and device.
    #[must_use]
    pub fn new(app: impl Into<String>, token: impl Into<String>, login: Option<Login>) -> Self {
        Self {
            app: app.into(),
            token: token.into(),
            login,
            resend_after: Some(Duration::from_millis(1500)),
            heartbeat_interval: Duration::from_secs(20),
            login_timeout: Duration::from_secs(8),
            silence_max: Duration::from_secs(60),
            acks: AckPolicy::Immediately,
            outbox_max: 1024,
            in_flight_max: 64,
            pending_max: 1024,
            seen_max: 16_384,
        }
    }
}
