//! The error codes of the API, in one list. **Append only**: a code that is no longer used stays here, and is never
//! given another meaning.

use axum::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident;)*) => {
        /// What programs read in `error.code`; each has one HTTP status.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them, in the order in which they were added.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it stands in `error.code`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    /// No bearer token, or another one.
    Unauthorized = "unauthorized", UNAUTHORIZED;
    /// The API has no such path.
    UnknownPath = "unknown_path", NOT_FOUND;
    /// The path has no such method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The body is not declared as `application/json`.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    /// The body is larger than 1 MiB.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE;
    /// The body could not be read to its end.
    BodyUnreadable = "body_unreadable", BAD_REQUEST;
    /// The body is not JSON.
    InvalidJson = "invalid_json", BAD_REQUEST;
    /// A field of body, query or path is missing, unknown or has a value it cannot have; `error.field` names it.
    InvalidField = "invalid_field", BAD_REQUEST;
    /// No such app.
    UnknownApp = "unknown_app", NOT_FOUND;
    /// No such user (an id that is no decimal and has no alias).
    UnknownUser = "unknown_user", NOT_FOUND;
    /// No such group.
    UnknownGroup = "unknown_group", NOT_FOUND;
    /// No such token, or it has expired.
    UnknownToken = "unknown_token", NOT_FOUND;
    /// No such session, or it has ended.
    UnknownSession = "unknown_session", NOT_FOUND;
    /// The user that the call is about is not a member of the group.
    UnknownMember = "unknown_member", NOT_FOUND;
    /// The group id is taken.
    GroupExists = "group_exists", CONFLICT;
    /// More members than a group of this kind may have.
    TooManyMembers = "too_many_members", CONFLICT;
    /// The owner cannot leave or lose the role.
    IsOwner = "is_owner", CONFLICT;
    /// A super group cannot become a normal one.
    StaysSuper = "stays_super", CONFLICT;
    /// The message type is not one that can be sent.
    TypeNotAllowed = "type_not_allowed", UNPROCESSABLE_ENTITY;
    /// The message is malformed.
    MalformedMessage = "malformed_message", UNPROCESSABLE_ENTITY;
    /// The message is too large for every path it may take.
    MessageTooLarge = "message_too_large", PAYLOAD_TOO_LARGE;
    /// The sender is not a member of the group.
    NotMember = "not_member", FORBIDDEN;
    /// The sender is muted in the group.
    Muted = "muted", FORBIDDEN;
    /// Only owner and admins may speak in the group.
    GroupMuted = "group_muted", FORBIDDEN;
    /// Too many messages in too short a time.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS;
    /// The disk is nearly full: no message is taken until there is room.
    StorageFull = "storage_full", SERVICE_UNAVAILABLE;
    /// A part that is needed did not answer; the same call may succeed later.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE;
    /// Stored data is damaged: an operator must act, the server's log says where.
    Damaged = "damaged", INTERNAL_SERVER_ERROR;
    /// Too many calls at once; the same call may succeed later.
    Busy = "busy", SERVICE_UNAVAILABLE;
    /// No outcome in time; it is not known. Repeat (a message with the same `client_id`).
    Timeout = "timeout", SERVICE_UNAVAILABLE;
    /// A defect of the server; its log says more.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// The receiver has blacklisted the sender.
    Blacklisted = "blacklisted", FORBIDDEN;
    /// The app allows private messages between friends only.
    NotFriend = "not_friend", FORBIDDEN;
    /// A backup is being made already.
    BackupRunning = "backup_running", CONFLICT;
    /// No such message.
    UnknownMessage = "unknown_message", NOT_FOUND;
    /// The operator may not revoke this message.
    RevokeNotAllowed = "revoke_not_allowed", FORBIDDEN;
    /// The time within which an author may revoke a message is over.
    RevokeExpired = "revoke_expired", FORBIDDEN;
    /// The group has as many admins as it may.
    AdminLimit = "admin_limit", CONFLICT;
    /// The change names too many users for one call.
    ChangeTooLarge = "change_too_large", PAYLOAD_TOO_LARGE;
    /// The operator is not a member of the group.
    OperatorNotMember = "operator_not_member", FORBIDDEN;
    /// The operator must be an admin or the owner.
    NeedAdmin = "need_admin", FORBIDDEN;
    /// The operator must be the owner.
    NeedOwner = "need_owner", FORBIDDEN;
    /// The operator's role must be higher than that of everybody who is removed.
    NeedHigherRole = "need_higher_role", FORBIDDEN;
    /// In this group only the owner and admins may invite.
    InviteDenied = "invite_denied", FORBIDDEN;
    /// The owner and admins cannot be muted.
    CannotMuteAdmins = "cannot_mute_admins", FORBIDDEN;
    /// The operator owns the group already.
    TransferToSelf = "transfer_to_self", CONFLICT;
    /// No such device of the user.
    UnknownDevice = "unknown_device", NOT_FOUND;
    /// This version has no rooms.
    RoomsUnsupported = "rooms_unsupported", UNPROCESSABLE_ENTITY;
    /// More users than one call takes.
    TooManyUsers = "too_many_users", UNPROCESSABLE_ENTITY;
    /// The two users of a relation are the same.
    RelationToSelf = "relation_to_self", CONFLICT;
}
