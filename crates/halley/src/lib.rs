//! The composition root: command line, configuration, and how the roles are joined into a server.
//!
//! Owns: which implementation stands behind which port; threads and runtimes; signals; the order of start and stop.
//!
//! Does not: decide anything about messages, connections or storage; the roles and backends do.
//!
//! A library beside the binary so that whole-server tests compose exactly what `halley serve` runs.

pub mod admin_client;
pub mod admin_commands;
pub mod backup;
pub mod bench_setup;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod doctor;
pub mod exit;
pub mod logging;
pub mod serve;
pub mod verify;
