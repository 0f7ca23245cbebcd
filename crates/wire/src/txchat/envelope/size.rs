//! How long an envelope with a `Common` will be, from its parts alone (ruling 5).

use super::common::{CHANNEL_TYPE, DATETIME, FROM, MID, MSG, MSG_TYPE, REFERENCE, SEQ, SOURCE, TARGET};
use super::open::BODY;
use super::writer::{bytes_len, int32, number_len, present_len};

/// A milliseconds time of the largest length until the year 2109.
const TIME_MS_LONGEST: u64 = (1 << 42) - 1;

/// A message that has no id and time yet; see [`stamped_len`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// Whether the target is a group.
    pub to_group: bool,
    /// `Common.seq`.
    pub client_id: &'a [u8],
    /// `Common.from`.
    pub from: &'a str,
    /// `Common.target`.
    pub target: &'a str,
    /// `Common.msgType`.
    pub kind: i32,
    /// `Common.msg`.
    pub content: &'a [u8],
    /// What [`super::Common::put_ext`] made.
    pub ext: &'a [u8],
}

/// Bytes of the envelope once the message is stamped, with the longest id and time there can be; to be compared with
/// [`crate::limits::TXCHAT_BODY_BYTES_MAX`] (ruling 5). [`super::Common::encoded_len`] is exact when both are known.
#[must_use]
pub fn stamped_len(parts: &Parts<'_>) -> usize {
    Sizes {
        channel_type: i32::from(parts.to_group),
        mid: i64::MAX,
        seq: parts.client_id.len(),
        from: parts.from.len(),
        target: parts.target.len(),
        msg_type: parts.kind,
        msg: parts.content.len(),
        datetime: TIME_MS_LONGEST,
        source: None,
        reference: None,
        unknown: parts.ext.len(),
    }
    .envelope_len()
}

/// All that the length of a `Common` depends on; lengths in bytes.
pub(super) struct Sizes {
    pub(super) channel_type: i32,
    pub(super) mid: i64,
    pub(super) seq: usize,
    pub(super) from: usize,
    pub(super) target: usize,
    pub(super) msg_type: i32,
    pub(super) msg: usize,
    pub(super) datetime: u64,
    pub(super) source: Option<usize>,
    pub(super) reference: Option<usize>,
    pub(super) unknown: usize,
}

impl Sizes {
    /// Bytes of the `Common` itself.
    pub(super) fn common_len(&self) -> usize {
        number_len(CHANNEL_TYPE, int32(self.channel_type))
            + number_len(MID, self.mid.cast_unsigned())
            + bytes_len(SEQ, self.seq)
            + bytes_len(FROM, self.from)
            + bytes_len(TARGET, self.target)
            + number_len(MSG_TYPE, int32(self.msg_type))
            + bytes_len(MSG, self.msg)
            + number_len(DATETIME, self.datetime)
            + self.source.map_or(0, |length| present_len(SOURCE, length))
            + self.reference.map_or(0, |length| present_len(REFERENCE, length))
            + self.unknown
    }

    /// Bytes of the envelope around it.
    pub(super) fn envelope_len(&self) -> usize {
        bytes_len(BODY, self.common_len())
    }
}
