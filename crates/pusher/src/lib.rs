//! The pusher role: the tail of the journal, feed and fresh reads.
