//! What the owner of a log may choose.

use crate::format::{BATCH_HEADER_BYTES, HEADER_BYTES, RECORD_HEADER_BYTES};
use crate::ids::LogSeq;

/// The sizes of a log. They may change between two opens of the same directory.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes of a segment, header included; default 64 MiB: the unit of retention, and what a restart reads at most
    /// when the index is up to date.
    pub segment_bytes: u32,
    /// Bytes of synced zeros kept ahead of the end; default 8 MiB: about a second at full load.
    pub zero_ahead_bytes: u32,
    /// Bytes of zeros a new segment starts with; default 1 MiB: 64 MiB at once would cost 40 ms.
    pub first_segment_zero_bytes: u32,
    /// The longest payload; default 1 MiB.
    pub record_bytes_max: u32,
    /// The longest batch, framing included; default 4 MiB: more waits for the next one.
    pub batch_bytes_max: u32,
    /// Segment files the readers hold open; default 256.
    pub reader_files_max: usize,
    /// Used only when the directory is empty.
    pub new_log: NewLog,
}

/// How a log that does not exist yet starts.
#[derive(Clone, Debug)]
pub struct NewLog {
    /// Identity of the log, in every header, so that segments of two logs are never mixed up and a payload cannot
    /// pose as a batch. Default: random.
    pub log_id: Option<u64>,
    /// Sequence of the first record; default 1.
    pub first_seq: LogSeq,
}

impl Default for NewLog {
    fn default() -> Self {
        Self { log_id: None, first_seq: LogSeq::FIRST }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            zero_ahead_bytes: 8 << 20,
            first_segment_zero_bytes: 1 << 20,
            record_bytes_max: 1 << 20,
            batch_bytes_max: 4 << 20,
            reader_files_max: 256,
            new_log: NewLog::default(),
        }
    }
}

/// A value that cannot work. The operator changes it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Segments must be whole pages and below 2 GiB.
    #[error("segment_bytes must be a multiple of 4096 and below 2 GiB, not {0}")]
    SegmentBytes(u32),
    /// A batch must fit a segment, beside its header, a marker and the seal.
    #[error("batch_bytes_max {batch_bytes_max} does not fit a segment of {segment_bytes} bytes")]
    BatchBytes {
        /// As configured.
        batch_bytes_max: u32,
        /// As configured.
        segment_bytes: u32,
    },
    /// A record must fit a batch.
    #[error("record_bytes_max {record_bytes_max} does not fit a batch of {batch_bytes_max} bytes")]
    RecordBytes {
        /// As configured.
        record_bytes_max: u32,
        /// As configured.
        batch_bytes_max: u32,
    },
    /// Readers need at least one open file.
    #[error("reader_files_max must be at least 1")]
    ReaderFiles,
    /// The first sequence is 1 or more.
    #[error("the first sequence of a new log must be at least 1")]
    FirstSeq,
}

impl Config {
    /// Whether these values can work together.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !self.segment_bytes.is_multiple_of(4096) || self.segment_bytes > i32::MAX as u32 {
            return Err(ConfigError::SegmentBytes(self.segment_bytes));
        }
        let beside = u64::from(HEADER_BYTES) + 2 * u64::from(BATCH_HEADER_BYTES);
        if u64::from(self.batch_bytes_max) + beside > u64::from(self.segment_bytes) {
            return Err(ConfigError::BatchBytes {
                batch_bytes_max: self.batch_bytes_max,
                segment_bytes: self.segment_bytes,
            });
        }
        let framed =
            u64::from(self.record_bytes_max) + u64::from(BATCH_HEADER_BYTES + RECORD_HEADER_BYTES + 7);
        if framed > u64::from(self.batch_bytes_max) {
            return Err(ConfigError::RecordBytes {
                record_bytes_max: self.record_bytes_max,
                batch_bytes_max: self.batch_bytes_max,
            });
        }
        if self.reader_files_max == 0 {
            return Err(ConfigError::ReaderFiles);
        }
        if self.new_log.first_seq < LogSeq::FIRST {
            return Err(ConfigError::FirstSeq);
        }
        Ok(())
    }

    /// Zeros that a new segment starts with: at least its header, at most all of it.
    pub(crate) fn spare_zero_bytes(&self) -> u32 {
        self.first_segment_zero_bytes.clamp(HEADER_BYTES, self.segment_bytes).next_multiple_of(4096)
    }

    /// How much the preparer zeroes at once.
    pub(crate) fn zero_step_bytes(&self) -> u32 {
        (self.zero_ahead_bytes / 8).clamp(4096, 1 << 20) & !4095
    }
}
