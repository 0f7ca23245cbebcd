//! Sessions: authenticated connections, as the directory and the admin API see them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::device::Device;
use crate::ids::{AppId, BucketId, ConnId, NodeId, UserId};

/// Where a connection is: enough to reach it from any process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnAddr {
    /// The gateway process.
    pub node: NodeId,
    /// The bucket that owns it; of an authenticated connection its user's.
    pub bucket: BucketId,
    /// The connection.
    pub conn: ConnId,
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
}
