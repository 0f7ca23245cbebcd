//! What a message must satisfy by itself, whoever sends it to whomever.

use halley_core::command::{Refusal, SendCommand};

/// Longest client id, in bytes (the original's column holds 40 characters, spec 7.2).
pub const CLIENT_ID_BYTES_MAX: usize = 255;

/// Whether clients may send this message type (spec 2.4, the column "accepted from clients").
#[must_use]
pub fn is_client_type(kind: i32) -> bool {
    matches!(kind, 1..=6 | 8 | 10 | 12 | 13)
}

/// Type and size of the parts.
pub(crate) fn check(command: &SendCommand) -> Result<(), Refusal> {
    if !is_client_type(command.content.kind) {
        return Err(Refusal::TypeNotAllowed);
    }
    if command.client_id.len() > CLIENT_ID_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accepted_types_are_those_of_the_spec() {
        let accepted: Vec<i32> = (-1..20).filter(|kind| is_client_type(*kind)).collect();
        assert_eq!(accepted, [1, 2, 3, 4, 5, 6, 8, 10, 12, 13]);
    }
}
