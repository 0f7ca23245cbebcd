//! Asking an app's own server who a token belongs to (spec 4.5), in both forms of the original.
//!
//! Fail closed: only a whole, well-formed yes within the time logs anybody in. No redirect is followed, no proxy of the
//! environment is used, and of an answer at most 64 KiB are read.

mod agent;
mod answer;
mod caller;
mod question;
mod yes_cache;

pub(super) use answer::Answer;
pub(super) use caller::Caller;
pub(super) use question::Question;
