//! The numbers under which this dialect tells refusals (`CommonAck.code`, field 100: ruling 4). Append-only: a number
//! that is given up stays a gap.

use halley_core::command::Refusal;

/// The code of a refusal; 0 is none.
pub(crate) fn code(refusal: Refusal) -> i32 {
    match refusal {
        Refusal::TypeNotAllowed => 1,
        Refusal::Malformed => 2,
        Refusal::TooLarge => 3,
        Refusal::UnknownUser => 4,
        Refusal::UnknownGroup => 5,
        Refusal::NotMember => 6,
        Refusal::Muted => 7,
        Refusal::GroupMuted => 8,
        Refusal::RateLimited => 9,
        Refusal::StorageFull => 10,
        Refusal::Unavailable => 11,
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
        ];
        for (refusal, number) in numbers {
            assert_eq!(code(refusal), number, "{refusal:?}");
        }
    }
}
