//! The admin HTTP API, metrics and health over the ports.
