//! What is no PROXY header.

/// Bytes that cannot become a PROXY header. Close without an answer: whoever sent them is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither version begins like this.
    #[error("not a PROXY header")]
    NotAHeader,
    /// Version 1: a line that is not of the form, or does not end in time.
    #[error("the line of a PROXY header is malformed")]
    Line,
    /// Version 1: an address or port that is none.
    #[error("an address in a PROXY header is malformed")]
    Address,
    /// Version 2: another version, or a command that is not defined.
    #[error("version or command of a PROXY header is unknown")]
    Command,
    /// Version 2: an address family or transport that is not defined.
    #[error("address family of a PROXY header is unknown")]
    Family,
    /// Version 2: shorter than the addresses it announces.
    #[error("a PROXY header is shorter than its addresses")]
    TooShort,
    /// Version 2: longer than is taken.
    #[error("a PROXY header is too long")]
    TooLong,
}
