//! Access tokens of users.

use axum::Json;
use axum::extract::State;
use halley_core::ids::{AppId, UserId};
use halley_core::ports::accounts::{TOKEN_BYTES_MAX, TokenGrant};
use halley_core::session::KickReason;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::errors::ApiError;
use crate::extract::{Body, Segments};
use crate::forms::UserIdForm;
use crate::routes::sessions::{Closed, close_all};
use crate::state::{Inner, Shared};
use crate::whole::Whole;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(import, revoke))
}

/// For whom, and for how long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// A user id that is new and no decimal gets a number.
    #[schema(value_type = UserIdForm)]
    user_id: String,
    /// Seconds until it expires; never when null or absent.
    #[schema(value_type = Option<u64>, minimum = 1, example = 86400)]
    ttl_s: Option<Whole<u64>>,
}

/// A token that is valid now. The server keeps its hash only: this is the one time it is told.
#[derive(Serialize, ToSchema)]
struct TokenBody {
    token: String,
    user_id: String,
    /// Unix milliseconds; null for never.
    expires_ms: Option<u64>,
}

impl Inner {
    async fn grant(&self, app: AppId, token: String, new: NewToken) -> Result<Json<TokenBody>, ApiError> {
        let expires_ms = match new.ttl_s {
            None => u64::MAX,
            Some(Whole(0)) => return Err(ApiError::field("ttl_s", "must be at least 1")),
            Some(Whole(ttl_s)) => {
                let now_ms = self.state.clock.now().wall_ms;
                now_ms.saturating_add(ttl_s.saturating_mul(1_000))
            }
        };
        let user = self.new_user(app, &new.user_id, "user_id").await?;
        let grant = TokenGrant { user, expires_ms };
        self.state.tokens.put(app, &token, grant).await?;
        Ok(Json(TokenBody {
            token,
            user_id: new.user_id,
            expires_ms: (expires_ms < u64::MAX).then_some(expires_ms),
        }))
    }
}

/// 256 random bits that fit into a URL.
fn random_token() -> Result<String, ApiError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(ApiError::Random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn check_token(token: &str) -> Result<(), ApiError> {
    if (1..=TOKEN_BYTES_MAX).contains(&token.len()) {
        return Ok(());
    }
    Err(ApiError::field("token", format!("a token is 1 to {TOKEN_BYTES_MAX} bytes")))
}

/// Makes a token for a user.
#[utoipa::path(post, path = "/v1/apps/{app}/tokens", tag = "tokens", operation_id = "token_create", params(("app" = String, Path, description = "Name of the app")), request_body = NewToken, responses((status = 200, description = "The token", body = TokenBody)))]
async fn create(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
    Body(new): Body<NewToken>,
) -> Result<Json<TokenBody>, ApiError> {
    let app = shared.app(&app).await?.id;
    shared.grant(app, random_token()?, new).await
}

/// Imports a token that was made elsewhere. Idempotent; a known token gets the new user and time.
#[utoipa::path(put, path = "/v1/apps/{app}/tokens/{token}", tag = "tokens", operation_id = "token_import", params(("app" = String, Path, description = "Name of the app"), ("token" = String, Path, description = "The token, percent-encoded; 1 to 1024 bytes")), request_body = NewToken, responses((status = 200, description = "The token", body = TokenBody)))]
async fn import(
    State(shared): State<Shared>,
    Segments((app, token)): Segments<(String, String)>,
    Body(new): Body<NewToken>,
) -> Result<Json<TokenBody>, ApiError> {
    let app = shared.app(&app).await?.id;
    check_token(&token)?;
    shared.grant(app, token, new).await
}

/// Revokes a token and closes its connections. Connections do not record the token they came with: all sessions of its user
/// are closed; those with another token log in again.
#[utoipa::path(delete, path = "/v1/apps/{app}/tokens/{token}", tag = "tokens", operation_id = "token_revoke", params(("app" = String, Path, description = "Name of the app"), ("token" = String, Path, description = "The token, percent-encoded")), responses((status = 200, description = "Revoked", body = Closed)))]
async fn revoke(
    State(shared): State<Shared>,
    Segments((app, token)): Segments<(String, String)>,
) -> Result<Json<Closed>, ApiError> {
    let app = shared.app(&app).await?.id;
    check_token(&token)?;
    let grant = shared.state.tokens.remove(app, &token).await?;
    let user: UserId = grant.ok_or(ApiError::UnknownToken)?.user;
    Ok(Json(close_all(&shared, app, user, KickReason::TokenRevoked).await?))
}
