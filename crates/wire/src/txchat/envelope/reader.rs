//! Walking protobuf fields without copying.
//!
//! Owns the protobuf wire format as far as reading needs it; knows no message. Never panics, never allocates.

use super::error::EnvelopeError;

/// Nesting of unknown groups that is still walked over.
const GROUP_DEPTH_MAX: usize = 64;

/// Value of a field, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire types 1, 3 and 5: only unknown fields have them, and those are kept raw.
    Other(u8),
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) value: Value<'a>,
    /// The whole field as it stands in the input, key included.
    pub(super) raw: &'a [u8],
}

/// The fields of a message, in the order of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field, or `None` behind the last one.
    pub(super) fn next_field(&mut self) -> Result<Option<Field<'a>>, EnvelopeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.rest;
        let (number, wire_type) = self.key()?;
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            2 => Value::Bytes(self.length_delimited()?),
            _ => {
                self.skip(number, wire_type)?;
                Value::Other(wire_type)
            }
        };
        let raw = start.get(..start.len() - self.rest.len()).unwrap_or_default();
        Ok(Some(Field { number, value, raw }))
    }

    fn key(&mut self) -> Result<(u32, u8), EnvelopeError> {
        let key = self.varint()?;
        let narrow = u32::try_from(key).map_err(|_| EnvelopeError::Key(key))?;
        let wire_type = low_byte(key) & 7;
        if narrow < 8 || wire_type > 5 {
            return Err(EnvelopeError::Key(key));
        }
        Ok((narrow >> 3, wire_type))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, EnvelopeError> {
        if let [byte @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, EnvelopeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte, rest @ ..] = self.rest else {
                return Err(EnvelopeError::Truncated);
            };
            self.rest = rest;
            // The tenth byte holds the one bit that is left.
            if shift == 63 && *byte > 1 {
                return Err(EnvelopeError::Varint);
            }
            value |= u64::from(*byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err(EnvelopeError::Varint)
    }

    fn length_delimited(&mut self) -> Result<&'a [u8], EnvelopeError> {
        let length = usize::try_from(self.varint()?).map_err(|_| EnvelopeError::Truncated)?;
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], EnvelopeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(EnvelopeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Walks over a value of any wire type; groups with a stack of their own, not ours.
    fn skip(&mut self, number: u32, wire_type: u8) -> Result<(), EnvelopeError> {
        let mut open = [0; GROUP_DEPTH_MAX];
        let mut depth: usize = 0;
        let (mut number, mut wire_type) = (number, wire_type);
        loop {
            match wire_type {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => drop(self.length_delimited()?),
                3 => {
                    let slot = open.get_mut(depth).ok_or(EnvelopeError::TooDeep)?;
                    *slot = number;
                    depth += 1;
                }
                4 => {
                    depth = depth.checked_sub(1).ok_or(EnvelopeError::Group(number))?;
                    if open.get(depth) != Some(&number) {
                        return Err(EnvelopeError::Group(number));
                    }
                }
                _ => drop(self.take(4)?),
            }
            if depth == 0 {
                return Ok(());
            }
            (number, wire_type) = self.key()?;
        }
    }
}

impl<'a> Field<'a> {
    /// The value of a 64-bit number field.
    #[inline]
    pub(super) fn uint64(&self) -> Result<u64, EnvelopeError> {
        match self.value {
            Value::Varint(value) => Ok(value),
            Value::Bytes(_) => Err(self.wrong(2)),
            Value::Other(wire_type) => Err(self.wrong(wire_type)),
        }
    }

    /// The value of a signed 64-bit number field.
    #[inline]
    pub(super) fn int64(&self) -> Result<i64, EnvelopeError> {
        Ok(self.uint64()?.cast_signed())
    }

    /// The value of a 32-bit number or enumeration field: the low half, as protobuf rules.
    #[inline]
    pub(super) fn int32(&self) -> Result<i32, EnvelopeError> {
        let [a, b, c, d, ..] = self.uint64()?.to_le_bytes();
        Ok(i32::from_le_bytes([a, b, c, d]))
    }

    /// The value of a flag.
    #[inline]
    pub(super) fn bool(&self) -> Result<bool, EnvelopeError> {
        Ok(self.uint64()? != 0)
    }

    /// The value of a bytes or message field.
    #[inline]
    pub(super) fn bytes(&self) -> Result<&'a [u8], EnvelopeError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            Value::Varint(_) => Err(self.wrong(0)),
            Value::Other(wire_type) => Err(self.wrong(wire_type)),
        }
    }

    /// The value of a string field.
    #[inline]
    pub(super) fn string(&self) -> Result<&'a str, EnvelopeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| EnvelopeError::Utf8(self.number))
    }

    fn wrong(&self, wire_type: u8) -> EnvelopeError {
        EnvelopeError::WireType { field: self.number, wire_type }
    }
}

fn low_byte(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}
