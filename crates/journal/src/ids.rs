//! The two numbers of the log: which record ([`LogSeq`]) and where it lies ([`Position`]).

use std::fmt;

/// The sequence of a record: contiguous from 1 for the life of the log, never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogSeq(u64);

impl LogSeq {
    /// Stands before the first record: "nothing yet".
    pub const ZERO: Self = Self(0);
    /// The sequence of the first record of a new log.
    pub const FIRST: Self = Self(1);

    /// The sequence with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sequence `count` further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for LogSeq {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A place in the log: a segment and a byte offset in it. Orders as the log does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// Before everything.
    pub const ZERO: Self = Self(0);

    /// The place at `offset` of `segment`.
    #[must_use]
    pub const fn new(segment: u32, offset: u32) -> Self {
        Self(((segment as u64) << 32) | offset as u64)
    }

    /// The number to keep in an index; [`Position::from_bits`] turns it back.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The place kept as this number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The number of the segment.
    #[must_use]
    pub const fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The byte offset in the segment.
    #[must_use]
    pub const fn offset(self) -> u32 {
        self.0 as u32
    }

    /// The place `bytes` further on in the same segment.
    pub(crate) const fn plus(self, bytes: u32) -> Self {
        Self::new(self.segment(), self.offset().saturating_add(bytes))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.segment(), self.offset())
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
