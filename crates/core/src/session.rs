//! Sessions: authenticated connections, as the directory and the admin API see them.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::device::Device;
use crate::ids::{AppId, BucketId, ConnId, NodeId, UserId};

/// Where a connection is: enough to reach it from any process. As text, `node.bucket.connection`, it is the connection's
/// key for operators and business servers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnAddr {
    /// The gateway process.
    pub node: NodeId,
    /// The bucket that owns it; of an authenticated connection its user's.
    pub bucket: BucketId,
    /// The connection.
    pub conn: ConnId,
}

impl fmt::Display for ConnAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.node, self.bucket, self.conn)
    }
}

/// A text that is no connection key.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("not a connection key: three decimals with dots between them, as the list of sessions gives them")]
pub struct NotAKey;

impl FromStr for ConnAddr {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(NotAKey);
        let addr = Self {
            node: NodeId(part()?.parse().map_err(|_| NotAKey)?),
            bucket: BucketId(part()?.parse().map_err(|_| NotAKey)?),
            conn: ConnId(part()?.parse().map_err(|_| NotAKey)?),
        };
        // Only the form that was given out: no signs, no leading zeros, nothing behind.
        if addr.to_string() == text { Ok(addr) } else { Err(NotAKey) }
    }
}

/// How a client is connected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// The txchat dialect over TCP.
    TxchatTcp,
    /// The txchat dialect over WebSocket.
    TxchatWebSocket,
    /// The txchat dialect over TLS.
    TxchatTcpTls,
    /// The txchat dialect over WebSocket over TLS.
    TxchatWebSocketTls,
}

impl Transport {
    /// A stable name, for operators.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TxchatTcp => "txchat_tcp",
            Self::TxchatWebSocket => "txchat_ws",
            Self::TxchatTcpTls => "txchat_tcp_tls",
            Self::TxchatWebSocketTls => "txchat_ws_tls",
        }
    }

    /// Whether everything is encrypted.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::TxchatTcpTls | Self::TxchatWebSocketTls)
    }

    /// Whether frames are messages of a WebSocket.
    #[must_use]
    pub fn is_web_socket(self) -> bool {
        matches!(self, Self::TxchatWebSocket | Self::TxchatWebSocketTls)
    }
}

/// An authenticated connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionInfo {
    /// Where it is.
    pub addr: ConnAddr,
    /// The app.
    pub app: AppId,
    /// The user.
    pub user: UserId,
    /// The user's id as the client knows it.
    pub user_name: Arc<str>,
    /// The device, when the client named one.
    pub device: Option<Arc<Device>>,
    /// How it is connected.
    pub transport: Transport,
    /// From where.
    pub remote: SocketAddr,
    /// Since when, unix milliseconds.
    pub since_ms: u64,
}

/// Why the server ends a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum KickReason {
    /// An operator asked.
    Operator,
    /// The token it came with was revoked.
    TokenRevoked,
    /// Its device is forgotten: nothing of it is remembered, its position least of all.
    DeviceForgotten,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_key_has_one_spelling() {
        let addr = ConnAddr { node: NodeId(0), bucket: BucketId(1), conn: ConnId(42) };
        assert_eq!(addr.to_string(), "0.1.42");
        assert_eq!("0.1.42".parse(), Ok(addr));
        for text in ["", "0.1", "0.1.42.", "0.1.042", "+0.1.42", "0.1.42.7", "0.1.x", "0.70000.1", " 0.1.42"]
        {
            assert_eq!(text.parse::<ConnAddr>(), Err(NotAKey), "{text:?}");
        }
    }
}
