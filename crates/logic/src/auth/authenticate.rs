//! The order of the ways: each that an app accepts is tried in its order until one says yes.
//!
//! A way that says no, or cannot say (its server is down, its queue full), leaves the word to the next: an app that lists
//! a weaker way behind a stronger one accepts the weaker whatever the stronger says. Only "another phone has logged in
//! since" is final. A login that no way accepts is refused for the most telling reason: what could not be decided before
//! what was too old, and that before a plain no.

use std::sync::Arc;

use halley_core::app::{App, AuthMethod};
use halley_core::command::{ConnectRefused, ConnectRequest};
use halley_core::ids::UserId;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{TOKEN_BYTES_MAX, USER_NAME_BYTES_MAX, Unknown};

use super::http::{Answer, Question};
use super::jwt::{self, Unchecked};
use super::pool::NotDone;
use super::replay::{NotNow, Use};
use super::signed::{self, Signed};
use crate::service::Ports;

/// Who a client is.
pub(crate) struct Proven {
    pub(crate) app: Arc<App>,
    pub(crate) user: UserId,
    pub(crate) user_name: Arc<str>,
    /// To be kept when the login succeeds.
    pub(crate) token_use: Option<Use>,
}

/// What one way says.
type Verdict = Result<(UserId, Option<Use>), ConnectRefused>;

const NO: ConnectRefused = ConnectRefused::InvalidToken;

impl Ports {
    /// Who this is.
    pub(crate) async fn authenticate(
        &self,
        request: &ConnectRequest,
        now_ms: u64,
    ) -> Result<Proven, ConnectRefused> {
        if request.app.is_empty() || request.token.is_empty() || request.token.len() > TOKEN_BYTES_MAX {
            return Err(ConnectRefused::Malformed);
        }
        let app = self.apps.by_name(&request.app).await.map_err(unavailable)?;
        let app = app.ok_or(ConnectRefused::UnknownApp)?;
        let mut refused = NO;
        for method in &app.settings.auth {
            match self.prove(&app, *method, request, now_ms).await {
                Ok((user, token_use)) => {
                    let name = self.users.name(app.id, user).await.map_err(unavailable)?;
                    let user_name = name.ok_or(NO)?;
                    return Ok(Proven { app, user, user_name, token_use });
                }
                Err(newer @ ConnectRefused::NewerDevice(_)) => return Err(newer),
                Err(why) => {
                    if weight(&why) > weight(&refused) {
                        refused = why;
                    }
                }
            }
        }
        Err(refused)
    }

    async fn prove(
        &self,
        app: &Arc<App>,
        method: AuthMethod,
        request: &ConnectRequest,
        now_ms: u64,
    ) -> Verdict {
        match method {
            AuthMethod::Token => {
                let grant = self.tokens.verify(app.id, &request.token, now_ms).await;
                let grant = grant.map_err(unavailable)?.ok_or(NO)?;
                Ok((grant.user, None))
            }
            AuthMethod::Jwt => self.prove_jwt(app, &request.token, now_ms).await,
            AuthMethod::Signature => self.prove_signed(app, &request.token, now_ms).await,
            AuthMethod::Http => self.prove_http(app, request).await,
            AuthMethod::Dev if request.token.len() <= USER_NAME_BYTES_MAX => {
                self.user_of(app, &request.token).await
            }
            // A way that a newer version has; it proves nothing here.
            _ => Err(NO),
        }
    }

    async fn prove_signed(&self, app: &App, token: &str, now_ms: u64) -> Verdict {
        let signed = Signed::read(token, &app.name, now_ms).map_err(|wrong| match wrong {
            signed::Wrong::Shape => NO,
            signed::Wrong::Expired => ConnectRefused::Expired,
        })?;
        let (name, until_ms) = (signed.name(), signed.until_ms());
        let user = self.auth.checks.run(app.id, move || signed.verify()).await;
        let user = user.map_err(not_done)?.ok_or(NO)?;
        let token_use = if app.settings.replay_guard {
            let taken = self.auth.used.take(app.id, name, until_ms, now_ms);
            Some(taken.map_err(|not_now| match not_now {
                NotNow::Used => ConnectRefused::Replayed,
                NotNow::Full => ConnectRefused::Busy,
            })?)
        } else {
            None
        };
        let (user, _) = self.user_of(app, &user).await?;
        Ok((user, token_use))
    }

    async fn prove_jwt(&self, app: &Arc<App>, token: &str, now_ms: u64) -> Verdict {
        let settings = app.settings.jwt.as_ref().ok_or(NO)?;
        let unchecked = Unchecked::read(token, settings, now_ms).map_err(|wrong| match wrong {
            jwt::Wrong::Shape => NO,
            jwt::Wrong::Expired => ConnectRefused::Expired,
        })?;
        let (keys, at) = (Arc::clone(&self.auth.keys), Arc::clone(app));
        let check = move || {
            let settings = at.settings.jwt.as_ref().ok_or(NO)?;
            let keys = keys.of(&at, settings).ok_or(ConnectRefused::Unavailable)?;
            unchecked.verify(&keys).ok_or(NO)
        };
        let user = self.auth.checks.run(app.id, check).await.map_err(not_done)??;
        self.user_of(app, &user).await
    }

    async fn prove_http(&self, app: &App, request: &ConnectRequest) -> Verdict {
        let settings = app.settings.http_auth.as_ref().ok_or(NO)?;
        let question = Question::new(app.id, settings, request).ok_or(NO)?;
        match self.auth.caller.ask(app.id, settings, question, &self.clock).await {
            Answer::Yes(user) => self.user_of(app, &user).await,
            Answer::No => Err(NO),
            Answer::NewerDevice(login) => Err(ConnectRefused::NewerDevice(login)),
            Answer::Unknown => Err(ConnectRefused::Unavailable),
            Answer::Busy => Err(ConnectRefused::Busy),
        }
    }

    /// The user of this id, who may be new. An id that nobody can have is nobody's.
    async fn user_of(&self, app: &App, name: &str) -> Verdict {
        let user = self.users.number(app.id, name, Unknown::Number).await.map_err(unavailable)?;
        Ok((user.ok_or(NO)?, None))
    }
}

fn weight(why: &ConnectRefused) -> u8 {
    match why {
        ConnectRefused::Unavailable | ConnectRefused::Busy => 3,
        ConnectRefused::Replayed => 2,
        ConnectRefused::Expired => 1,
        _ => 0,
    }
}

fn not_done(why: NotDone) -> ConnectRefused {
    match why {
        NotDone::Full => ConnectRefused::Busy,
        NotDone::Gone => ConnectRefused::Unavailable,
    }
}

pub(crate) fn unavailable(error: PortError) -> ConnectRefused {
    tracing::warn!(%error, "a login could not be decided");
    ConnectRefused::Unavailable
}
