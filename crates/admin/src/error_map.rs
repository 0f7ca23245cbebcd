//! The one place where errors become HTTP: status, code and what the caller may read.
//!
//! The matches name every variant there is. Where core's enum is `non_exhaustive` the compiler wants one arm more; it answers
//! `internal`, and a test holds every variant of today against it.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use halley_core::command::Refusal;
use halley_core::ports::PortError;
use halley_core::ports::backup::BackupRefused;
use halley_core::ports::business::{EntryError, GroupError, RevokeError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::codes::Code;
use crate::errors::ApiError;

/// Every answer that is not a success.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
struct ErrorDetail {
    /// For programs; the list is only ever added to.
    code: &'static str,
    /// For people; may change.
    message: String,
    /// The field of body, query or path that a validation error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "members[3]")]
    field: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = code_of(&self);
        log(&self, code);
        let field = match &self {
            Self::InvalidField { field, .. } => Some(field.clone().into_owned()),
            _ => None,
        };
        let error = ErrorDetail { code: code.as_str(), message: public_message(&self, code), field };
        let mut response = (code.status(), axum::Json(ErrorBody { error })).into_response();
        match code.status() {
            StatusCode::UNAUTHORIZED => {
                let scheme = HeaderValue::from_static("Bearer realm=\"halley\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

fn code_of(error: &ApiError) -> Code {
    match error {
        ApiError::Unauthorized => Code::Unauthorized,
        ApiError::UnknownPath => Code::UnknownPath,
        ApiError::MethodNotAllowed => Code::MethodNotAllowed,
        ApiError::UnsupportedMediaType => Code::UnsupportedMediaType,
        ApiError::BodyTooLarge => Code::BodyTooLarge,
        ApiError::BodyUnreadable => Code::BodyUnreadable,
        ApiError::InvalidJson(_) => Code::InvalidJson,
        ApiError::InvalidField { .. } => Code::InvalidField,
        ApiError::UnknownApp => Code::UnknownApp,
        ApiError::UnknownUser => Code::UnknownUser,
        ApiError::UnknownGroup => Code::UnknownGroup,
        ApiError::UnknownMember => Code::UnknownMember,
        ApiError::UnknownToken => Code::UnknownToken,
        ApiError::UnknownSession => Code::UnknownSession,
        ApiError::UnknownDevice => Code::UnknownDevice,
        ApiError::Group(error) => group_code(error),
        ApiError::RelationToSelf => Code::RelationToSelf,
        ApiError::UnknownMessage => Code::UnknownMessage,
        ApiError::Revoke(error) => revoke_code(error),
        ApiError::NoRooms => Code::RoomsUnsupported,
        ApiError::Entry(error) => entry_code(error),
        ApiError::Refused(refusal) => refusal_code(*refusal),
        ApiError::Port(error) => port_code(error),
        ApiError::Backup(BackupRefused::Busy) => Code::BackupRunning,
        ApiError::Backup(_) | ApiError::Unreached => Code::Unavailable,
        ApiError::Busy => Code::Busy,
        ApiError::Timeout => Code::Timeout,
        ApiError::Random(_) | ApiError::Metrics(_) => Code::Internal,
    }
}

fn group_code(error: &GroupError) -> Code {
    match error {
        GroupError::NotFound => Code::UnknownGroup,
        GroupError::Exists => Code::GroupExists,
        GroupError::TooManyMembers { .. } => Code::TooManyMembers,
        GroupError::NotMember => Code::UnknownMember,
        GroupError::IsOwner => Code::IsOwner,
        GroupError::StaysSuper => Code::StaysSuper,
        GroupError::AdminLimit => Code::AdminLimit,
        GroupError::TooLarge => Code::ChangeTooLarge,
        GroupError::OperatorNotMember => Code::OperatorNotMember,
        GroupError::NeedAdmin => Code::NeedAdmin,
        GroupError::NeedOwner => Code::NeedOwner,
        GroupError::NeedHigherRole => Code::NeedHigherRole,
        GroupError::InviteDenied => Code::InviteDenied,
        GroupError::CannotMuteAdmins => Code::CannotMuteAdmins,
        GroupError::TransferToSelf => Code::TransferToSelf,
        GroupError::Port(error) => port_code(error),
        _ => Code::Internal,
    }
}

fn revoke_code(error: &RevokeError) -> Code {
    match error {
        RevokeError::UnknownMessage => Code::UnknownMessage,
        RevokeError::NotAllowed => Code::RevokeNotAllowed,
        RevokeError::Expired { .. } => Code::RevokeExpired,
        RevokeError::Port(error) => port_code(error),
        _ => Code::Internal,
    }
}

fn entry_code(error: &EntryError) -> Code {
    match error {
        EntryError::TooManyUsers { .. } => Code::TooManyUsers,
        EntryError::UnknownGroup => Code::UnknownGroup,
        EntryError::IdAhead => Code::MalformedMessage,
        EntryError::TooLarge => Code::MessageTooLarge,
        EntryError::StorageFull => Code::StorageFull,
        EntryError::Port(error) => port_code(error),
        _ => Code::Internal,
    }
}

fn refusal_code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::TypeNotAllowed => Code::TypeNotAllowed,
        Refusal::Malformed => Code::MalformedMessage,
        Refusal::TooLarge => Code::MessageTooLarge,
        Refusal::UnknownUser => Code::UnknownUser,
        Refusal::UnknownGroup => Code::UnknownGroup,
        Refusal::NotMember => Code::NotMember,
        Refusal::Muted => Code::Muted,
        Refusal::GroupMuted => Code::GroupMuted,
        Refusal::RateLimited => Code::RateLimited,
        Refusal::StorageFull => Code::StorageFull,
        Refusal::Unavailable => Code::Unavailable,
        Refusal::Blacklisted => Code::Blacklisted,
        Refusal::NotFriend => Code::NotFriend,
    }
}

fn port_code(error: &PortError) -> Code {
    match error {
        PortError::Unavailable { .. } => Code::Unavailable,
        PortError::Damaged { .. } => Code::Damaged,
        _ => Code::Internal,
    }
}

/// What the caller reads: of a failing backend nothing but that it failed.
fn public_message(error: &ApiError, code: Code) -> String {
    match error {
        ApiError::InvalidField { message, .. } => message.clone().into_owned(),
        ApiError::Port(_)
        | ApiError::Group(GroupError::Port(_))
        | ApiError::Revoke(RevokeError::Port(_))
        | ApiError::Entry(EntryError::Port(_))
        | ApiError::Random(_)
        | ApiError::Metrics(_) => match code {
            Code::Unavailable => "the server is temporarily unavailable; repeat the call later".to_owned(),
            Code::Damaged => "stored data is damaged; the server's log says where".to_owned(),
            _ => "internal error; the server's log says more".to_owned(),
        },
        _ => error.to_string(),
    }
}

/// The cause of a 5xx answer, once, here: nobody passes it on.
fn log(error: &ApiError, code: Code) {
    if !code.status().is_server_error() {
        return;
    }
    let cause = std::error::Error::source(error).map(ToString::to_string);
    match code {
        Code::Damaged | Code::Internal => {
            tracing::error!(code = code.as_str(), %error, cause, "admin call failed");
        }
        _ => tracing::info!(code = code.as_str(), %error, cause, "admin call not done"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_and_group_error_has_a_code_of_its_own() {
        let refusals = [
            (Refusal::TypeNotAllowed, "type_not_allowed", 422),
            (Refusal::Malformed, "malformed_message", 422),
            (Refusal::TooLarge, "message_too_large", 413),
            (Refusal::UnknownUser, "unknown_user", 404),
            (Refusal::UnknownGroup, "unknown_group", 404),
            (Refusal::NotMember, "not_member", 403),
            (Refusal::Muted, "muted", 403),
            (Refusal::GroupMuted, "group_muted", 403),
            (Refusal::RateLimited, "rate_limited", 429),
            (Refusal::StorageFull, "storage_full", 503),
            (Refusal::Unavailable, "unavailable", 503),
            (Refusal::Blacklisted, "blacklisted", 403),
            (Refusal::NotFriend, "not_friend", 403),
        ];
        for (refusal, text, status) in refusals {
            let code = refusal_code(refusal);
            assert_eq!((code.as_str(), code.status().as_u16()), (text, status), "{refusal:?}");
        }
        let revocations = [
            (RevokeError::UnknownMessage, "unknown_message", 404),
            (RevokeError::NotAllowed, "revoke_not_allowed", 403),
            (RevokeError::Expired { within_s: 1 }, "revoke_expired", 403),
        ];
        for (error, text, status) in revocations {
            let code = revoke_code(&error);
            assert_eq!((code.as_str(), code.status().as_u16()), (text, status), "{error:?}");
        }
        let groups = [
            (GroupError::NotFound, "unknown_group", 404),
            (GroupError::Exists, "group_exists", 409),
            (GroupError::TooManyMembers { members_max: 1 }, "too_many_members", 409),
            (GroupError::NotMember, "unknown_member", 404),
            (GroupError::IsOwner, "is_owner", 409),
            (GroupError::StaysSuper, "stays_super", 409),
            (GroupError::AdminLimit, "admin_limit", 409),
            (GroupError::TooLarge, "change_too_large", 413),
            (GroupError::OperatorNotMember, "operator_not_member", 403),
            (GroupError::NeedAdmin, "need_admin", 403),
            (GroupError::NeedOwner, "need_owner", 403),
            (GroupError::NeedHigherRole, "need_higher_role", 403),
            (GroupError::InviteDenied, "invite_denied", 403),
            (GroupError::CannotMuteAdmins, "cannot_mute_admins", 403),
            (GroupError::TransferToSelf, "transfer_to_self", 409),
        ];
        for (error, text, status) in groups {
            let code = group_code(&error);
            assert_eq!((code.as_str(), code.status().as_u16()), (text, status), "{error:?}");
        }
    }

    #[test]
    fn every_entry_error_has_a_code() {
        let down = PortError::Unavailable { what: "journal", why: String::new() };
        let entries = [
            (EntryError::TooManyUsers { users_max: 1 }, "too_many_users", 422),
            (EntryError::UnknownGroup, "unknown_group", 404),
            (EntryError::IdAhead, "malformed_message", 422),
            (EntryError::TooLarge, "message_too_large", 413),
            (EntryError::StorageFull, "storage_full", 503),
            (EntryError::Port(down), "unavailable", 503),
        ];
        for (error, text, status) in entries {
            let code = entry_code(&error);
            assert_eq!((code.as_str(), code.status().as_u16()), (text, status), "{error:?}");
        }
    }

    #[test]
    fn what_failed_behind_a_port_is_not_told() {
        let secret = || PortError::Damaged { what: "state", why: "/secret/path".to_owned() };
        let errors = [
            ApiError::Port(secret()),
            ApiError::Group(GroupError::Port(secret())),
            ApiError::Revoke(RevokeError::Port(secret())),
            ApiError::Entry(EntryError::Port(secret())),
        ];
        for error in errors {
            let message = public_message(&error, code_of(&error));
            assert!(!message.contains("secret") && !message.contains("state:"), "{message}");
        }
    }

    #[test]
    fn codes_are_unique() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
