//! Records that logic itself puts into the journal.

use std::future::poll_fn;
use std::sync::Arc;

use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::journal::{AppendRefused, Journal};
use halley_core::record::Record;

/// Why a record is not in the journal, as far as is known.
pub(crate) enum NotAppended {
    /// It is larger than the journal takes.
    TooLarge,
    /// The journal does not take it now, or was lost and nobody knows.
    Unavailable(PortError),
}

/// Appends a record and waits until it is durable; waits for room when the tail is full.
///
/// # Errors
/// When the record is not in the journal, or the journal was lost and nobody knows.
pub(crate) async fn append_durable(
    journal: &dyn Journal,
    record: &Arc<Record>,
) -> Result<SyncKey, NotAppended> {
    let ticket = loop {
        match journal.append(record) {
            Ok(ticket) => break ticket,
            Err(AppendRefused::Full) => poll_fn(|context| journal.poll_ready(context)).await,
            Err(AppendRefused::TooLarge) => return Err(NotAppended::TooLarge),
            Err(refused) => return Err(unavailable(&refused.to_string())),
        }
    };
    ticket.await.map_err(|lost| unavailable(&lost.to_string()))
}

fn unavailable(why: &str) -> NotAppended {
    NotAppended::Unavailable(PortError::Unavailable { what: "journal", why: why.to_owned() })
}
