//! What business servers ask for, through the admin API and gRPC; logic implements it.

use std::sync::Arc;

use thiserror::Error;

use crate::command::{SendOutcome, Target};
use crate::group::{Group, GroupChange, GroupProfile};
use crate::ids::{AppId, GroupId, MsgId, UserId};
use crate::message::{Content, Conversation, EntryKind};
use crate::ports::PortError;
use crate::reply::Reply;
use bytes::Bytes;

/// A message sent by a business server in a user's name.
#[derive(Clone, Debug)]
pub struct BusinessSend {
    /// The app.
    pub app: AppId,
    /// The sender.
    pub from: UserId,
    /// To whom.
    pub target: Target,
    /// What.
    pub content: Content,
    /// The caller's idempotency key; empty is never deduplicated.
    pub client_id: Bytes,
}

/// Sends messages in users' names, in one order with what these users send themselves.
pub trait Messages: Send + Sync {
    /// The outcome, once it is decided and durable. Unavailable when the inbound queue is full.
    fn send(&self, send: BusinessSend) -> Reply<Result<SendOutcome, PortError>>;
}

/// Most users whose inboxes one call fills.
pub const ENTRY_USERS_MAX: usize = 10_000;

/// Where an entry goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Into these users' inboxes, whoever the message says it is for.
    Inboxes(Vec<UserId>),
    /// Where a member's message to this group would go: its feed, and the members' inboxes unless it is a super group.
    Group(GroupId),
}

/// An entry as a business server wants it in timelines. Nobody's permission to say it is checked.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The app.
    pub app: AppId,
    /// Where it goes.
    pub place: Place,
    /// To whom it says it was said.
    pub conversation: Conversation,
    /// Who it says sent it; [`UserId::SYSTEM`] for nobody.
    pub from: UserId,
    /// A message or a signal.
    pub kind: EntryKind,
    /// What.
    pub content: Content,
    /// The dialect's own part.
    pub ext: Bytes,
    /// Shown with it; it is not looked for among what was sent before: the same message may be put into timelines by
    /// several calls.
    pub client_id: Bytes,
    /// The id it has already; one is made when `None`.
    pub id: Option<MsgId>,
    /// Its time, unix milliseconds; now when `None`.
    pub time_ms: Option<u64>,
}

/// A message of the system to users.
#[derive(Clone, Debug)]
pub struct SystemMessage {
    /// The app.
    pub app: AppId,
    /// To whom; each gets a message of their own.
    pub users: Vec<UserId>,
    /// What.
    pub content: Content,
    /// The caller's idempotency key, per user; empty is never deduplicated.
    pub client_id: Bytes,
}

/// An entry that is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its message id.
    pub id: MsgId,
    /// Its time, unix milliseconds.
    pub time_ms: u64,
}

/// Why an entry was not put anywhere.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryError {
    /// More users than one call takes.
    #[error("at most {users_max} users in one call")]
    TooManyUsers {
        /// The bound.
        users_max: usize,
    },
    /// No such group.
    #[error("no such group")]
    UnknownGroup,
    /// The id given is one that has not been made yet, so it would be made again for another message.
    #[error("the message id lies ahead of the clock: only ids made before may be given")]
    IdAhead,
    /// A dialect could not show it in one frame.
    #[error("the message is too large")]
    TooLarge,
    /// The disk is nearly full.
    #[error("the server cannot store messages at the moment")]
    StorageFull,
    /// A backend did not do its part; some of it may be done.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Puts entries into timelines for business servers.
pub trait Entries: Send + Sync {
    /// Puts one entry into all its timelines; durable when answered.
    fn append(&self, entry: NewEntry) -> Reply<Result<Placed, EntryError>>;
    /// Says something to users in the system's name; durable when answered, in the order of the users. After an error
    /// some may have got it: a repetition with the same client id does not say it to them again.
    fn system(&self, message: SystemMessage) -> Reply<Result<Vec<Placed>, EntryError>>;
}

/// What became of an announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announced {
    /// Its message id.
    pub id: MsgId,
    /// How many sessions were sent it.
    pub sessions: usize,
}

/// Says something to everybody who is online, in the system's name; it is in no timeline.
pub trait Announcements: Send + Sync {
    /// Says it. [`EntryError::TooLarge`] when no dialect could show it.
    fn announce(&self, app: AppId, content: Content) -> Reply<Result<Announced, EntryError>>;
}

/// A group to be made.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// The app.
    pub app: AppId,
    /// Its id; one is given when `None`.
    pub id: Option<GroupId>,
    /// What describes it.
    pub profile: GroupProfile,
    /// Who owns it.
    pub owner: UserId,
    /// The other members.
    pub members: Vec<UserId>,
    /// Who makes it, as members are told; the owner when nobody is named.
    pub operator: Option<UserId>,
    /// Nobody is told.
    pub silent: bool,
}

/// A group to be changed.
#[derive(Clone, Debug)]
pub struct GroupEdit {
    /// The app.
    pub app: AppId,
    /// Which.
    pub group: GroupId,
    /// How; what is so already is left out.
    pub change: GroupChange,
    /// Who changes it: needs the rights for it, and is who members are told. Without one it is the system, which may do
    /// everything, and members are told in the owner's name.
    pub operator: Option<UserId>,
    /// Nobody is told.
    pub silent: bool,
}

/// Why a group was not made or changed.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupError {
    /// No such group.
    #[error("no such group")]
    NotFound,
    /// The id is taken.
    #[error("the group exists already")]
    Exists,
    /// More members than a group of this kind may have.
    #[error("a group of this kind has at most {members_max} members")]
    TooManyMembers {
        /// The bound.
        members_max: usize,
    },
    /// The user is not a member.
    #[error("the user is not a member of the group")]
    NotMember,
    /// The owner can neither leave nor be given another role; another member becomes owner first.
    #[error("the owner cannot leave or lose the role; make another member the owner first")]
    IsOwner,
    /// A super group stays one (`super` is only ever set).
    #[error("a super group cannot become a normal group again")]
    StaysSuper,
    /// The group has as many admins as it may.
    #[error("a group has at most {} admins", crate::group::ADMINS_MAX)]
    AdminLimit,
    /// The change does not fit a record of the journal: too many users at once.
    #[error("the change is too large; make it in several calls")]
    TooLarge,
    /// The operator is not a member.
    #[error("the operator is not a member of the group")]
    OperatorNotMember,
    /// Only owner and admins may do that.
    #[error("the operator must be an admin or the owner of the group")]
    NeedAdmin,
    /// Only the owner may do that.
    #[error("the operator must be the owner of the group")]
    NeedOwner,
    /// Only members of a lower standing than one's own can be removed.
    #[error("the operator can only remove members of a lower role")]
    NeedHigherRole,
    /// Normal members may not bring others in here.
    #[error("in this group only the owner and admins may invite")]
    InviteDenied,
    /// Owner and admins are not muted.
    #[error("the owner and admins cannot be muted")]
    CannotMuteAdmins,
    /// The owner is the owner.
    #[error("the operator owns the group already")]
    TransferToSelf,
    /// A backend did not do its part; retrying is safe.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Makes and changes groups. A change is a journal record, and is in force when the call is answered: messages
/// received afterwards obey it (design section 5).
pub trait GroupService: Send + Sync {
    /// Makes a group.
    fn create(&self, new: NewGroup) -> Reply<Result<Arc<Group>, GroupError>>;
    /// Changes a group; answers it as it is then, `None` when it was disbanded.
    fn change(&self, edit: GroupEdit) -> Reply<Result<Option<Arc<Group>>, GroupError>>;
}

/// A message to be revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revoke {
    /// The app.
    pub app: AppId,
    /// The message.
    pub message: MsgId,
    /// Who wants it.
    pub operator: UserId,
}

/// A message is revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Revoked {
    /// By whom.
    pub by: UserId,
    /// It was before this call.
    pub is_repetition: bool,
}

/// Why a message was not revoked.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokeError {
    /// No such message.
    #[error("no such message")]
    UnknownMessage,
    /// The operator is neither its author nor somebody who may take back others' messages there (spec 7.6).
    #[error("only the author may revoke it, in a group also the owner, and admins unless it is the owner's")]
    NotAllowed,
    /// Authors may revoke for a time only.
    #[error("an author may revoke a message within {within_s} s")]
    Expired {
        /// The app's bound.
        within_s: u64,
    },
    /// A backend did not do its part; retrying is safe.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Revokes messages. A revocation is a journal record in the timelines of the message; reads that begin after the answer
/// do not show the content any more.
pub trait Revocations: Send + Sync {
    /// Revokes a message, once: a call for one that is revoked already, by somebody who may, changes nothing and says so.
    fn revoke(&self, call: Revoke) -> Reply<Result<Revoked, RevokeError>>;
}
