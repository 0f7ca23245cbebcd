//! Values with units: durations (`"8s"`, `"250ms"`, `"24h"`) and sizes (`"64MiB"`).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration as written in the configuration: a whole number and `ms`, `s`, `m` or `h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

const SPANS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let fitting = SPANS.iter().rev().find(|(_, unit)| ms > 0 && ms.is_multiple_of(*unit));
        let (name, unit) = fitting.unwrap_or(&SPANS[0]);
        write!(f, "{}{name}", ms / unit)
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let unit = SPANS.iter().find(|(name, _)| *name == unit);
        let ms = number.zip(unit).and_then(|(number, (_, unit))| number.checked_mul(*unit));
        let ms = ms.ok_or_else(|| {
            format!("`{text}` is no duration; write a whole number and ms, s, m or h, such as \"8s\"")
        })?;
        Ok(Self(Duration::from_millis(ms)))
    }
}

/// A size in bytes as written in the configuration: a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size(pub u64);

const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fitting = SIZES.iter().rev().find(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit));
        let (name, unit) = fitting.unwrap_or(&SIZES[0]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let unit = SIZES.iter().find(|(name, _)| *name == unit);
        let bytes = number.zip(unit).and_then(|(number, (_, unit))| number.checked_mul(*unit));
        let hint = "write a whole number and B, KiB, MiB or GiB, such as \"64MiB\"";
        Ok(Self(bytes.ok_or_else(|| format!("`{text}` is no size; {hint}"))?))
    }
}

fn split(text: &str) -> (Option<u64>, &str) {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (text[..digits].parse().ok(), text[digits..].trim_start())
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(Span, Size);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_back_as_they_are_written() {
        for text in ["8s", "250ms", "24h", "8m", "0ms", "90s"] {
            assert_eq!(text.parse::<Span>().expect(text).to_string(), text);
        }
        for text in ["64MiB", "1B", "3GiB", "1KiB", "1500B", "0B"] {
            assert_eq!(text.parse::<Size>().expect(text).to_string(), text);
        }
        for text in ["", "8", "s", "-1s", "1.5s", "8 weeks", "99999999999999999999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert!("64MB".parse::<Size>().is_err());
    }
}
