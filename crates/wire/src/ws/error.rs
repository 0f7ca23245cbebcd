//! What goes wrong on a WebSocket, by operation.

/// A frame that cannot be accepted. The stream is over: send a close frame with [`WsError::close_code`], close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WsError {
    /// Reserved bits are set, but no extension was negotiated.
    #[error("reserved bits are set")]
    ReservedBits,
    /// An opcode that RFC 6455 does not define.
    #[error("opcode {0} is unknown")]
    Opcode(u8),
    /// A control frame with more than 125 bytes.
    #[error("control frame is too long")]
    ControlTooLong,
    /// A control frame in pieces.
    #[error("control frame is fragmented")]
    ControlFragmented,
    /// A message with more bytes than allowed, claimed or summed over its fragments.
    #[error("message of {0} bytes is too large")]
    MessageTooLarge(u64),
    /// A message in more frames than allowed.
    #[error("message has too many fragments")]
    TooManyFragments,
    /// A continuation without a beginning.
    #[error("continuation of nothing")]
    UnexpectedContinuation,
    /// A new message before the last one ended.
    #[error("message begins inside another")]
    ExpectedContinuation,
    /// A close frame whose payload is one byte, or whose code must not be sent.
    #[error("close frame is malformed")]
    MalformedClose,
}

impl WsError {
    /// The status code for the close frame that answers it (RFC 6455, 7.4.1).
    #[must_use]
    pub const fn close_code(&self) -> u16 {
        match self {
            Self::MessageTooLarge(_) | Self::TooManyFragments => 1009,
            Self::ReservedBits
            | Self::Opcode(_)
            | Self::ControlTooLong
            | Self::ControlFragmented
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::MalformedClose => 1002,
        }
    }
}

/// A ping or pong of more than 125 bytes cannot be sent; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("control payload of {0} bytes is too long")]
pub struct ControlTooLong(pub usize);

/// A request or an answer that is no upgrade. Close without an HTTP answer (spec 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// More than [`crate::limits::WS_HEAD_BYTES_MAX`] bytes without an end.
    #[error("head is too long")]
    TooLong,
    /// Not `GET`, not exactly the path, or not HTTP/1.1; for a client: not a 101.
    #[error("first line is not the expected one")]
    FirstLine,
    /// A header line that is none.
    #[error("header line is malformed")]
    Malformed,
    /// `Upgrade` does not name websocket.
    #[error("upgrade header does not name websocket")]
    Upgrade,
    /// `Connection` does not hold the token upgrade.
    #[error("connection header does not name upgrade")]
    Connection,
    /// `Sec-WebSocket-Version` is not 13, or not there once.
    #[error("version is not 13")]
    Version,
    /// `Sec-WebSocket-Key` is empty, or not there once.
    #[error("key is missing, empty or repeated")]
    Key,
    /// For a client: `Sec-WebSocket-Accept` does not answer the key.
    #[error("accept does not answer the key")]
    Accept,
}
