//! Authentication: what a token proves, by the ways its app accepts.

use std::sync::Arc;

use halley_core::app::{App, AuthMethod};
use halley_core::command::{ConnectRefused, ConnectRequest};
use halley_core::ids::UserId;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{TOKEN_BYTES_MAX, USER_NAME_BYTES_MAX, Unknown};

use crate::service::Ports;

impl Ports {
    /// Who this is.
    pub(crate) async fn authenticate(
        &self,
        request: &ConnectRequest,
        now_ms: u64,
    ) -> Result<(Arc<App>, UserId, Arc<str>), ConnectRefused> {
        if request.app.is_empty() || request.token.is_empty() || request.token.len() > TOKEN_BYTES_MAX {
            return Err(ConnectRefused::Malformed);
        }
        let app = self.apps.by_name(&request.app).await.map_err(unavailable)?;
        let app = app.ok_or(ConnectRefused::UnknownApp)?;
        let mut user = None;
        for method in &app.settings.auth {
            user = self.prove(&app, *method, &request.token, now_ms).await?;
            if user.is_some() {
                break;
            }
        }
        let user = user.ok_or(ConnectRefused::InvalidToken)?;
        let name = self.users.name(app.id, user).await.map_err(unavailable)?;
        let name = name.ok_or(ConnectRefused::InvalidToken)?;
        Ok((app, user, name))
    }

    async fn prove(
        &self,
        app: &App,
        method: AuthMethod,
        token: &str,
        now_ms: u64,
    ) -> Result<Option<UserId>, ConnectRefused> {
        match method {
            AuthMethod::Token => {
                let grant = self.tokens.verify(app.id, token, now_ms).await.map_err(unavailable)?;
                Ok(grant.map(|grant| grant.user))
            }
            AuthMethod::Dev if token.len() <= USER_NAME_BYTES_MAX => {
                self.users.number(app.id, token, Unknown::Number).await.map_err(unavailable)
            }
            // A way that a newer version has; it proves nothing here.
            _ => Ok(None),
        }
    }
}

pub(crate) fn unavailable(error: PortError) -> ConnectRefused {
    tracing::warn!(%error, "a login could not be decided");
    ConnectRefused::Unavailable
}
