//! The ports: how roles meet, and what backends promise. Each module says what its trait promises; one conformance
//! suite per port checks it for every implementation.
//!
//! A method that is on a hot path answers [`crate::reply::Reply`]: at once from memory or a local store, later from a
//! remote one. All traits are dyn-safe.

pub mod accounts;
pub mod backup;
pub mod bus;
pub mod business;
pub mod cursors;
pub mod dedup;
pub mod devices;
pub mod directory;
pub mod feed;
pub mod floors;
pub mod gateways;
pub mod index;
pub mod journal;
pub mod logic;
pub mod relations;
pub mod removal;
pub mod retention;
pub mod timelines;

use thiserror::Error;

/// A backend did not do what was asked.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortError {
    /// It is down, slow or closing: retry later; nothing was lost.
    #[error("{what} is unavailable: {why}")]
    Unavailable {
        /// Which backend.
        what: &'static str,
        /// In its own words, for the log.
        why: String,
    },
    /// What it holds is damaged: retrying will not help, an operator must act.
    #[error("{what} is damaged: {why}")]
    Damaged {
        /// Which backend.
        what: &'static str,
        /// What was found, for the log.
        why: String,
    },
}
