//! Backups: begin one, and how it stands.

use std::path::Path;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use halley_core::ports::backup::{BackupStage, BackupStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::Body;
use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(begin, status))
}

/// Where to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBackup {
    /// An absolute path on the server's machine: a directory that is empty or not there.
    #[schema(pattern = "^/", example = "/var/backups/halley/2026-11-24")]
    directory: String,
}

/// How a backup stands.
#[derive(Serialize, ToSchema)]
struct BackupBody {
    directory: String,
    /// `running`, `done` or `failed`.
    #[schema(example = "done")]
    state: &'static str,
    /// Why it failed.
    error: Option<String>,
    done_bytes: u64,
    /// As far as it is known yet.
    total_bytes: u64,
    /// When it was begun, unix milliseconds.
    begun_ms: u64,
}

/// The newest backup of this process.
#[derive(Serialize, ToSchema)]
struct NewestBackup {
    /// Null when none was begun since the start.
    backup: Option<BackupBody>,
}

impl From<BackupStatus> for BackupBody {
    fn from(status: BackupStatus) -> Self {
        let (state, error) = match status.stage {
            BackupStage::Running => ("running", None),
            BackupStage::Done => ("done", None),
            BackupStage::Failed(why) => ("failed", Some(why)),
        };
        Self {
            directory: status.directory.display().to_string(),
            state,
            error,
            done_bytes: status.done_bytes,
            total_bytes: status.total_bytes,
            begun_ms: status.begun_ms,
        }
    }
}

/// Begins a backup; everything that was acknowledged before is in it. One at a time.
#[utoipa::path(post, path = "/v1/backups", tag = "operation", operation_id = "backup_begin", request_body = NewBackup, responses((status = 202, description = "It has begun", body = NewestBackup)))]
async fn begin(
    State(shared): State<Shared>,
    Body(body): Body<NewBackup>,
) -> Result<(StatusCode, Json<NewestBackup>), ApiError> {
    let directory = Path::new(&body.directory);
    if !directory.is_absolute() {
        return Err(ApiError::field("directory", "must be an absolute path on the server's machine"));
    }
    shared.state.backups.begin(directory)?;
    Ok((StatusCode::ACCEPTED, Json(newest(&shared))))
}

/// The newest backup of this process.
#[utoipa::path(get, path = "/v1/backups", tag = "operation", operation_id = "backup_status", responses((status = 200, description = "How it stands", body = NewestBackup)))]
async fn status(State(shared): State<Shared>) -> Json<NewestBackup> {
    Json(newest(&shared))
}

fn newest(shared: &Shared) -> NewestBackup {
    NewestBackup { backup: shared.state.backups.status().map(BackupBody::from) }
}
