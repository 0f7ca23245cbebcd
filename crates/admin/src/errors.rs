//! Why a call was not done.

use std::borrow::Cow;

use halley_core::command::Refusal;
use halley_core::ports::PortError;
use halley_core::ports::backup::BackupRefused;
use halley_core::ports::business::{EntryError, GroupError, RevokeError};
use thiserror::Error;

/// Why a call was not done. What of it the caller reads is decided in `error_map`.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    #[error("a bearer token is required: `Authorization: Bearer TOKEN`")]
    Unauthorized,
    #[error("no such path; /openapi.json lists them")]
    UnknownPath,
    #[error("this path does not have that method")]
    MethodNotAllowed,
    #[error("the body must be JSON, declared with `Content-Type: application/json`")]
    UnsupportedMediaType,
    #[error("the body is too large")]
    BodyTooLarge,
    #[error("the body could not be read to its end")]
    BodyUnreadable,
    #[error("the body is not JSON: {0}")]
    InvalidJson(String),
    #[error("{field}: {message}")]
    InvalidField { field: Cow<'static, str>, message: Cow<'static, str> },
    #[error("no such app; create it with PUT /v1/apps/{{app}}")]
    UnknownApp,
    #[error("no such user")]
    UnknownUser,
    #[error("no such group")]
    UnknownGroup,
    #[error("no such member")]
    UnknownMember,
    #[error("no such token")]
    UnknownToken,
    #[error("no such session")]
    UnknownSession,
    #[error("no such device")]
    UnknownDevice,
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error("a user has no relation to themself; `other` must be another one")]
    RelationToSelf,
    #[error("no such message")]
    UnknownMessage,
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    #[error("there are no rooms yet: they come with the gobelieve dialect; send to a user or a group")]
    NoRooms,
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("the connection could not be told to close; it may be busy or just gone")]
    Unreached,
    #[error(transparent)]
    Backup(#[from] BackupRefused),
    #[error("too many calls at once")]
    Busy,
    #[error(
        "no outcome in time, it is not known; repeating the call is safe (a message: with the same client_id)"
    )]
    Timeout,
    #[error("no random bytes")]
    Random(#[source] getrandom::Error),
    #[error("the metrics could not be written")]
    Metrics(#[source] std::fmt::Error),
}

impl ApiError {
    /// A field with a value it cannot have.
    pub(crate) fn field(field: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidField { field: field.into(), message: message.into() }
    }
}
