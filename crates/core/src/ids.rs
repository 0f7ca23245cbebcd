//! The ids. A bare integer never crosses a function signature beside another; each kind of id has its type.

use std::fmt;

/// An app (tenant), by the number its installation gave it when it was created; never reused.
/// Its name, which clients send, is [`crate::app::App::name`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AppId(pub u32);

/// A user within an app: a decimal id from 1 to 2^63-1 outside `[2^52, 2^53)` is itself, any other id has a
/// number from that range in the app's alias table (design section 1). 0 is "the system".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UserId(pub i64);

impl UserId {
    /// The sender of what no user sent.
    pub const SYSTEM: Self = Self(0);
    /// The first number that stands for an id that is not a canonical decimal.
    pub const ALIAS_FIRST: Self = Self(1 << 52);
    /// The last number that stands for an id that is not a canonical decimal.
    pub const ALIAS_LAST: Self = Self((1 << 53) - 1);

    /// Whether this number stands for an id that is not a canonical decimal.
    #[must_use]
    pub fn is_alias(self) -> bool {
        self >= Self::ALIAS_FIRST && self <= Self::ALIAS_LAST
    }

    /// The user whose id is this canonical decimal: no sign, no leading zero, 1 to 2^63-1, outside the alias
    /// range. `None` means that the id needs an alias (or is empty, which no table accepts).
    #[must_use]
    pub fn from_decimal(id: &str) -> Option<Self> {
        let number = parse_canonical(id)?;
        let user = Self(number);
        (!user.is_alias()).then_some(user)
    }
}

/// A group within an app, 1 to 2^63-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub i64);

impl GroupId {
    /// The group named by a canonical decimal from 1 to 2^63-1; anything else names none (spec D34).
    #[must_use]
    pub fn from_decimal(id: &str) -> Option<Self> {
        parse_canonical(id).map(Self)
    }
}

/// A message: 63 bits, time-ordered, never 0 (ruling 1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MsgId(pub i64);

/// A record's sequence in the embedded journal, from 1, without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogSeq(pub u64);

/// A process of the installation, 0 to 1023; the all-in-one process is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NodeId(pub u16);

/// A connection, unique within the life of its process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u64);

/// A bucket of a gateway: the thread that owns a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BucketId(pub u16);

/// The sequence a client gave the frame it sent; echoed, never interpreted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientSeq(pub i32);

fn parse_canonical(id: &str) -> Option<i64> {
    let bytes = id.as_bytes();
    if bytes.is_empty() || bytes.len() > 19 || bytes[0] == b'0' || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    id.parse().ok()
}

macro_rules! display_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    )*};
}
display_number!(AppId, UserId, GroupId, MsgId, LogSeq, NodeId, ConnId, BucketId, ClientSeq);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_decimals_are_themselves() {
        assert_eq!(UserId::from_decimal("1"), Some(UserId(1)));
        assert_eq!(UserId::from_decimal("9223372036854775807"), Some(UserId(i64::MAX)));
        for id in ["", "0", "01", "+1", "-1", " 1", "1a", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(UserId::from_decimal(id), None, "{id:?}");
        }
        assert_eq!(UserId::from_decimal("4503599627370495"), Some(UserId((1 << 52) - 1)));
        assert_eq!(UserId::from_decimal("4503599627370496"), None);
        assert_eq!(UserId::from_decimal("9007199254740991"), None);
        assert_eq!(UserId::from_decimal("9007199254740992"), Some(UserId(1 << 53)));
    }

    #[test]
    fn a_group_target_that_is_no_number_names_no_group() {
        for id in ["", "abc", "99999999999999999999", "-5", "0"] {
            assert_eq!(GroupId::from_decimal(id), None, "{id:?}");
        }
        assert_eq!(GroupId::from_decimal("3110"), Some(GroupId(3110)));
    }
}
