//! Apps (tenants) and their settings.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::AppId;

/// How a client of an app may prove who it is; an app lists the ways it accepts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AuthMethod {
    /// Access tokens of the local table (or the Redis hash).
    Token,
    /// The token *is* the user id. For development; said loudly at start and refused unless enabled.
    Dev,
}

/// An app's settings: what `PUT /v1/apps/{app}` keeps. Fields that an older build wrote without take the default.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct AppSettings {
    /// Accepted ways of authentication, tried in order.
    pub auth: Vec<AuthMethod>,
}

impl Default for AppSettings {
    fn default() -> Self {
        Self { auth: vec![AuthMethod::Token] }
    }
}

/// An app as the roles use it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct App {
    /// Its number in records and keys.
    pub id: AppId,
    /// What clients call it: 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub name: Arc<str>,
    /// How it behaves.
    pub settings: AppSettings,
}

/// Longest app name, in bytes.
pub const APP_NAME_BYTES_MAX: usize = 64;

/// Whether an app may have this name: 1 to 64 of `A-Z a-z 0-9 _ . -` (it becomes part of topic names).
#[must_use]
pub fn is_app_name(name: &str) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    (1..=APP_NAME_BYTES_MAX).contains(&name.len()) && name.as_bytes().iter().all(allowed)
}
