//! A hash of what happened, to compare two runs of one seed.

/// FNV-1a over everything noted.
#[derive(Clone, Debug)]
pub(super) struct Trace(u64);

impl Trace {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn note(&mut self, kind: u8, value: u64) {
        self.bytes(&[kind]);
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn value(&self) -> u64 {
        self.0
    }
}
