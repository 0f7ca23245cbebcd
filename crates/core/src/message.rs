//! The neutral message: what both dialects translate to and from.

use bytes::Bytes;

use crate::ids::{AppId, GroupId, MsgId, UserId};

/// To whom a message was said.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Conversation {
    /// Private: the receiver.
    User(UserId),
    /// A group, normal or super.
    Group(GroupId),
    /// The system speaks, or the entry is the installation's own record.
    System,
}

/// What an entry is: an open enumeration. A dialect skips what it cannot show; it never fails on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryKind(pub u16);

impl EntryKind {
    /// A message of a user.
    pub const MESSAGE: Self = Self(1);
    /// A change of a group ([`crate::group::GroupChange`]), which is told as [`crate::group::Announced`] says; content
    /// kind says whether it is.
    pub const GROUP_CHANGE: Self = Self(2);
    /// A signal that a business server pushed in the txchat dialect's own form (spec 2.5); content kind is its type.
    pub const SIGNAL: Self = Self(3);
    /// A message is revoked ([`crate::event::Revocation`]).
    pub const REVOCATION: Self = Self(4);
    /// Private messages have reached a reader ([`crate::event::receipt_ids`]); stands in their sender's inbox.
    pub const RECEIPT: Self = Self(5);
    /// A device of the user has logged in ([`crate::event::Login`]). Only ever pushed to who is online, in no journal.
    pub const LOGIN: Self = Self(6);
    /// What a read shows in place of a message that was revoked: the message without its content and `ext`, whose content
    /// is the [`crate::event::Revocation`] instead. In no journal.
    pub const REVOKED: Self = Self(7);
    /// Says nothing and stands in no timeline: the journal goes on, so that what lies before it can be taken out.
    pub const MARK: Self = Self(100);
}

/// A message's content: opaque bytes and their type, as the txchat spec numbers them (2.4).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Content {
    /// The type, e.g. 1 for text.
    pub kind: i32,
    /// The body of that type, often encrypted by the app.
    pub bytes: Bytes,
}

/// One message, neutral between the dialects (design section 1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Given by logic before the bus; never 0.
    pub id: MsgId,
    /// The app it belongs to.
    pub app: AppId,
    /// To whom.
    pub conversation: Conversation,
    /// Who sent it; [`UserId::SYSTEM`] when nobody did.
    pub from: UserId,
    /// What it is.
    pub kind: EntryKind,
    /// What it says.
    pub content: Content,
    /// What only one dialect knows, in that dialect's own form, so that it gets it back byte for byte.
    pub ext: Bytes,
    /// The client's idempotency key (txchat `Common.seq`); empty is never deduplicated.
    pub client_id: Bytes,
    /// When logic accepted it, unix milliseconds.
    pub time_ms: u64,
    /// The sending device ([`crate::device::DeviceKey`] text); empty when unknown.
    pub device: Bytes,
}
