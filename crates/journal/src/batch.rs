//! The batch that appenders fill while another one is being committed.

use crate::config::Config;
use crate::error::PushError;
use crate::format::{ALIGN_BYTES, BATCH_HEADER_BYTES, BatchHeader, RECORD_HEADER_BYTES, frame_record};
use crate::ids::LogSeq;

/// Records framed and checksummed, waiting for their commit. The buffer is kept over [`Batch::restart`].
///
/// The owner's lock around it is what gives sequences their order: `first_seq` + how many were pushed before.
#[derive(Debug)]
pub struct Batch {
    /// Room for the header, then the framed records, then, once framed, the padding.
    buffer: Vec<u8>,
    /// Bytes of `buffer` without the padding.
    filled_bytes: usize,
    first_seq: LogSeq,
    count: u32,
    records_crc: u32,
    record_bytes_max: u32,
    batch_bytes_max: u32,
}

/// Where a payload went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pushed {
    /// Its sequence, once the batch is committed.
    pub seq: LogSeq,
    /// Its place in the batch; [`crate::Committed::position`] turns it into a position.
    pub offset_in_batch: u32,
}

impl Batch {
    /// An empty batch that begins with `first_seq`.
    #[must_use]
    pub fn new(first_seq: LogSeq, config: &Config) -> Self {
        Self {
            buffer: vec![0; BATCH_HEADER_BYTES as usize],
            filled_bytes: BATCH_HEADER_BYTES as usize,
            first_seq,
            count: 0,
            records_crc: 0,
            record_bytes_max: config.record_bytes_max,
            batch_bytes_max: config.batch_bytes_max,
        }
    }

    /// Empties the batch for another use.
    pub fn restart(&mut self, first_seq: LogSeq) {
        self.filled_bytes = BATCH_HEADER_BYTES as usize;
        self.buffer.truncate(self.filled_bytes);
        self.first_seq = first_seq;
        self.count = 0;
        self.records_crc = 0;
    }

    /// Frames a payload into the batch.
    pub fn push(&mut self, payload: &[u8]) -> Result<Pushed, PushError> {
        if payload.len() > self.record_bytes_max as usize {
            return Err(PushError::TooLong { bytes: payload.len(), bytes_max: self.record_bytes_max });
        }
        if !self.has_room_for(payload.len()) {
            return Err(PushError::Full);
        }
        self.buffer.truncate(self.filled_bytes);
        let pushed = Pushed { seq: self.next_seq(), offset_in_batch: self.filled_bytes as u32 };
        let crc = frame_record(&mut self.buffer, pushed.seq, payload);
        self.records_crc = crc32c::crc32c_append(self.records_crc, &crc.to_le_bytes());
        self.filled_bytes = self.buffer.len();
        self.count += 1;
        Ok(pushed)
    }

    /// Whether a payload of `payload_bytes` still fits.
    #[must_use]
    pub fn has_room_for(&self, payload_bytes: usize) -> bool {
        let framed = self.filled_bytes + RECORD_HEADER_BYTES as usize + payload_bytes;
        framed.next_multiple_of(ALIGN_BYTES as usize) <= self.batch_bytes_max as usize
    }

    /// The sequence of the first record.
    #[must_use]
    pub const fn first_seq(&self) -> LogSeq {
        self.first_seq
    }

    /// The sequence that the next push gets: where the batch after this one begins.
    #[must_use]
    pub const fn next_seq(&self) -> LogSeq {
        self.first_seq.plus(self.count as u64)
    }

    /// How many records it holds.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes it takes in the log.
    #[must_use]
    pub fn framed_bytes(&self) -> u32 {
        (self.filled_bytes as u32).next_multiple_of(ALIGN_BYTES)
    }

    /// Writes the header and the padding. The writer fills in what it alone knows; the batch what it knows.
    pub(crate) fn frame(&mut self, mut header: BatchHeader) -> &[u8] {
        self.buffer.resize(self.framed_bytes() as usize, 0);
        header.first_seq = self.first_seq;
        header.count = self.count;
        header.records_crc = self.records_crc;
        header.body_bytes = self.framed_bytes() - BATCH_HEADER_BYTES;
        header.encode(&mut self.buffer[..BATCH_HEADER_BYTES as usize]);
        &self.buffer
    }
}
