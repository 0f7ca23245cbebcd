//! The numbers of `CommonAck.code` (our field 100, design ruling 4): why a message was refused. The one list of them,
//! for servers and clients. Append-only: a number that is given up stays a gap.

/// No refusal; the field is then absent.
pub const NONE: i32 = 0;
/// This kind of message cannot be sent by clients.
pub const TYPE_NOT_ALLOWED: i32 = 1;
/// The message is malformed.
pub const MALFORMED: i32 = 2;
/// With id, sender and time it would not fit a frame.
pub const TOO_LARGE: i32 = 3;
/// There is no such user.
pub const UNKNOWN_USER: i32 = 4;
/// There is no such group.
pub const UNKNOWN_GROUP: i32 = 5;
/// The sender is not a member of the group.
pub const NOT_MEMBER: i32 = 6;
/// The sender is muted in the group.
pub const MUTED: i32 = 7;
/// The group is muted.
pub const GROUP_MUTED: i32 = 8;
/// Too many messages in too short a time.
pub const RATE_LIMITED: i32 = 9;
/// The server has no room to store messages.
pub const STORAGE_FULL: i32 = 10;
/// A part of the server that decides did not answer.
pub const UNAVAILABLE: i32 = 11;
/// The receiver has blacklisted the sender.
pub const BLACKLISTED: i32 = 12;
/// Private messages are for friends only, and these two are not friends of each other.
pub const NOT_FRIEND: i32 = 13;

/// Whether the same message may be accepted later.
#[must_use]
pub const fn is_temporary(code: i32) -> bool {
    matches!(code, RATE_LIMITED | STORAGE_FULL | UNAVAILABLE)
}
