//! What can go wrong, one enum per operation.

use crate::txchat::SessionError;

/// A server URL that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not one of ours.
    #[error("{0:?} is none of tcp://host:port, tls://host:port, ws://host:port/sub, wss://host:port/sub")]
    Scheme(String),
    /// No host or no port.
    #[error("{0:?} names no host and port: give tcp://host:port or ws://host:port/sub")]
    NoPort(String),
    /// TCP has no paths.
    #[error("{0:?} has a path, which only ws:// and wss:// take")]
    PathOnTcp(String),
}

/// A file of certificates that cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// No certificate in it.
    #[error("it holds no certificate in PEM (no BEGIN CERTIFICATE)")]
    Empty,
    /// Broken PEM.
    #[error("it is not a PEM file of certificates")]
    NotPem,
    /// PEM, but of something else.
    #[error("what it holds is not a certificate")]
    NotACertificate,
}

/// Why the first login did not succeed; nothing runs afterwards.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens, or the network is in the way. Start the server or mend the address, then try again.
    #[error("cannot reach {endpoint}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What the system said.
        #[source]
        source: ConnectionError,
    },
    /// The server closed instead of answering the login, which is how the protocol refuses one.
    #[error(
        "{endpoint} refused the login: the app is unknown or the token is not valid (or the server is stopping)"
    )]
    LoginRefused {
        /// Where.
        endpoint: String,
    },
    /// The connection stood and then failed for another reason.
    #[error("{endpoint} did not complete the login")]
    Failed {
        /// Where.
        endpoint: String,
        /// What happened.
        #[source]
        source: ConnectionError,
    },
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The system refused or cut it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It did not come about in time.
    #[error("no connection within {0:?}")]
    Timeout(std::time::Duration),
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// The WebSocket upgrade was not accepted, or a frame of it was malformed.
    #[error("WebSocket: {0}")]
    WebSocket(&'static str),
    /// No encryption could be agreed on, or it was broken.
    #[error("TLS: {0}")]
    Tls(String),
    /// The session gave it up.
    #[error("{0}")]
    Session(#[from] SessionError),
}

/// Why a message was not taken for sending. Nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// The client has ended: it was closed, or another device took the user over.
    #[error("the client is closed")]
    Closed,
    /// The idempotency key is empty: a repetition could not be told from a second message.
    #[error("the message has no client id")]
    NoClientId,
    /// The frame would be longer than the protocol allows.
    #[error("the message is too long: {bytes} bytes, at most {bytes_max}")]
    TooLong {
        /// Of the frame.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
}
