//! Black-box load generator.
