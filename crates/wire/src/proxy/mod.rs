//! The PROXY protocol, versions 1 and 2: what a load balancer says about a client before the client's own bytes.
//!
//! Owns: telling a header from anything else, and the client's address in it ([`parse`]). Does not: know whose header is
//! to be believed, keep bytes, or use the extensions behind the addresses (TLVs): they are skipped.
//!
//! Invariants:
//! - Input may be cut anywhere: what is incomplete is said to be, and nothing is remembered.
//! - What cannot become a header is refused at the first byte that says so; a header is at most
//!   [`crate::limits::PROXY_HEADER_BYTES_MAX`] bytes, also when it only claims to be longer.

mod error;
mod header;
mod v1;
mod v2;

pub use error::ProxyError;
pub use header::{ProxyHeader, parse};
