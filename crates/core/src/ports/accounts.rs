//! Accounts: apps, user ids, tokens and groups. Cut by who asks, not by where it is kept.

use std::sync::Arc;

use crate::app::{App, AppSettings};
use crate::group::{CHANGE_OF_SUPER, Group, GroupChange};
use crate::ids::{AppId, GroupId, UserId};
use crate::key::SyncKey;
use crate::message::{Conversation, EntryKind};
use crate::ports::PortError;
use crate::ports::index::Watermark;
use crate::record::Entry;
use crate::reply::Reply;

/// Apps by name and number.
pub trait Apps: Send + Sync {
    /// The app of this name.
    fn by_name(&self, name: &str) -> Reply<Result<Option<Arc<App>>, PortError>>;
    /// The app of this number.
    fn by_id(&self, id: AppId) -> Reply<Result<Option<Arc<App>>, PortError>>;
    /// All apps, by number.
    fn list(&self) -> Reply<Result<Vec<Arc<App>>, PortError>>;
    /// Creates the app or replaces its settings; durable when answered. The name must satisfy
    /// [`crate::app::is_app_name`]; the caller has checked it.
    fn put(&self, name: &str, settings: AppSettings) -> Reply<Result<Arc<App>, PortError>>;
}

/// Whether an unknown id gets a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// It stays unknown (targets of messages).
    Refuse,
    /// It gets one (authentication, import, admin calls).
    Number,
}

/// Longest user id, in bytes.
pub const USER_NAME_BYTES_MAX: usize = 128;

/// User ids as clients know them, and their numbers (design section 1). The mapping never changes once made.
pub trait Users: Send + Sync {
    /// The number of an id: itself when canonical decimal, else from the alias table. `None` for an id that is
    /// unknown, empty, or longer than [`USER_NAME_BYTES_MAX`].
    fn number(&self, app: AppId, name: &str, unknown: Unknown) -> Reply<Result<Option<UserId>, PortError>>;
    /// The id of a number; `None` for an alias number that was never given.
    fn name(&self, app: AppId, user: UserId) -> Reply<Result<Option<Arc<str>>, PortError>>;
}

/// A token that is valid now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenGrant {
    /// Whose it is.
    pub user: UserId,
    /// Until when, unix milliseconds; `u64::MAX` for ever.
    pub expires_ms: u64,
}

/// Longest access token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 1_024;

/// Access tokens. Kept as SHA-256 only; never logged.
pub trait Tokens: Send + Sync {
    /// What this token grants at `now_ms`; `None` when it is unknown or expired.
    fn verify(&self, app: AppId, token: &str, now_ms: u64) -> Reply<Result<Option<TokenGrant>, PortError>>;
    /// Makes a token known; durable when answered. At most [`TOKEN_BYTES_MAX`], checked by the caller.
    fn put(&self, app: AppId, token: &str, grant: TokenGrant) -> Reply<Result<(), PortError>>;
    /// Forgets a token; answers what it granted. Durable when answered.
    fn remove(&self, app: AppId, token: &str) -> Reply<Result<Option<TokenGrant>, PortError>>;
}

/// Groups, as of the last change applied.
pub trait Groups: Send + Sync {
    /// A group with its members.
    fn group(&self, app: AppId, id: GroupId) -> Reply<Result<Option<Arc<Group>>, PortError>>;
    /// The groups a user is in, ascending.
    fn groups_of(&self, app: AppId, user: UserId) -> Reply<Result<Vec<GroupId>, PortError>>;
    /// The super groups among them, each with the change that made the user a member ([`crate::group::Member::joined`]):
    /// what is above it in the feed is for this user.
    fn feeds_of(&self, app: AppId, user: UserId) -> Reply<Result<Vec<(GroupId, SyncKey)>, PortError>>;
}

/// A group change at its place in the journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournaledChange {
    /// The app.
    pub app: AppId,
    /// The group.
    pub group: GroupId,
    /// The change.
    pub change: GroupChange,
    /// Its key.
    pub key: SyncKey,
    /// Its time, unix milliseconds.
    pub time_ms: u64,
    /// The group is a super group once this is applied ([`CHANGE_OF_SUPER`]).
    pub is_super: bool,
}

impl JournaledChange {
    /// The group change that an entry is; `None` for an entry of another kind. One that does not parse was written by
    /// a newer version: it is skipped and said.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let message = &entry.record.message;
        if message.kind != EntryKind::GROUP_CHANGE {
            return None;
        }
        let Conversation::Group(group) = message.conversation else {
            return None;
        };
        let change = serde_json::from_slice(&message.content.bytes)
            .inspect_err(|error| {
                tracing::error!(
                    key = %entry.key,
                    %error,
                    "group change in the journal is not understood, skipped"
                );
            })
            .ok()?;
        let is_super = message.content.kind & CHANGE_OF_SUPER != 0;
        Some(Self { app: message.app, group, change, key: entry.key, time_ms: message.time_ms, is_super })
    }
}

/// Where group changes end up: the other side of [`Groups`]. Only the applier calls it.
pub trait GroupState: Send + Sync {
    /// Everything up to here has been applied, durably: where the applier begins after a start.
    fn applied(&self) -> Watermark;
    /// Applies changes in order, remembers that everything up to `up_to` is applied, and makes both durable when
    /// there were changes. Idempotent. May block on the disk.
    ///
    /// # Errors
    /// When nothing of it was applied.
    fn apply(&self, changes: &[JournaledChange], up_to: Watermark) -> Result<(), PortError>;
}

/// How far group changes have been applied; who made one waits here before it answers.
pub trait GroupProgress: Send + Sync {
    /// Ready when every change at or below `key`, which is durable, is in force.
    fn reach(&self, key: SyncKey) -> Reply<Result<(), PortError>>;
}
