//! The inbound bus: sends on their way from logic to answer, in per-sender order.

use std::task::{Context, Poll};

use thiserror::Error;

use crate::command::InboundSend;
use crate::ids::BucketId;

/// Why the bus did not take a send.
#[derive(Debug, Error)]
pub enum BusRefused {
    /// Its bounded queue is full: the caller holds the command and stops reading from the client until there is room.
    #[error("the inbound queue is full")]
    Full(Box<InboundSend>),
    /// The server is stopping; the client repeats the message after it reconnects.
    #[error("the inbound bus is closed")]
    Closed(Box<InboundSend>),
}

/// Per-sender order, at least once. A user's partition is the user's bucket.
pub trait Bus: Send + Sync {
    /// Queues a send.
    ///
    /// # Errors
    /// See [`BusRefused`]; the command comes back.
    fn publish(&self, partition: BucketId, send: InboundSend) -> Result<(), BusRefused>;
}

/// The receiving end of one partition; answer holds it.
pub trait BusReader: Send {
    /// Moves up to `max` sends into `into`: ready with `true` when there were some, with `false` when the bus is
    /// closed and empty.
    fn poll_batch(
        &mut self,
        into: &mut Vec<InboundSend>,
        max: usize,
        context: &mut Context<'_>,
    ) -> Poll<bool>;
}
