//! Ports that need no disk: the inbound bus and the directory of a single process.

mod bus;
mod directory;

pub use bus::{MemoryBus, MemoryBusReader};
pub use directory::MemoryDirectory;
