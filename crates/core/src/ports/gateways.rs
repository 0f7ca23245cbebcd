//! Gateways: how other roles reach connections and waiting calls.

use crate::command::{ReplyTo, SendOutcome};
use crate::session::{ConnAddr, KickReason};

/// Reaches connections by address. Bounded: what a full bucket cannot take is refused and counted; the client's
/// repetition gets the answer then.
pub trait Gateways: Send + Sync {
    /// Tells the sender what became of a message. `false`: the connection is gone or its bucket's queue full.
    fn reply(&self, to: ReplyTo, outcome: SendOutcome) -> bool;

    /// Ends a connection. `false`: it could not be told.
    fn kick(&self, addr: ConnAddr, reason: KickReason) -> bool;
}
