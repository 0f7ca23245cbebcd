//! A simulated disk: a page cache over a durable store, a power switch, and everything a real disk does rarely.
//!
//! Owns: what is lost, kept or torn when the power goes. Written sectors that were not synced each survive or not, new
//! lengths that were not synced may be anything in between, names that were not synced may be gone or back. A failed
//! sync leaves pages that count as clean and never reach the disk, as Linux does.
//!
//! Does not: tear inside a sector of 512 bytes. Everything random comes from the seed, so a seed replays a run.

mod disk;
mod rng;
mod state;

pub use disk::SimDisk;
pub use rng::SimRng;
