//! Addresses to listen on, or `off`; and whose word about addresses is believed.

use std::fmt;
use std::net::SocketAddr;

use halley_comet::Prefix;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a listener binds; port 0 lets the system choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listen {
    /// Not at all.
    Off,
    /// Here.
    At(SocketAddr),
}

impl Listen {
    /// The address, unless it is off.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self::Off);
        }
        let hint = "write an address and port such as \"127.0.0.1:3101\", or \"off\"";
        text.parse()
            .map(Self::At)
            .map_err(|_| serde::de::Error::custom(format!("`{text}` is no address; {hint}")))
    }
}

/// An address or a prefix whose PROXY header is believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Believed(pub Prefix);

impl Serialize for Believed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Believed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = |error| serde::de::Error::custom(format!("`{text}` is no address or prefix; {error}"));
        text.parse().map(Self).map_err(wrong)
    }
}
