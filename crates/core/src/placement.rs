//! Which bucket, and so which thread, a user belongs to.

use crate::ids::{AppId, BucketId, UserId};

/// The bucket of a user among `buckets` (at least 1). All of a user's connections, and all work that must be
/// in the user's order, happen there (design section 6).
#[must_use]
pub fn bucket_of(app: AppId, user: UserId, buckets: u16) -> BucketId {
    // Fibonacci hashing: ids are often consecutive, and this spreads them evenly.
    let mixed = (user.0.cast_unsigned() ^ (u64::from(app.0) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let scaled = (u128::from(mixed) * u128::from(buckets.max(1))) >> 64;
    BucketId(scaled as u16)
}
