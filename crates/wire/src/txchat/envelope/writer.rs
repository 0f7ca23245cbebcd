//! Appending protobuf fields, and their lengths beforehand.
//!
//! Owns the protobuf wire format as far as writing needs it. Scalars that are 0 and strings that are empty are absent,
//! as proto3 wants; the `*_len` functions agree with the `put_*` ones to the byte. Field numbers are below 2^28.

/// Bytes of a varint.
pub(super) fn varint_len(value: u64) -> usize {
    // One byte per started group of seven bits; 0 takes one too.
    let bits = u64::BITS - (value | 1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).unwrap_or(10)
}

/// Bytes of a field's key.
fn key_len(field: u32) -> usize {
    varint_len(u64::from(field) << 3)
}

/// Bytes of a number field; none for 0.
pub(super) fn number_len(field: u32, value: u64) -> usize {
    if value == 0 { 0 } else { key_len(field) + varint_len(value) }
}

/// Bytes of a bytes, string or message field that is present, whatever its length.
pub(super) fn present_len(field: u32, length: usize) -> usize {
    key_len(field) + varint_len(wide(length)) + length
}

/// Bytes of a bytes or string field; none for an empty one.
pub(super) fn bytes_len(field: u32, length: usize) -> usize {
    if length == 0 { 0 } else { present_len(field, length) }
}

/// A 32-bit number or enumeration as protobuf writes it: sign-extended to 64 bits.
pub(super) fn int32(value: i32) -> u64 {
    i64::from(value).cast_unsigned()
}

/// Where fields go: a growing buffer, or a fixed one that is long enough.
pub(super) trait Out {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Out for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Appends a varint.
pub(super) fn put_varint(out: &mut impl Out, mut value: u64) {
    let mut bytes = [0; 10];
    let mut used = 0;
    for slot in &mut bytes {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        used += 1;
        *slot = if value == 0 { low } else { low | 0x80 };
        if value == 0 {
            break;
        }
    }
    out.put(&bytes[..used]);
}

/// Appends a number field, unless it is 0.
pub(super) fn put_number(out: &mut impl Out, field: u32, value: u64) {
    if value != 0 {
        put_varint(out, u64::from(field) << 3);
        put_varint(out, value);
    }
}

/// Appends the key and length of a bytes, string or message field.
pub(super) fn put_length(out: &mut impl Out, field: u32, length: usize) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, wide(length));
}

/// Appends a bytes, string or message field, whatever its length.
pub(super) fn put_present(out: &mut impl Out, field: u32, bytes: &[u8]) {
    put_length(out, field, bytes.len());
    out.put(bytes);
}

/// Appends a bytes or string field, unless it is empty.
pub(super) fn put_bytes(out: &mut impl Out, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_present(out, field, bytes);
    }
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
