//! The answer role: check, filter, append, acknowledge.
