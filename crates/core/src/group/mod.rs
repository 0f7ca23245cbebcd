//! Groups and their changes: a pure state machine that the journal drives.
//!
//! A change is a journal record first; [`apply()`] is total and idempotent, so that a crash between journal and state
//! database repeats it without harm. The record is also the entry by which members are told: [`Announced`] says in which
//! parts.

mod announce;
mod apply;
mod change;
mod state;

pub use announce::{ANNOUNCED, Announced, Announcement, CHANGE_OF_SUPER, Fact, Notice, Part, SILENT, parts};
pub use apply::apply;
pub use change::{GroupChange, ProfileChange};
pub use state::{ADMINS_MAX, Group, GroupProfile, Member, NORMAL_MEMBERS_MAX, Role, SUPER_MEMBERS_MAX};
