//! Records that logic itself puts into the journal.

use std::future::poll_fn;
use std::sync::Arc;

use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::journal::{AppendRefused, Journal};
use halley_core::record::Record;
use halley_core::ticket::Ticket;

/// Hands a record to the journal; waits for room when the tail is full. It is durable when the ticket says so.
///
/// # Errors
/// As [`Journal::append`], but never [`AppendRefused::Full`].
pub(crate) async fn take(journal: &dyn Journal, record: &Arc<Record>) -> Result<Ticket, AppendRefused> {
    loop {
        match journal.append(record) {
            Err(AppendRefused::Full) => poll_fn(|context| journal.poll_ready(context)).await,
            taken => return taken,
        }
    }
}

/// Why a record is not in the journal, as far as is known.
pub(crate) enum NotAppended {
    /// It is larger than the journal takes.
    TooLarge,
    /// The journal does not take it now, or was lost and nobody knows.
    Unavailable(PortError),
}

impl From<NotAppended> for PortError {
    fn from(refused: NotAppended) -> Self {
        match refused {
            NotAppended::TooLarge => unavailable("the record is too large"),
            NotAppended::Unavailable(error) => error,
        }
    }
}

/// Appends a record and waits until it is durable; waits for room when the tail is full.
///
/// # Errors
/// When the record is not in the journal, or the journal was lost and nobody knows.
pub(crate) async fn append_durable(
    journal: &dyn Journal,
    record: &Arc<Record>,
) -> Result<SyncKey, NotAppended> {
    let ticket = append(journal, record).await?;
    durable(ticket).await.map_err(NotAppended::Unavailable)
}

/// Appends a record; waits for room when the tail is full.
///
/// # Errors
/// When the record is not in the journal.
pub(crate) async fn append(journal: &dyn Journal, record: &Arc<Record>) -> Result<Ticket, NotAppended> {
    take(journal, record).await.map_err(|refused| match refused {
        AppendRefused::TooLarge => NotAppended::TooLarge,
        refused => NotAppended::Unavailable(unavailable(&refused.to_string())),
    })
}

/// Waits until a record is durable; answers its key.
///
/// # Errors
/// When the journal was lost and nobody knows.
pub(crate) async fn durable(ticket: Ticket) -> Result<SyncKey, PortError> {
    ticket.await.map_err(|lost| unavailable(&lost.to_string()))
}

pub(crate) fn unavailable(why: &str) -> PortError {
    PortError::Unavailable { what: "journal", why: why.to_owned() }
}
