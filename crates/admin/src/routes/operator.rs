//! In whose name a group is changed, and whether its members are told: in the body, or in the query of a `DELETE`.

use halley_core::group::GroupChange;
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::ports::business::GroupEdit;
use serde::Deserialize;

use crate::errors::ApiError;
use crate::state::Inner;

/// Who changes the group, and whether members are told.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ByQuery {
    /// A member in whose name it is done: needs the rights for it, and is who the others are told. Who removes themself leaves. When
    /// absent it is the system's call, which may do everything.
    #[param(min_length = 1, max_length = 128)]
    operator: Option<String>,
    /// `true`: nobody is told.
    #[param(value_type = Option<bool>)]
    silent: Option<String>,
}

impl ByQuery {
    pub(crate) async fn by(&self, inner: &Inner, app: AppId) -> Result<By, ApiError> {
        let silent = match self.silent.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ApiError::field("silent", "must be true or false")),
        };
        By::new(inner, app, self.operator.as_deref(), silent).await
    }
}

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct By {
    pub(crate) operator: Option<UserId>,
    pub(crate) silent: bool,
}

impl By {
    pub(crate) async fn new(
        inner: &Inner,
        app: AppId,
        operator: Option<&str>,
        silent: bool,
    ) -> Result<Self, ApiError> {
        let operator = match operator {
            Some(operator) => Some(inner.known_user(app, operator).await?),
            None => None,
        };
        Ok(Self { operator, silent })
    }

    pub(crate) fn edit(self, app: AppId, group: GroupId, change: GroupChange) -> GroupEdit {
        GroupEdit { app, group, change, operator: self.operator, silent: self.silent }
    }
}
