//! What keeps its promises on the local disk: the acknowledged log, the index derived from it, the state database.

pub mod index;
pub mod journal;
pub mod state;

/// An error and what caused it, in one line, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
