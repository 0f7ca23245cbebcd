//! Bodies of the fuzz targets in `fuzz/`, which `tests/fuzz_corpus.rs` replays on stable. Not part of the API.
//!
//! Each takes any bytes and panics when a property is broken; the properties are more than the absence of panics:
//! the hand-written codecs are compared with `prost`, and every decoder with itself on input cut elsewhere.

mod proxy;
mod txchat;
mod ws;

pub use proxy::proxy_header;
pub use txchat::{txchat_envelope, txchat_frame};
pub use ws::{ws_server, ws_upgrade};
