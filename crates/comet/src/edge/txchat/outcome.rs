//! The body of a SendMsgReply (spec 2.3, ruling 4).

use halley_core::command::SendOutcome;
use halley_wire::txchat::{Ack, AckBytes};

use super::error_map;

/// The outcome of a send as envelope(commonAck).
pub(crate) fn outcome(outcome: SendOutcome) -> AckBytes {
    let ack = match outcome {
        SendOutcome::Accepted { id, time_ms } => Ack { mid: id.0, datetime: time_ms, code: 0 },
        SendOutcome::Refused(refusal) => Ack { mid: 0, datetime: 0, code: error_map::code(refusal) },
    };
    ack.encode()
}
