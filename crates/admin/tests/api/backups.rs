//! Backups over the API: begun once at a time, and told how they stand.

use halley_core::ports::backup::BackupStage;
use serde_json::json;

use crate::support::Api;

#[tokio::test]
async fn one_backup_at_a_time_is_begun_and_told_about() {
    let api = Api::new();
    assert_eq!(api.get("/v1/backups").await.ok(), json!({ "backup": null }));
    api.post("/v1/backups", json!({ "directory": "here" })).await.refused(400, "invalid_field");
    let begun = api.post("/v1/backups", json!({ "directory": "/backups/1" })).await;
    assert_eq!(begun.status, 202);
    let expected = |state, error| {
        json!({ "backup": { "directory": "/backups/1", "state": state, "error": error, "done_bytes": 1,
            "total_bytes": 2, "begun_ms": 3 } })
    };
    assert_eq!(begun.json(), expected("running", json!(null)));
    api.post("/v1/backups", json!({ "directory": "/backups/2" })).await.refused(409, "backup_running");
    let ends = |stage| api.world.contents.lock().backup.as_mut().expect("begun").stage = stage;
    ends(BackupStage::Failed("no room".to_owned()));
    assert_eq!(api.get("/v1/backups").await.ok(), expected("failed", json!("no room")));
    ends(BackupStage::Done);
    assert_eq!(api.get("/v1/backups").await.ok(), expected("done", json!(null)));
    assert_eq!(api.post("/v1/backups", json!({ "directory": "/backups/2" })).await.status, 202);
}
