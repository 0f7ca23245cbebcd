//! The configuration: every key, its default and why; where it comes from; what it must satisfy.
//!
//! File, then `HALLEY_SECTION__KEY` environment, then `--set key=value`: the later wins. An unknown key or a bad value
//! is an error that names the key and where it was set; nothing starts with half a configuration.

mod listen;
mod load;
mod reference;
mod schema;
mod units;

pub use listen::{Believed, Listen};
pub use load::{ConfigError, Sources, load};
pub use reference::reference;
pub use schema::{Config, Fsync};
pub use units::{Size, Span};
