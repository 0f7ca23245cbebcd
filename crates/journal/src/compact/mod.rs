//! Taking records out of the log again: for retention, and for personal data that must go.
//!
//! Owns: the removal of the oldest segments, the rewriting of any other sealed one without some of its records, and the
//! order of steps that makes both safe against a crash.
//!
//! Does not: know which records are dead, when to look, or how fast: the owner says all three.
//!
//! **Invariants**
//!  - Only sealed segments are touched; writer and preparer never touch those.
//!  - After a crash a segment is the old one or the new one, and of the oldest ones a suffix is there.
//!  - What is not whole is not rewritten: damage never becomes a hole.

mod compactor;
mod error;
mod plan;
mod rewrite;

pub use compactor::{Compactor, Removal, Rewritten};
pub use error::{RemoveError, RewriteError};
pub use plan::Fate;
