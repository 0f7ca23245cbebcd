//! The binary form of a record, format version 1: what a journal payload holds.
//!
//! ```text
//! u8      version (1)
//! varint  epoch
//! varint  app, kind, id, time_ms, from
//! u8      conversation: 0 system, 1 user, 2 group; then varint id for 1 and 2
//! varint  content kind (zigzag)
//! bytes   content, ext, client_id, device      (varint length, then the bytes)
//! varint  count of inboxes; then each as the difference to the one before (ascending)
//! varint  feed: 0 none, else the group
//! ```
//! Varints are LEB128 of at most ten bytes. Trailing bytes are an error.

use bytes::Bytes;
use thiserror::Error;

use crate::ids::{AppId, GroupId, MsgId, UserId};
use crate::key::Epoch;
use crate::message::{Content, Conversation, EntryKind, Message};
use crate::record::{Record, Targets};

const VERSION: u8 = 1;

/// Why bytes are no record.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// Written by a newer Halley; nothing is lost, this build must not touch it.
    #[error("record has format version {found}, this build reads up to {VERSION}")]
    Newer {
        /// The version found.
        found: u8,
    },
    /// The checksum held but the content does not parse: a bug, not a damaged disk.
    #[error("record is malformed at byte {at}")]
    Malformed {
        /// Offset within the record.
        at: usize,
    },
}

pub(crate) fn encode(record: &Record, epoch: Epoch, out: &mut Vec<u8>) {
    let message = &record.message;
    out.push(VERSION);
    put(out, u64::from(epoch.0));
    put(out, u64::from(message.app.0));
    put(out, u64::from(message.kind.0));
    put(out, message.id.0.unsigned_abs());
    put(out, message.time_ms);
    put(out, message.from.0.unsigned_abs());
    match message.conversation {
        Conversation::System => out.push(0),
        Conversation::User(user) => {
            out.push(1);
            put(out, user.0.unsigned_abs());
        }
        Conversation::Group(group) => {
            out.push(2);
            put(out, group.0.unsigned_abs());
        }
    }
    let kind = i64::from(message.content.kind);
    put(out, ((kind << 1) ^ (kind >> 63)).cast_unsigned());
    for bytes in [&message.content.bytes, &message.ext, &message.client_id, &message.device] {
        put(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
    put(out, record.targets.inboxes().len() as u64);
    let mut before = 0u64;
    for user in record.targets.inboxes() {
        let number = user.0.unsigned_abs();
        put(out, number - before);
        before = number;
    }
    put(out, record.targets.feed().map_or(0, |group| group.0.unsigned_abs()));
}

pub(crate) fn decode(bytes: &Bytes) -> Result<(Epoch, Record), RecordError> {
    let mut reader = Reader { bytes, at: 0 };
    let version = reader.u8()?;
    if version > VERSION {
        return Err(RecordError::Newer { found: version });
    }
    if version == 0 {
        return Err(reader.malformed());
    }
    let epoch = Epoch(reader.narrow()?);
    let app = AppId(reader.narrow()?);
    let kind = EntryKind(reader.narrow()?);
    let id = MsgId(reader.positive()?);
    let time_ms = reader.varint()?;
    let from = UserId(reader.positive()?);
    let conversation = match reader.u8()? {
        0 => Conversation::System,
        1 => Conversation::User(UserId(reader.positive()?)),
        2 => Conversation::Group(GroupId(reader.positive()?)),
        _ => return Err(reader.malformed()),
    };
    let zigzag = reader.varint()?;
    let content_kind = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
    let content_kind = i32::try_from(content_kind).map_err(|_| reader.malformed())?;
    let content = Content { kind: content_kind, bytes: reader.slice()? };
    let (ext, client_id, device) = (reader.slice()?, reader.slice()?, reader.slice()?);
    let targets = decode_targets(&mut reader)?;
    if reader.at != bytes.len() {
        return Err(reader.malformed());
    }
    let message = Message { id, app, conversation, from, kind, content, ext, client_id, time_ms, device };
    Ok((epoch, Record { message, targets }))
}

fn decode_targets(reader: &mut Reader<'_>) -> Result<Targets, RecordError> {
    let count = usize::try_from(reader.varint()?).map_err(|_| reader.malformed())?;
    // Each takes a byte at least: a lying count is refused before anything is allocated.
    if count > reader.bytes.len() - reader.at {
        return Err(reader.malformed());
    }
    let mut inboxes = Vec::with_capacity(count);
    let mut before = 0u64;
    for place in 0..count {
        let difference = reader.varint()?;
        if difference == 0 && place > 0 {
            return Err(reader.malformed());
        }
        before = before.checked_add(difference).ok_or_else(|| reader.malformed())?;
        inboxes.push(UserId(i64::try_from(before).map_err(|_| reader.malformed())?));
    }
    let feed = match reader.positive()? {
        0 => None,
        group => Some(GroupId(group)),
    };
    Ok(Targets::new(inboxes, feed))
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn malformed(&self) -> RecordError {
        RecordError::Malformed { at: self.at }
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.malformed())?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, RecordError> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(self.malformed());
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.malformed())
    }

    fn narrow<T: TryFrom<u64>>(&mut self) -> Result<T, RecordError> {
        let value = self.varint()?;
        T::try_from(value).map_err(|_| self.malformed())
    }

    fn positive(&mut self) -> Result<i64, RecordError> {
        self.narrow()
    }

    fn slice(&mut self) -> Result<Bytes, RecordError> {
        let length = usize::try_from(self.varint()?).map_err(|_| self.malformed())?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.malformed())?;
        let slice = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(slice)
    }
}
