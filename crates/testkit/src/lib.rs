//! Whole-server tests: clusters, chaos, crash checkers.
