//! Bodies by place and sequence, out of the log.

use bytes::Bytes;
use halley_core::ids::LogSeq;
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::record::{Entry, Record};
use halley_journal::{LogReader, Position, ReadError};

/// Reads records of the log.
#[derive(Clone, Debug)]
pub struct Bodies {
    reader: LogReader,
}

impl Bodies {
    /// Of this log.
    #[must_use]
    pub fn new(reader: LogReader) -> Self {
        Self { reader }
    }

    /// The record with this key; `position` says where it was. Never another one; none when it was taken out of the log.
    ///
    /// # Errors
    /// When it is damaged, gone, or cannot be read.
    pub fn read(&self, key: SyncKey, position: u64) -> Result<Option<Entry>, PortError> {
        let seq = LogSeq(key.place());
        let payload = match self.reader.read(Position::from_bits(position), seq_of(seq)) {
            Ok(payload) => payload,
            Err(ReadError::Dropped { .. }) => return Ok(None),
            // So was its whole segment: only the oldest ones ever go.
            Err(ReadError::NoSegment { segment }) if self.is_below(segment) => return Ok(None),
            // A scan would not find it either.
            Err(error @ (ReadError::Io { .. } | ReadError::NoSegment { .. })) => {
                return Err(unreadable(&error));
            }
            // Not there: the position is wrong, or the record damaged. A scan of its segment tells.
            Err(error) => self.find(seq).map_err(|_| unreadable(&error))?,
        };
        let (epoch, record) = Record::decode(&Bytes::from(payload))
            .map_err(|error| PortError::Damaged { what: "journal", why: error.to_string() })?;
        if SyncKey::new(epoch, seq.0) != Some(key) {
            let why = format!("the record {seq} is of epoch {}, the index says {key:?}", epoch.0);
            return Err(PortError::Damaged { what: "index", why });
        }
        Ok(Some(Entry { key, record: record.into() }))
    }

    fn is_below(&self, segment: u32) -> bool {
        self.reader.segments().first().is_some_and(|oldest| segment < oldest.segment)
    }

    /// The payload of a record whose position is not known.
    fn find(&self, seq: LogSeq) -> Result<Vec<u8>, NotFound> {
        let start = self.reader.segment_of(seq_of(seq)).ok_or(NotFound)?;
        let mut scan = self.reader.scan(start);
        while let Ok(Some(record)) = scan.next_record() {
            if record.seq == seq_of(seq) {
                return Ok(record.payload.to_vec());
            }
            if record.seq > seq_of(seq) {
                break;
            }
        }
        Err(NotFound)
    }
}

struct NotFound;

fn seq_of(seq: LogSeq) -> halley_journal::LogSeq {
    halley_journal::LogSeq::new(seq.0)
}

fn unreadable(error: &ReadError) -> PortError {
    let (what, why) = ("journal", crate::disk::chain(error));
    match error {
        // A segment goes when everything in it is below its floors: who read the floor before reads again.
        ReadError::Io { .. } | ReadError::NoSegment { .. } => PortError::Unavailable { what, why },
        _ => PortError::Damaged { what, why },
    }
}
