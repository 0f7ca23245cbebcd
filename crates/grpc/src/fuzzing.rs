//! The body of the fuzz target over what business servers push. For fuzzing and the replay of its corpus only.

use bytes::Bytes;

use crate::frame::{entry, transient, unmarshal};

/// A marshaled transport `Proto`: refused with a reason, or as large as what it was made of.
pub fn business_push(data: &[u8]) {
    let Ok(proto) = unmarshal(&Bytes::copy_from_slice(data)) else { return };
    if let Ok(push) = entry(&proto) {
        assert!(push.content.bytes.len() + push.client_id.len() <= data.len());
    }
    let _transient = transient(proto);
}
