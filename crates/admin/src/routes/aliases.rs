//! Numbers of user ids that are no decimals, and back.

use axum::Json;
use axum::extract::State;
use halley_core::ids::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::{Parameters, Segments};
use crate::lookup::decimal;
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(find))
}

/// Exactly one of the two.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// A user id, to find its number.
    #[param(min_length = 1, max_length = 128)]
    user_id: Option<String>,
    /// A number, to find its user id.
    #[param(pattern = "^[1-9][0-9]{0,18}$")]
    number: Option<String>,
}

/// A user's two names.
#[derive(Serialize, ToSchema)]
struct Alias {
    /// As clients know the user.
    #[schema(example = "alice")]
    user_id: String,
    /// As records and gobelieve clients know the user; of a decimal id itself.
    #[schema(example = "4503599627370496")]
    number: String,
}

/// The number of a user id, or the user id of a number. Neither gives a new number.
#[utoipa::path(get, path = "/v1/apps/{app}/aliases", tag = "users", operation_id = "alias_get", params(("app" = String, Path, description = "Name of the app"), Which), responses((status = 200, description = "Both names", body = Alias)))]
async fn find(
    State(shared): State<Shared>,
    Segments(app): Segments<String>,
    Parameters(which): Parameters<Which>,
) -> Result<Json<Alias>, ApiError> {
    let app = shared.app(&app).await?.id;
    let alias = match (which.user_id, which.number) {
        (Some(user_id), None) => {
            let number = shared.known_user(app, &user_id).await?.to_string();
            Alias { user_id, number }
        }
        (None, Some(text)) => {
            let number = parse_number(&text)?;
            let name = shared.state.users.name(app, number).await?;
            Alias { user_id: name.ok_or(ApiError::UnknownUser)?.to_string(), number: number.to_string() }
        }
        (Some(_), Some(_)) => return Err(ApiError::field("number", "cannot be given with user_id")),
        (None, None) => {
            return Err(ApiError::field("user_id", "either user_id or number must be given"));
        }
    };
    Ok(Json(alias))
}

fn parse_number(text: &str) -> Result<UserId, ApiError> {
    decimal(text)
        .filter(|number| *number > 0)
        .map(UserId)
        .ok_or_else(|| ApiError::field("number", "must be a decimal from 1 to 9223372036854775807"))
}
