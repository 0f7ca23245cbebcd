//! The logic role: who is who, what a message is called, who is online where, and what business servers ask for.
//!
//! Owns: authentication, message ids and times, what is remembered of devices, the inbound bus's producing end, device
//! starts; sends, entries, announcements, group changes and revocations on behalf of business servers.
//!
//! Does not: hold sockets, read history for clients, decide whether a message may be sent.
//!
//! **Invariants:** a message's id and time are fixed before it is on the bus; a group change is answered when it is in
//! force; a token or its text is never logged.

mod announcer;
mod append;
mod auth;
mod business;
mod devices;
mod entries;
#[doc(hidden)]
pub mod fuzzing;
mod groups;
mod receipts;
mod revoke;
mod service;
mod size;
mod start;

pub use announcer::Announcer;
pub use auth::{Authenticator, Threads};
pub use business::{BusinessMessages, Calls};
pub use entries::{EntryPorts, EntryWriter};
pub use groups::GroupWriter;
pub use revoke::{RevocationPorts, RevocationWriter};
pub use service::{LogicService, Ports};
