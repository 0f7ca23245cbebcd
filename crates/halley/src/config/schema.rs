//! Every key with its default. What each is for stands in `reference`, which is checked against this.
#![expect(
    missing_docs,
    reason = "every key is described in `reference`, where users read it; a test compares the two"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::listen::{Believed, Listen};
use super::units::{Size, Span};

/// The whole configuration.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub listen: ListenConfig,
    pub tls: TlsConfig,
    pub admin: AdminConfig,
    pub grpc: GrpcConfig,
    pub txchat: TxchatConfig,
    pub journal: JournalConfig,
    pub limits: LimitsConfig,
    pub retention: RetentionConfig,
    pub server: ServerConfig,
    pub debug: DebugConfig,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenConfig {
    pub txchat_tcp: Listen,
    pub txchat_ws: Listen,
    pub txchat_tcp_tls: Listen,
    pub txchat_ws_tls: Listen,
    pub gobelieve_tcp: Listen,
    pub gobelieve_ws: Listen,
    pub gobelieve_eio: Listen,
    pub gobelieve_tcp_tls: Listen,
    pub gobelieve_ws_tls: Listen,
    pub gobelieve_eio_tls: Listen,
    pub gobelieve_http: Listen,
    pub admin: Listen,
    pub comet_grpc: Listen,
    pub logic_grpc: Listen,
    pub replication: Listen,
    pub proxy_protocol: Vec<Believed>,
}

impl Default for ListenConfig {
    fn default() -> Self {
        let everywhere = |port| Listen::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port));
        let loopback = |port| Listen::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        Self {
            txchat_tcp: everywhere(3101),
            txchat_ws: everywhere(3102),
            txchat_tcp_tls: Listen::Off,
            txchat_ws_tls: Listen::Off,
            gobelieve_tcp: Listen::Off,
            gobelieve_ws: Listen::Off,
            gobelieve_eio: Listen::Off,
            gobelieve_tcp_tls: Listen::Off,
            gobelieve_ws_tls: Listen::Off,
            gobelieve_eio_tls: Listen::Off,
            gobelieve_http: Listen::Off,
            admin: loopback(8080),
            comet_grpc: loopback(3109),
            logic_grpc: loopback(3119),
            replication: Listen::Off,
            proxy_protocol: Vec::new(),
        }
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    pub token: Option<String>,
}

impl std::fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminConfig").field("token", &self.token.as_ref().map(|_| "***")).finish()
    }
}

#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcConfig {
    pub token: Option<String>,
}

impl std::fmt::Debug for GrpcConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrpcConfig").field("token", &self.token.as_ref().map(|_| "***")).finish()
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TxchatConfig {
    pub handshake_timeout: Span,
    pub idle_timeout: Span,
    pub retransmit_timeout: Span,
    pub window: u16,
}

impl Default for TxchatConfig {
    fn default() -> Self {
        Self {
            handshake_timeout: Span(Duration::from_secs(8)),
            idle_timeout: Span(Duration::from_mins(8)),
            retransmit_timeout: Span(Duration::from_secs(2)),
            window: 64,
        }
    }
}

/// When the journal is synced to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Before every acknowledgement.
    #[default]
    Always,
    /// Once a second; a power loss may take the last second.
    Interval,
    /// When the operating system likes.
    Os,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalConfig {
    pub fsync: Fsync,
    pub segment_bytes: Size,
    pub tail_bytes: Size,
    pub free_space_min_percent: u8,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            fsync: Fsync::Always,
            segment_bytes: Size(64 << 20),
            tail_bytes: Size(64 << 20),
            free_space_min_percent: 5,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    pub user_messages_per_second: u32,
    pub user_messages_burst: u32,
    pub app_messages_per_second: u32,
    pub connections: u32,
    pub connections_per_address: u32,
    pub connections_per_app: u32,
    pub sessions_per_user: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            user_messages_per_second: 5_000,
            user_messages_burst: 10_000,
            app_messages_per_second: 0,
            connections: 0,
            connections_per_address: 0,
            connections_per_app: 0,
            sessions_per_user: 100,
        }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    pub age: Option<Span>,
    pub entries: Option<u64>,
    pub every: Span,
    pub reclaim_after: Span,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            age: None,
            entries: None,
            every: Span(Duration::from_secs(10)),
            reclaim_after: Span(Duration::from_hours(24)),
        }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    pub buckets: u16,
    pub drain_timeout: Span,
    pub log: String,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { buckets: 0, drain_timeout: Span(Duration::from_secs(10)), log: "info".to_owned() }
    }
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DebugConfig {
    pub failpoint: Option<String>,
}

impl Config {
    /// What the types cannot say.
    ///
    /// # Errors
    /// The key and what is wrong with its value.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let span = |key, value: Span, least: Duration| {
            (value.0 >= least).then_some(()).ok_or((key, format!("must be at least {}", Span(least))))
        };
        span("txchat.handshake_timeout", self.txchat.handshake_timeout, Duration::from_millis(100))?;
        span("txchat.idle_timeout", self.txchat.idle_timeout, Duration::from_secs(1))?;
        span("txchat.retransmit_timeout", self.txchat.retransmit_timeout, Duration::from_millis(50))?;
        if !(1..=1_024).contains(&self.txchat.window) {
            return Err(("txchat.window", "must be 1 to 1024 pushes".to_owned()));
        }
        if !((8 << 20)..=(1 << 30)).contains(&self.journal.segment_bytes.0) {
            return Err(("journal.segment_bytes", "must be 8MiB to 1GiB".to_owned()));
        }
        if !((1 << 20)..=(8 << 30)).contains(&self.journal.tail_bytes.0) {
            return Err(("journal.tail_bytes", "must be 1MiB to 8GiB".to_owned()));
        }
        if self.journal.free_space_min_percent > 50 {
            return Err(("journal.free_space_min_percent", "must be 0 to 50".to_owned()));
        }
        span("retention.every", self.retention.every, Duration::from_millis(10))?;
        if let Some(age) = self.retention.age {
            span("retention.age", age, Duration::from_secs(1))?;
        }
        if self.retention.entries == Some(0) {
            return Err(("retention.entries", "must be at least 1".to_owned()));
        }
        if self.limits.user_messages_per_second > 0 && self.limits.user_messages_burst == 0 {
            return Err(("limits.user_messages_burst", "must be at least 1 where a rate is set".to_owned()));
        }
        if self.server.buckets > 256 {
            return Err(("server.buckets", "must be 0 (one a core) to 256".to_owned()));
        }
        self.check_tls()?;
        if self.admin.token.as_ref().is_some_and(|token| token.len() < 8) {
            return Err(("admin.token", "must be at least 8 characters".to_owned()));
        }
        self.check_grpc()?;
        if self.server.log.parse::<tracing::Level>().is_err() {
            return Err(("server.log", "must be error, warn, info, debug or trace".to_owned()));
        }
        Ok(())
    }

    fn check_tls(&self) -> Result<(), (&'static str, String)> {
        let twins = [
            ("listen.txchat_tcp_tls", self.listen.txchat_tcp_tls),
            ("listen.txchat_ws_tls", self.listen.txchat_ws_tls),
            ("listen.gobelieve_tcp_tls", self.listen.gobelieve_tcp_tls),
            ("listen.gobelieve_ws_tls", self.listen.gobelieve_ws_tls),
            ("listen.gobelieve_eio_tls", self.listen.gobelieve_eio_tls),
        ];
        let wants = twins.iter().find(|(_, listen)| *listen != Listen::Off).map(|(key, _)| *key);
        let needs = |what: &str| format!("is needed by {what}: the path of a PEM file");
        match (&self.tls.certificate, &self.tls.key, wants) {
            (None, Some(_), _) => Err(("tls.certificate", needs("tls.key"))),
            (Some(_), None, _) => Err(("tls.key", needs("tls.certificate"))),
            (None, None, Some(listener)) => Err(("tls.certificate", needs(listener))),
            _ => Ok(()),
        }
    }

    /// Who reaches the gRPC services can say anything to anybody: from elsewhere only with a token.
    fn check_grpc(&self) -> Result<(), (&'static str, String)> {
        match &self.grpc.token {
            Some(token) if token.len() < 8 || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(("grpc.token", "must be at least 8 printable ASCII characters without spaces".to_owned()))
            }
            Some(_) => Ok(()),
            None => {
                let listeners = [
                    ("listen.comet_grpc", self.listen.comet_grpc),
                    ("listen.logic_grpc", self.listen.logic_grpc),
                ];
                let open = listeners.iter().find(|(_, listen)| {
                    listen.address().is_some_and(|address| !address.ip().to_canonical().is_loopback())
                });
                open.map_or(Ok(()), |(key, _)| {
                    Err((*key, "is not a loopback address: that needs grpc.token".to_owned()))
                })
            }
        }
    }
}
