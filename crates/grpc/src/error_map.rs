//! The one place where errors become gRPC statuses.
//!
//! The matches name every variant there is. Where core's enum is `non_exhaustive` the compiler wants one arm more; it answers
//! INTERNAL, and a test holds every variant of today against it.

use halley_core::ports::PortError;
use halley_core::ports::business::{EntryError, GroupError};
use prost::Message as _;
use tonic::{Code, Status};

use crate::comet::PushMsgReply;

/// Of a failing backend the caller reads nothing but that it failed; the log says the rest, once, here.
pub(crate) fn port_error(error: &PortError) -> Status {
    match error {
        PortError::Unavailable { .. } => {
            tracing::info!(%error, "a gRPC call was not done");
            Status::unavailable("the server is temporarily unavailable; repeat the call later")
        }
        PortError::Damaged { .. } => {
            tracing::error!(%error, "a gRPC call failed");
            Status::data_loss("stored data is damaged; the server's log says where")
        }
        _ => {
            tracing::error!(%error, "a gRPC call failed");
            Status::internal("internal error; the server's log says more")
        }
    }
}

pub(crate) fn entry_error(error: &EntryError) -> Status {
    match error {
        EntryError::TooManyUsers { .. } | EntryError::IdAhead | EntryError::TooLarge => {
            Status::invalid_argument(error.to_string())
        }
        EntryError::UnknownGroup => Status::not_found(error.to_string()),
        EntryError::StorageFull => Status::resource_exhausted(error.to_string()),
        EntryError::Port(error) => port_error(error),
        _ => Status::internal(error.to_string()),
    }
}

pub(crate) fn group_error(error: &GroupError) -> Status {
    match error {
        GroupError::NotFound => Status::not_found(error.to_string()),
        GroupError::Exists => Status::already_exists(error.to_string()),
        GroupError::TooManyMembers { .. }
        | GroupError::StaysSuper
        | GroupError::AdminLimit
        | GroupError::TransferToSelf
        | GroupError::CannotMuteAdmins => Status::failed_precondition(error.to_string()),
        GroupError::TooLarge => Status::invalid_argument(error.to_string()),
        GroupError::OperatorNotMember
        | GroupError::NeedAdmin
        | GroupError::NeedOwner
        | GroupError::NeedHigherRole
        | GroupError::InviteDenied => Status::permission_denied(error.to_string()),
        // The group was changed by somebody else between reading and changing it, more than once.
        GroupError::NotMember | GroupError::IsOwner => Status::aborted(error.to_string()),
        GroupError::Port(error) => port_error(error),
        _ => Status::internal(error.to_string()),
    }
}

/// `google.rpc.Status`, as clients expect the details of an error.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: bytes::Bytes,
}

/// Some connections were too full: the message says which, the details hold the reply of those that were sent it.
pub(crate) fn windows_full(full: &[&str], sent: &PushMsgReply) -> Status {
    /// Keys that the message names; all others are those that the reply does not.
    const NAMED_MAX: usize = 10;
    let named = full.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = if full.len() > NAMED_MAX { ", ..." } else { "" };
    let message = format!(
        "{} connections have no room and were not sent it: {named}{more}; the details hold the reply for the others",
        full.len()
    );
    let detail = Any {
        type_url: "type.googleapis.com/im.comet.PushMsgReply".to_owned(),
        value: sent.encode_to_vec().into(),
    };
    let code = Code::ResourceExhausted;
    let status = RpcStatus { code: code as i32, message: message.clone(), details: vec![detail] };
    Status::with_details(code, message, status.encode_to_vec().into())
}

/// The name of a code, as the metrics have it.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> PortError {
        PortError::Unavailable { what: "journal", why: "/secret/path".to_owned() }
    }

    #[test]
    fn every_error_has_a_status_and_none_tells_what_is_behind_a_port() {
        let entries = [
            (EntryError::TooManyUsers { users_max: 1 }, Code::InvalidArgument),
            (EntryError::UnknownGroup, Code::NotFound),
            (EntryError::IdAhead, Code::InvalidArgument),
            (EntryError::TooLarge, Code::InvalidArgument),
            (EntryError::StorageFull, Code::ResourceExhausted),
            (EntryError::Port(down()), Code::Unavailable),
        ];
        let groups = [
            (GroupError::NotFound, Code::NotFound),
            (GroupError::Exists, Code::AlreadyExists),
            (GroupError::TooManyMembers { members_max: 1 }, Code::FailedPrecondition),
            (GroupError::NotMember, Code::Aborted),
            (GroupError::IsOwner, Code::Aborted),
            (GroupError::StaysSuper, Code::FailedPrecondition),
            (GroupError::AdminLimit, Code::FailedPrecondition),
            (GroupError::TransferToSelf, Code::FailedPrecondition),
            (GroupError::CannotMuteAdmins, Code::FailedPrecondition),
            (GroupError::TooLarge, Code::InvalidArgument),
            (GroupError::OperatorNotMember, Code::PermissionDenied),
            (GroupError::NeedAdmin, Code::PermissionDenied),
            (GroupError::NeedOwner, Code::PermissionDenied),
            (GroupError::NeedHigherRole, Code::PermissionDenied),
            (GroupError::InviteDenied, Code::PermissionDenied),
            (
                GroupError::Port(PortError::Damaged { what: "state", why: "/secret".to_owned() }),
                Code::DataLoss,
            ),
        ];
        let entries = entries.iter().map(|(error, code)| (entry_error(error), *code));
        let groups = groups.iter().map(|(error, code)| (group_error(error), *code));
        for (status, code) in entries.chain(groups) {
            assert_eq!(status.code(), code, "{status:?}");
            assert!(!status.message().contains("secret"), "{status:?}");
        }
    }

    #[test]
    fn a_full_window_names_the_connections_and_carries_the_reply_for_the_others() {
        let sent = PushMsgReply { index: [("0.0.7".to_owned(), 3)].into() };
        let keys: Vec<String> = (0..11).map(|conn| format!("0.0.{conn}")).collect();
        let full: Vec<&str> = keys.iter().map(String::as_str).collect();
        let status = windows_full(&full, &sent);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(
            status.message().contains("0.0.9, ...") && !status.message().contains("0.0.10"),
            "{status:?}"
        );
        let details = RpcStatus::decode(status.details()).expect("a google.rpc.Status");
        assert_eq!(details.code, 8);
        assert_eq!(PushMsgReply::decode(&details.details[0].value[..]), Ok(sent));
    }
}
