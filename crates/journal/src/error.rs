//! What can go wrong, one enum per family of operations, variants split by who must act.

use std::error::Error;
use std::fmt;
use std::io;

use crate::config::ConfigError;
use crate::ids::{LogSeq, Position};
use crate::segments::name_of;

/// What is wrong with a place in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DamageKind {
    /// The segment header does not match its checksum, or is gone.
    SegmentHeader,
    /// The segment header belongs to another segment or another log.
    ForeignSegment,
    /// A sealed segment is followed by one that does not begin where it ended.
    SegmentSequence,
    /// Bytes that are neither a batch nor zeros.
    BatchHeader,
    /// A whole batch that belongs elsewhere.
    ForeignBatch,
    /// A whole batch whose sequence does not follow.
    BatchSequence,
    /// A record does not match its checksum or length.
    Record,
    /// A batch reaches beyond the end of the file.
    Truncated,
    /// Zeros, or the end of the file, where a batch was durable.
    Gone,
    /// Bytes after the end that are not zero.
    Garbage,
}

impl fmt::Display for DamageKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::SegmentHeader => "the segment header is not valid",
            Self::ForeignSegment => "the segment header belongs to another segment or another log",
            Self::SegmentSequence => "the segment does not begin where the one before it ended",
            Self::BatchHeader => "the batch header is not valid",
            Self::ForeignBatch => "the batch belongs to another place or another log",
            Self::BatchSequence => "the sequence of the batch does not follow",
            Self::Record => "a record does not match its checksum",
            Self::Truncated => "a batch reaches beyond the end of the file",
            Self::Gone => "a batch that was durable is gone",
            Self::Garbage => "bytes that must be zero are not",
        })
    }
}

/// A place where the log is not what it was when it was known durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Where the first damaged batch, record or header begins.
    pub position: Position,
    /// What is wrong with it.
    pub kind: DamageKind,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segment = self.position.segment();
        write!(out, "{} at offset {} of segment {}", self.kind, self.position.offset(), name_of(segment))
    }
}

/// What the visitor of [`crate::Log::open`] answers when it cannot go on.
pub type VisitError = Box<dyn Error + Send + Sync>;

/// Why a log did not open. Nothing has been served; nothing is lost that was not lost before.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operator changes the configuration.
    #[error("the journal configuration cannot work")]
    Config(#[source] ConfigError),
    /// The operating system refused. The operator acts; opening again is safe.
    #[error("{doing} {name} of the journal")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        name: String,
        /// What it said.
        source: io::Error,
    },
    /// The operator frees space; opening again is safe.
    #[error("no space left to start the journal")]
    DiskFull(#[source] io::Error),
    /// The operator runs the newer build.
    #[error(
        "segment {} has format version {found}, this build reads up to {supported}: run the newer version",
        name_of(*segment)
    )]
    NewerFormat {
        /// The segment.
        segment: u32,
        /// Its version.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// Durable bytes are not what they were. The operator restores.
    #[error(
        "the journal is damaged: {damage}; the log was durable beyond it, up to {durable}. Nothing is served: restore \
         the segment from a backup or a follower; `halley verify` lists all damage"
    )]
    Damaged {
        /// The first damaged place.
        damage: Damage,
        /// The highest position known to have been durable.
        durable: Position,
    },
    /// A file is gone that the log needs. The operator restores.
    #[error(
        "segment {} of the journal is missing. Nothing is served: restore it from a backup or a follower",
        name_of(*segment)
    )]
    MissingSegment {
        /// The segment.
        segment: u32,
    },
    /// The index knows more than the log has: the log lost its end, or the index belongs to another log. The owner
    /// rebuilds the index if it may lose records (any `fsync` but `always`), else the operator restores.
    #[error("the journal ends at {end}, but the index has seen it up to {from}")]
    Shorter {
        /// As given to open.
        from: Position,
        /// The end of the log.
        end: Position,
    },
    /// The log begins after the place to start from. The owner rebuilds the index from the beginning of the log.
    #[error("the journal begins with segment {}, after {from}", name_of(*oldest))]
    Removed {
        /// As given to open.
        from: Position,
        /// The oldest segment.
        oldest: u32,
    },
    /// The visitor refused a record.
    #[error("take record {seq} of the journal at {position}")]
    Visit {
        /// Its sequence.
        seq: LogSeq,
        /// Its place.
        position: Position,
        /// What the visitor said.
        source: VisitError,
    },
}

impl OpenError {
    pub(crate) fn io(doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if crate::files::is_disk_full(&source) {
                Self::DiskFull(source)
            } else {
                Self::Io { doing, name: name.to_owned(), source }
            }
        }
    }
}

/// Why a payload did not go into a batch. Nothing was staged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PushError {
    /// The batch is full: it goes into the next one.
    #[error("the batch is full")]
    Full,
    /// It never fits: the sender is refused.
    #[error("a payload of {bytes} bytes is longer than the {bytes_max} allowed")]
    TooLong {
        /// Of the payload.
        bytes: usize,
        /// As configured.
        bytes_max: u32,
    },
}

/// Why a batch was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No space. The log is intact and the writer usable: the same batch may be committed again, or another one with
    /// the same first sequence. If the process dies before that, the batch may be found complete at the next open.
    #[error("no space left for the journal")]
    DiskFull(#[source] io::Error),
    /// The batch does not begin with the next sequence: a mistake of the owner. The log is intact.
    #[error("the batch begins with {found} where {expected} follows")]
    OutOfOrder {
        /// The next sequence of the log.
        expected: LogSeq,
        /// The first of the batch.
        found: LogSeq,
    },
    /// A write failed. Nothing more is acknowledged, ever; the process exits and recovery decides.
    #[error("write to the journal")]
    Write(#[source] io::Error),
    /// A sync failed. Nothing more is acknowledged, ever; the process exits and recovery decides.
    #[error("sync the journal")]
    Sync(#[source] io::Error),
    /// An earlier write or sync failed.
    #[error("the journal has stopped after an earlier failure")]
    Poisoned,
    /// There are no more segment numbers.
    #[error("the journal has used every segment number")]
    Exhausted,
}

impl CommitError {
    /// Whether the writer may be used again.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::DiskFull(_) | Self::OutOfOrder { .. })
    }
}

/// Why no zeros were prepared. Commits go on without them, slower, unless the log is poisoned.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// No space: try again later.
    #[error("no space left to prepare the journal")]
    DiskFull(#[source] io::Error),
    /// The operating system refused. A failed sync has poisoned the log.
    #[error("prepare the journal")]
    Io(#[source] io::Error),
    /// A write or sync of the log has failed before.
    #[error("the journal has stopped after an earlier failure")]
    Poisoned,
}

/// Why a record was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not what was committed. Never served; the operator restores.
    #[error("the journal is damaged: {0}")]
    Damaged(Damage),
    /// The position is not below the committed end.
    #[error("nothing is committed at {position}")]
    NotCommitted {
        /// As asked.
        position: Position,
    },
    /// The record was taken out of the log on purpose, when its segment was rewritten. No damage.
    #[error("record {seq} was taken out of the journal")]
    Dropped {
        /// As asked.
        seq: LogSeq,
    },
    /// The segment is not part of the log (any more).
    #[error("segment {} is not in the journal", name_of(*segment))]
    NoSegment {
        /// The segment.
        segment: u32,
    },
    /// The operating system refused.
    #[error("read segment {} of the journal", name_of(*segment))]
    Io {
        /// The segment.
        segment: u32,
        /// What it said.
        source: io::Error,
    },
}

/// Why a verification could not be finished. Damage is not an error here: it is in the report.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The operating system refused.
    #[error("{doing} {name} of the journal")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        name: String,
        /// What it said.
        source: io::Error,
    },
    /// The operator runs the newer build.
    #[error(
        "segment {} has format version {found}, this build reads up to {supported}: run the newer version",
        name_of(*segment)
    )]
    NewerFormat {
        /// The segment.
        segment: u32,
        /// Its version.
        found: u32,
        /// Ours.
        supported: u32,
    },
}

impl VerifyError {
    pub(crate) fn io(doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, name: name.to_owned(), source }
    }
}
