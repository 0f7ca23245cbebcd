//! Ranges of addresses, as operators write them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// An address, or all that begin like it: `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

/// A text that is no prefix.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("write an address or a prefix such as \"10.0.0.7\", \"10.0.0.0/8\" or \"2001:db8::/32\"")]
pub struct PrefixError;

impl Prefix {
    /// Whether an address lies in it. An IPv4 address in IPv6 clothes is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                (first.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => first_bits(address, self.bits) == first,
            _ => false,
        }
    }
}

/// The address with all but its first bits cleared.
fn first_bits(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

/// Whom a limit per address counts together: an IPv4 address; of IPv6 the first 64 bits, which is what one customer
/// gets at least, and could otherwise change at will.
pub(crate) fn limited_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(first_bits(address, 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| PrefixError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.map_or(Ok(most), str::parse).map_err(|_| PrefixError)?;
        if bits > most {
            return Err(PrefixError);
        }
        match address {
            IpAddr::V6(v6) if bits >= 96 && v6.to_ipv4_mapped().is_some() => {
                Ok(Self { address: address.to_canonical(), bits: bits - 96 })
            }
            IpAddr::V6(v6) => Ok(Self { address: first_bits(v6, bits).into(), bits }),
            IpAddr::V4(_) => Ok(Self { address, bits }),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.bits) {
            (IpAddr::V4(address), 32) => address.fmt(f),
            (IpAddr::V6(address), 128) => address.fmt(f),
            (address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn a_prefix_holds_what_begins_like_it() {
        for (prefix, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.6"),
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.0.2.129/25", "192.0.2.255", "192.0.2.127"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("::/0", "2001:db8::", "10.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
        ] {
            let parsed: Prefix = prefix.parse().expect(prefix);
            assert!(parsed.contains(address(inside)), "{inside} in {prefix}");
            assert!(!parsed.contains(address(outside)), "{outside} in {prefix}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{prefix}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in
            ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "/8", "host", "10.0.0.0/8/8"]
        {
            assert_eq!(text.parse::<Prefix>(), Err(PrefixError), "{text}");
        }
    }

    #[test]
    fn a_limit_counts_ipv6_by_network_and_ipv4_by_address() {
        assert_eq!(limited_as(address("2001:db8::1")), limited_as(address("2001:db8::ffff:2")));
        assert_ne!(limited_as(address("2001:db8::1")), limited_as(address("2001:db8:0:1::1")));
        assert_eq!(limited_as(address("::ffff:10.0.0.1")), address("10.0.0.1"));
        assert_ne!(limited_as(address("10.0.0.1")), limited_as(address("10.0.0.2")));
    }
}
