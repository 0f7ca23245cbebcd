//! The binary form of rows. Keys are big-endian, so that they sort as their numbers do.
//!
//! ```text
//! timelines keyspace
//!   'f'                                     -> format version u32
//!   'b' from.seq u64                        -> to.seq u64, to.key i64, to.position u64, newest message id i64
//!   'i' app u32, user i64, key i64          -> position u64
//!   'g' app u32, group i64, key i64         -> position u64
//!   'r' timeline row of a revoked message   -> key of the revocation i64, operator i64, by its sender u8 (since 2)
//! messages keyspace
//!   'f' as above
//!   'm' app u32, message id i64             -> key i64, position u64 (since version 3)
//! dedup keyspace
//!   'b' as above
//!   'd' app u32, user i64, hash u128        -> message id i64, time_ms u64, key i64
//! ```

use halley_core::event::RevokedBy;
use halley_core::ids::{AppId, GroupId, LogSeq, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::dedup::{DedupKey, Known};
use halley_core::ports::index::Watermark;
use halley_core::timeline::TimelineId;

use super::{IndexError, Reach, Row};

pub(super) const FORMAT_KEY: [u8; 1] = *b"f";
pub(super) const FORMAT_VERSION: u32 = 3;
pub(super) const BATCH_PREFIX: [u8; 1] = *b"b";
pub(super) const DEDUP_TAG: u8 = b'd';

pub(super) type RowKey = [u8; 21];
pub(super) type DedupRowKey = [u8; 29];
pub(super) type MessageKey = [u8; 13];
pub(super) type RevokedKey = [u8; 22];

pub(super) fn row_key(timeline: TimelineId, key: SyncKey) -> RowKey {
    let (tag, app, id) = match timeline {
        TimelineId::Inbox(app, user) => (b'i', app, user.0),
        TimelineId::Feed(app, group) => (b'g', app, group.0),
    };
    let mut bytes = [0; 21];
    bytes[0] = tag;
    bytes[1..5].copy_from_slice(&app.0.to_be_bytes());
    bytes[5..13].copy_from_slice(&id.to_be_bytes());
    bytes[13..].copy_from_slice(&key.raw().to_be_bytes());
    bytes
}

/// What all rows of a timeline begin with.
pub(super) fn timeline_prefix(timeline: TimelineId) -> [u8; 13] {
    let mut prefix = [0; 13];
    prefix.copy_from_slice(&row_key(timeline, SyncKey::START)[..13]);
    prefix
}

/// The timeline of a row's key; `None` when it is the key of another kind of row.
pub(super) fn timeline_of_row(bytes: &[u8]) -> Option<TimelineId> {
    let (tag, rest) = bytes.split_first().filter(|(_, rest)| rest.len() == 20)?;
    let app = AppId(u32::from_be_bytes(rest[..4].try_into().ok()?));
    let id = i64::from_be_bytes(rest[4..12].try_into().ok()?);
    match tag {
        b'i' => Some(TimelineId::Inbox(app, UserId(id))),
        b'g' => Some(TimelineId::Feed(app, GroupId(id))),
        _ => None,
    }
}

pub(super) fn message_key(app: AppId, id: MsgId) -> MessageKey {
    let mut bytes = [0; 13];
    bytes[0] = b'm';
    bytes[1..5].copy_from_slice(&app.0.to_be_bytes());
    bytes[5..].copy_from_slice(&id.0.to_be_bytes());
    bytes
}

/// The app of a message row's key; `None` when it is the key of another kind of row.
pub(super) fn app_of_message(bytes: &[u8]) -> Option<AppId> {
    let (tag, rest) = bytes.split_first().filter(|(_, rest)| rest.len() == 12)?;
    let app = rest[..4].try_into().ok()?;
    (*tag == b'm').then(|| AppId(u32::from_be_bytes(app)))
}

/// The row of the timeline that a row about a revoked message belongs to.
pub(super) fn row_of_revoked(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(b"r").filter(|row| row.len() == 21)
}

pub(super) fn message_row(row: Row) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&row.key.raw().to_be_bytes());
    bytes[8..].copy_from_slice(&row.position.to_be_bytes());
    bytes
}

pub(super) fn message_row_of(bytes: &[u8]) -> Result<Row, IndexError> {
    let [key, position] = words(bytes)?;
    Ok(Row { key: sync_key(key)?, position })
}

pub(super) fn revoked_key(timeline: TimelineId, key: SyncKey) -> RevokedKey {
    let mut bytes = [0; 22];
    bytes[0] = b'r';
    bytes[1..].copy_from_slice(&row_key(timeline, key));
    bytes
}

/// The key of the revoked message in a row's key.
pub(super) fn key_of_revoked(bytes: &[u8]) -> Result<SyncKey, IndexError> {
    row_of_revoked(bytes).ok_or(IndexError::Malformed).and_then(key_of_row)
}

pub(super) fn revoked_by(revoked_by: &RevokedBy) -> [u8; 17] {
    let mut bytes = [0; 17];
    bytes[..8].copy_from_slice(&revoked_by.key.raw().to_be_bytes());
    bytes[8..16].copy_from_slice(&revoked_by.operator.0.to_be_bytes());
    bytes[16] = u8::from(revoked_by.by_sender);
    bytes
}

pub(super) fn revoked_by_of(bytes: &[u8]) -> Result<RevokedBy, IndexError> {
    let (by_sender, numbers) = bytes.split_last().ok_or(IndexError::Malformed)?;
    let [key, operator] = words(numbers)?;
    let operator = UserId(operator.cast_signed());
    Ok(RevokedBy { key: sync_key(key)?, operator, by_sender: *by_sender != 0 })
}

/// The sync key in a row's key.
pub(super) fn key_of_row(bytes: &[u8]) -> Result<SyncKey, IndexError> {
    let raw = bytes.get(13..21).and_then(|raw| raw.try_into().ok());
    let raw = raw.map(i64::from_be_bytes).filter(|_| bytes.len() == 21);
    raw.and_then(SyncKey::from_raw).ok_or(IndexError::Malformed)
}

pub(super) fn position_of_row(bytes: &[u8]) -> Result<u64, IndexError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| IndexError::Malformed)
}

pub(super) fn batch_key(from: LogSeq) -> [u8; 9] {
    let mut bytes = [0; 9];
    bytes[0] = BATCH_PREFIX[0];
    bytes[1..].copy_from_slice(&from.0.to_be_bytes());
    bytes
}

pub(super) fn batch_from(bytes: &[u8]) -> Result<LogSeq, IndexError> {
    let from = bytes.get(1..).and_then(|from| from.try_into().ok());
    from.map(|from| LogSeq(u64::from_be_bytes(from))).ok_or(IndexError::Malformed)
}

pub(super) fn reach(reach: &Reach) -> [u8; 32] {
    let mut bytes = [0; 32];
    let watermark = &reach.watermark;
    bytes[..8].copy_from_slice(&watermark.seq.0.to_be_bytes());
    bytes[8..16].copy_from_slice(&watermark.key.raw().to_be_bytes());
    bytes[16..24].copy_from_slice(&watermark.position.to_be_bytes());
    bytes[24..].copy_from_slice(&reach.newest_id.0.to_be_bytes());
    bytes
}

pub(super) fn reach_of(bytes: &[u8]) -> Result<Reach, IndexError> {
    let [seq, key, position, newest_id] = words(bytes)?;
    Ok(Reach {
        watermark: Watermark { seq: LogSeq(seq), key: sync_key(key)?, position },
        newest_id: MsgId(newest_id.cast_signed()),
    })
}

pub(super) fn dedup_key(key: &DedupKey) -> DedupRowKey {
    let mut bytes = [0; 29];
    bytes[0] = DEDUP_TAG;
    bytes[1..5].copy_from_slice(&key.app.0.to_be_bytes());
    bytes[5..13].copy_from_slice(&key.user.0.to_be_bytes());
    bytes[13..].copy_from_slice(&key.hash.to_be_bytes());
    bytes
}

pub(super) fn known(known: &Known) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&known.id.0.to_be_bytes());
    bytes[8..16].copy_from_slice(&known.time_ms.to_be_bytes());
    bytes[16..].copy_from_slice(&known.key.raw().to_be_bytes());
    bytes
}

pub(super) fn known_of(bytes: &[u8]) -> Result<Known, IndexError> {
    let [id, time_ms, key] = words(bytes)?;
    Ok(Known { id: MsgId(id.cast_signed()), time_ms, key: sync_key(key)? })
}

fn sync_key(raw: u64) -> Result<SyncKey, IndexError> {
    SyncKey::from_raw(raw.cast_signed()).ok_or(IndexError::Malformed)
}

fn words<const COUNT: usize>(bytes: &[u8]) -> Result<[u64; COUNT], IndexError> {
    if bytes.len() != COUNT * 8 {
        return Err(IndexError::Malformed);
    }
    let mut words = [0; COUNT];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = chunk.try_into().map(u64::from_be_bytes).map_err(|_| IndexError::Malformed)?;
    }
    Ok(words)
}
