//! The operating system: readiness, sockets, limits.
