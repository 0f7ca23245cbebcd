//! The endpoints, one file per family: its forms, its handlers, its routes.

pub(crate) mod aliases;
mod app_settings;
pub(crate) mod apps;
pub(crate) mod backups;
pub(crate) mod devices;
pub(crate) mod export;
pub(crate) mod groups;
pub(crate) mod health;
pub(crate) mod members;
pub(crate) mod message_body;
pub(crate) mod messages;
pub(crate) mod operator;
pub(crate) mod relations;
pub(crate) mod removal;
pub(crate) mod sessions;
pub(crate) mod stats;
pub(crate) mod system;
pub(crate) mod timelines;
pub(crate) mod tokens;
