//! Where a server is and how it is spoken to.

use std::fmt;
use std::str::FromStr;

use crate::error::EndpointError;

/// A server's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// `tcp://host:port`.
    Tcp {
        /// `host:port`.
        authority: String,
    },
    /// `ws://host:port/sub`.
    WebSocket {
        /// `host:port`.
        authority: String,
        /// The request path, `/sub` when the URL has none.
        path: String,
    },
    /// `tls://host:port`.
    Tls {
        /// `host:port`; the host is what the certificate must be for.
        authority: String,
    },
    /// `wss://host:port/sub`.
    SecureWebSocket {
        /// `host:port`; the host is what the certificate must be for.
        authority: String,
        /// The request path, `/sub` when the URL has none.
        path: String,
    },
}

impl Endpoint {
    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> &str {
        match self {
            Self::Tcp { authority }
            | Self::Tls { authority }
            | Self::WebSocket { authority, .. }
            | Self::SecureWebSocket { authority, .. } => authority,
        }
    }

    /// The request path of a WebSocket.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::WebSocket { path, .. } | Self::SecureWebSocket { path, .. } => Some(path),
            Self::Tcp { .. } | Self::Tls { .. } => None,
        }
    }

    /// Whether everything is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::SecureWebSocket { .. })
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("tcp", url));
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (host, port) = authority.rsplit_once(':').ok_or_else(|| EndpointError::NoPort(url.to_owned()))?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(EndpointError::NoPort(url.to_owned()));
        }
        let authority = authority.to_owned();
        let has_path = !matches!(path, "" | "/");
        let path = if has_path { path.to_owned() } else { "/sub".to_owned() };
        match scheme {
            "tcp" | "tls" if has_path => Err(EndpointError::PathOnTcp(url.to_owned())),
            "tcp" => Ok(Self::Tcp { authority }),
            "tls" => Ok(Self::Tls { authority }),
            "ws" => Ok(Self::WebSocket { authority, path }),
            "wss" => Ok(Self::SecureWebSocket { authority, path }),
            _ => Err(EndpointError::Scheme(url.to_owned())),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { authority } => write!(f, "tcp://{authority}"),
            Self::WebSocket { authority, path } => write!(f, "ws://{authority}{path}"),
            Self::Tls { authority } => write!(f, "tls://{authority}"),
            Self::SecureWebSocket { authority, path } => write!(f, "wss://{authority}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_alike() {
        for url in
            ["tcp://127.0.0.1:3101", "ws://h:3102/sub", "ws://[::1]:80/x", "tls://h:3103", "wss://h:3104/sub"]
        {
            assert_eq!(url.parse::<Endpoint>().unwrap().to_string(), url);
        }
        assert_eq!("h:1".parse::<Endpoint>().unwrap().to_string(), "tcp://h:1");
        assert_eq!("wss://h:1".parse::<Endpoint>().unwrap().to_string(), "wss://h:1/sub");
        assert_eq!("ws://h:1".parse::<Endpoint>().unwrap().to_string(), "ws://h:1/sub");
    }

    #[test]
    fn urls_that_name_no_server_are_refused() {
        for url in ["", "tcp://h", "tcp://h:x", "http://h:1", "tcp://h:1/sub", "tls://h:1/sub", "ws://:1"] {
            assert!(url.parse::<Endpoint>().is_err(), "{url}");
        }
    }
}
