//! Where connections are kept: a slab whose references know when they are stale.

use halley_core::ids::{BucketId, ConnId};

/// A slot and which of its tenants is meant; stale once that one is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token {
    pub(crate) slot: u32,
    pub(crate) tenant: u32,
}

impl Token {
    /// Nobody's, for what belongs to no connection.
    pub(crate) const NOBODY: Self = Self { slot: u32::MAX, tenant: u32::MAX };
}

const SLOT_BITS: u32 = 20;
const TENANT_BITS: u32 = 26;

/// Connections that one bucket can hold.
pub(crate) const SLOTS_MAX: usize = 1 << SLOT_BITS;
/// Buckets that ids can tell apart.
pub(crate) const BUCKETS_MAX: u16 = 128;

impl Token {
    /// As a number, for the poller.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        (u64::from(self.tenant) << 32) | u64::from(self.slot)
    }

    /// The token of this number.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self { slot: bits as u32, tenant: (bits >> 32) as u32 }
    }

    /// The connection's public id: bucket, tenant and slot in 53 bits (JavaScript). Unique within the process unless
    /// one slot is used 2^26 times.
    pub(crate) fn conn_id(self, bucket: BucketId) -> ConnId {
        let place = (u64::from(bucket.0) << TENANT_BITS) | u64::from(self.tenant);
        ConnId((place << SLOT_BITS) | u64::from(self.slot))
    }

    /// The token behind a public id.
    pub(crate) fn of_conn(conn: ConnId) -> Self {
        Self {
            slot: conn.0 as u32 & ((1 << SLOT_BITS) - 1),
            tenant: (conn.0 >> SLOT_BITS) as u32 & ((1 << TENANT_BITS) - 1),
        }
    }
}

struct Slot<T> {
    tenant: u32,
    value: Option<T>,
}

/// A slab with tokens. Free slots are used again in the order in which they became free.
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: std::collections::VecDeque<u32>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: std::collections::VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Puts a value in; `None` when every slot is taken.
    pub(crate) fn insert(&mut self, value: T) -> Option<Token> {
        if let Some(slot) = self.free.pop_front() {
            let entry = &mut self.slots[slot as usize];
            entry.value = Some(value);
            return Some(Token { slot, tenant: entry.tenant });
        }
        if self.slots.len() >= SLOTS_MAX {
            return None;
        }
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { tenant: 0, value: Some(value) });
        Some(Token { slot, tenant: 0 })
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let entry = self.slots.get_mut(slot as usize)?;
        let value = entry.value.take()?;
        entry.tenant = (entry.tenant + 1) & ((1 << TENANT_BITS) - 1);
        self.free.push_back(slot);
        Some(value)
    }

    /// The slot of a token, if its tenant is still there.
    pub(crate) fn find(&self, token: Token) -> Option<u32> {
        let entry = self.slots.get(token.slot as usize)?;
        (entry.tenant == token.tenant && entry.value.is_some()).then_some(token.slot)
    }

    pub(crate) fn token(&self, slot: u32) -> Token {
        let tenant = self.slots.get(slot as usize).map_or(0, |entry| entry.tenant);
        Token { slot, tenant }
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.value.as_mut()
    }

    /// The slots in use.
    pub(crate) fn taken(&self) -> Vec<u32> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, entry)| entry.value.is_some()).map(|(slot, _)| slot as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_stale_once_its_tenant_is_gone() {
        let mut slots = Slots::new();
        let first = slots.insert('a').expect("has room");
        assert_eq!(slots.find(first), Some(0));
        assert_eq!(slots.remove(0), Some('a'));
        assert_eq!(slots.remove(0), None);
        let second = slots.insert('b').expect("has room");
        assert_eq!((second.slot, slots.len()), (0, 1));
        assert_eq!(slots.find(first), None);
        assert_eq!(slots.get(0), Some(&'b'));
    }

    #[test]
    fn ids_fit_javascript_and_lead_back_to_the_token() {
        let token = Token { slot: SLOTS_MAX as u32 - 1, tenant: (1 << TENANT_BITS) - 1 };
        let conn = token.conn_id(BucketId(BUCKETS_MAX - 1));
        assert!(conn.0 < 1 << 53);
        assert_eq!(Token::of_conn(conn), token);
        assert_eq!(Token::from_bits(token.to_bits()), token);
    }
}
