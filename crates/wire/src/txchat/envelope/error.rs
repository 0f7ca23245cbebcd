//! Why bytes are no envelope.

/// Bytes that are no valid envelope. The frame around them was fine: refuse the message, keep the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The input ends inside a field, or a length points behind its end.
    #[error("protobuf ends inside a field")]
    Truncated,
    /// A varint of more than 64 bits.
    #[error("varint has more than 64 bits")]
    Varint,
    /// A field key with number 0, over 32 bits, or of wire type 6 or 7.
    #[error("field key {0} is invalid")]
    Key(u64),
    /// A known field with a wire type that is not its own.
    #[error("field {field} has wire type {wire_type}")]
    WireType {
        /// Field number.
        field: u32,
        /// Wire type found.
        wire_type: u8,
    },
    /// A string that is not UTF-8.
    #[error("field {0} is not utf-8")]
    Utf8(u32),
    /// The end of a group that was not begun, or the end of another one.
    #[error("end of group {0} is misplaced")]
    Group(u32),
    /// Unknown groups nested deeper than anything sensible.
    #[error("groups are nested too deep")]
    TooDeep,
    /// An envelope of another kind than the caller can take (spec 2.1).
    #[error("event type {0} is not expected here")]
    EventType(i32),
}
