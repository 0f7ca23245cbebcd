//! From the ids of a request to what they name, and back.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use halley_core::app::{App, is_app_name};
use halley_core::group::Group;
use halley_core::ids::{AppId, GroupId, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::accounts::Unknown;

use crate::errors::ApiError;
use crate::state::Inner;

impl Inner {
    /// The app of a path.
    pub(crate) async fn app(&self, name: &str) -> Result<Arc<App>, ApiError> {
        check_app_name(name)?;
        self.state.apps.by_name(name).await?.ok_or(ApiError::UnknownApp)
    }

    /// A user that must be known: a decimal id, or one that has a number.
    pub(crate) async fn known_user(&self, app: AppId, name: &str) -> Result<UserId, ApiError> {
        let user = self.state.users.number(app, name, Unknown::Refuse).await?;
        user.ok_or(ApiError::UnknownUser)
    }

    /// A user that the call introduces: an id without a number gets one. `field` is where the id stood.
    pub(crate) async fn new_user(
        &self,
        app: AppId,
        name: &str,
        field: impl Into<Cow<'static, str>>,
    ) -> Result<UserId, ApiError> {
        let user = self.state.users.number(app, name, Unknown::Number).await?;
        user.ok_or_else(|| ApiError::field(field, "a user id is 1 to 128 bytes"))
    }

    /// The users of a list that introduces them.
    pub(crate) async fn new_users(
        &self,
        app: AppId,
        names: &[String],
        field: &str,
    ) -> Result<Vec<UserId>, ApiError> {
        let mut users = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            users.push(self.new_user(app, name, format!("{field}[{at}]")).await?);
        }
        Ok(users)
    }

    /// A group of a path.
    pub(crate) async fn group(&self, app: AppId, gid: &str) -> Result<Arc<Group>, ApiError> {
        let id = group_id(gid, "gid")?;
        let group = self.state.groups.group(app, id).await?;
        group.ok_or(ApiError::UnknownGroup)
    }
}

/// Refuses a name that no app can have.
pub(crate) fn check_app_name(name: &str) -> Result<(), ApiError> {
    if is_app_name(name) {
        return Ok(());
    }
    Err(ApiError::field("app", "an app name is 1 to 64 of A-Z a-z 0-9 _ . -"))
}

/// A decimal in its one spelling: no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical { text.parse().ok() } else { None }
}

/// A group id.
pub(crate) fn group_id(text: &str, field: &'static str) -> Result<GroupId, ApiError> {
    GroupId::from_decimal(text)
        .ok_or_else(|| ApiError::field(field, "a group id is a decimal from 1 to 9223372036854775807"))
}

/// A message id.
pub(crate) fn message_id(text: &str, field: &'static str) -> Result<MsgId, ApiError> {
    decimal(text)
        .map(MsgId)
        .ok_or_else(|| ApiError::field(field, "a message id is a decimal from 0 to 9223372036854775807"))
}

/// A key of a timeline.
pub(crate) fn sync_key(text: &str, field: &'static str) -> Result<SyncKey, ApiError> {
    decimal(text)
        .and_then(SyncKey::from_raw)
        .ok_or_else(|| ApiError::field(field, "a key is a decimal as `entries[].key` gives it, or 0"))
}

/// How many items a page has.
pub(crate) fn page_limit(text: Option<&str>, default: usize, max: usize) -> Result<usize, ApiError> {
    let Some(text) = text else {
        return Ok(default);
    };
    let limit =
        decimal(text).and_then(|limit| usize::try_from(limit).ok()).filter(|limit| (1..=max).contains(limit));
    limit.ok_or_else(|| ApiError::field("limit", format!("must be a number from 1 to {max}")))
}

/// The ids of users as clients know them, each asked for once.
pub(crate) struct Names<'a> {
    inner: &'a Inner,
    app: AppId,
    known: HashMap<UserId, Arc<str>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(inner: &'a Inner, app: AppId) -> Self {
        Self { inner, app, known: HashMap::new() }
    }

    /// The id of a user; the number itself if the alias table does not have it.
    pub(crate) async fn of(&mut self, user: UserId) -> Result<String, ApiError> {
        let name = match self.known.entry(user) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(place) => {
                let name = self.inner.state.users.name(self.app, user).await?;
                place.insert(name.unwrap_or_else(|| user.to_string().into()))
            }
        };
        Ok(name.to_string())
    }
}
