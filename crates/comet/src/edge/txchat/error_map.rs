//! Which code of the dialect (`CommonAck.code`, ruling 4) tells which refusal.

use halley_core::command::Refusal;
use halley_wire::txchat::refusal_code;

/// The code of a refusal; 0 is none.
pub(crate) fn code(refusal: Refusal) -> i32 {
    match refusal {
        Refusal::TypeNotAllowed => refusal_code::TYPE_NOT_ALLOWED,
        Refusal::Malformed => refusal_code::MALFORMED,
        Refusal::TooLarge => refusal_code::TOO_LARGE,
        Refusal::UnknownUser => refusal_code::UNKNOWN_USER,
        Refusal::UnknownGroup => refusal_code::UNKNOWN_GROUP,
        Refusal::NotMember => refusal_code::NOT_MEMBER,
        Refusal::Muted => refusal_code::MUTED,
        Refusal::GroupMuted => refusal_code::GROUP_MUTED,
        Refusal::RateLimited => refusal_code::RATE_LIMITED,
        Refusal::StorageFull => refusal_code::STORAGE_FULL,
        Refusal::Unavailable => refusal_code::UNAVAILABLE,
        Refusal::Blacklisted => refusal_code::BLACKLISTED,
        Refusal::NotFriend => refusal_code::NOT_FRIEND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_change() {
        let numbers = [
            (Refusal::TypeNotAllowed, 1),
            (Refusal::Malformed, 2),
            (Refusal::TooLarge, 3),
            (Refusal::UnknownUser, 4),
            (Refusal::UnknownGroup, 5),
            (Refusal::NotMember, 6),
            (Refusal::Muted, 7),
            (Refusal::GroupMuted, 8),
            (Refusal::RateLimited, 9),
            (Refusal::StorageFull, 10),
            (Refusal::Unavailable, 11),
            (Refusal::Blacklisted, 12),
            (Refusal::NotFriend, 13),
        ];
        for (refusal, number) in numbers {
            assert_eq!(code(refusal), number, "{refusal:?}");
        }
    }
}
