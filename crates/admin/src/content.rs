//! Contents as the API shows them: text by itself, everything else as base64 of its bytes.
//!
//! A text is the protobuf `TextMsg { string content = 1; repeated string mention = 2 }` (txchat spec 2.4). Admin may
//! not know the wire crate; the one field is written and read by hand.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use halley_core::message::Content;
use serde::Deserialize;

use crate::errors::ApiError;
use crate::whole::Whole;

/// The content type of a text.
pub(crate) const TEXT: i32 = 1;

const CONTENT_TAG: u8 = 0x0a;

/// What: `text`, or `type` with `body`. The document says it in two forms: `UserContent`, `SystemContent`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContentForm {
    /// A text; the type is 1.
    text: Option<String>,
    /// The content's type, as the txchat dialect numbers them.
    #[serde(rename = "type")]
    kind: Option<Whole<i32>>,
    /// The content's bytes, base64 (standard alphabet, padded).
    body: Option<String>,
}

impl ContentForm {
    /// The content that it means.
    pub(crate) fn content(self) -> Result<Content, ApiError> {
        match (self.text, self.kind, self.body) {
            (Some(said), None, None) => Ok(text(&said)),
            (Some(_), Some(_), _) => Err(ApiError::field("content.type", "cannot be given with text")),
            (Some(_), None, Some(_)) => Err(ApiError::field("content.body", "cannot be given with text")),
            (None, Some(Whole(kind)), Some(body)) => {
                let bytes = from_base64(&body)
                    .ok_or_else(|| ApiError::field("content.body", "is not padded standard base64"))?;
                Ok(Content { kind, bytes })
            }
            (None, Some(_), None) => Err(ApiError::field("content.body", "must be given with type")),
            (None, None, Some(_)) => Err(ApiError::field("content.type", "must be given with body")),
            (None, None, None) => Err(ApiError::field("content", "text, or type with body, must be given")),
        }
    }
}

/// A text as a content.
pub(crate) fn text(text: &str) -> Content {
    let mut bytes = Vec::with_capacity(text.len() + 6);
    // proto3: a field with its default is not written.
    if !text.is_empty() {
        bytes.push(CONTENT_TAG);
        push_varint(&mut bytes, text.len() as u64);
        bytes.extend_from_slice(text.as_bytes());
    }
    Content { kind: TEXT, bytes: bytes.into() }
}

/// The text of a content; `None` when it is not one, or is encrypted by the app.
pub(crate) fn text_of(content: &Content) -> Option<String> {
    if content.kind != TEXT {
        return None;
    }
    let mut rest = &content.bytes[..];
    let mut text = "";
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        if tag >> 3 == 0 {
            return None;
        }
        match tag & 7 {
            0 => drop(take_varint(&mut rest)?),
            1 => drop(take(&mut rest, 8)?),
            2 => {
                let len = take_varint(&mut rest)?;
                let value = take(&mut rest, len)?;
                if tag >> 3 == 1 {
                    text = str::from_utf8(value).ok()?;
                }
            }
            5 => drop(take(&mut rest, 4)?),
            _ => return None,
        }
    }
    Some(text.to_owned())
}

/// Bytes as JSON carries them.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Bytes from JSON: standard alphabet, padded.
pub(crate) fn from_base64(text: &str) -> Option<Bytes> {
    BASE64_STANDARD.decode(text).ok().map(Into::into)
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let (value, tail) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = tail;
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_has_the_bytes_of_text_msg() {
        // field 1, length-delimited, 2 bytes, "hi"
        assert_eq!(text("hi").bytes[..], [0x0a, 2, b'h', b'i']);
        assert!(text("").bytes.is_empty());
        // 300 = 0b10_0101100
        assert_eq!(text(&"x".repeat(300)).bytes[..3], [0x0a, 0xac, 0x02]);
        let mentions =
            Content { kind: TEXT, bytes: Bytes::from_static(&[0x0a, 1, b'a', 0x12, 1, b'b', 0x18, 5]) };
        assert_eq!(text_of(&mentions).as_deref(), Some("a"));
        let image = Content { kind: 3, ..text("a") };
        assert_eq!(text_of(&image), None);
    }

    proptest! {
        #[test]
        fn texts_come_back(said in ".{0,300}") {
            prop_assert_eq!(text_of(&text(&said)), Some(said));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = text_of(&Content { kind: TEXT, bytes: bytes.into() });
        }
    }
}
