//! Health, metrics, statistics; ports that fail or stall.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use halley_admin::AdminConfig;
use halley_core::ids::UserId;
use halley_core::ports::PortError;
use serde_json::json;

use crate::support::{Answer, Api};

async fn without_token(api: &Api, path: &str) -> Answer {
    api.send(Request::get(path).body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn readiness_says_why_not_and_turns_green() {
    let api = Api::new();
    assert_eq!(without_token(&api, "/healthz").await.ok(), json!({"status": "ok"}));
    let starting = without_token(&api, "/readyz").await;
    assert_eq!(starting.status, 503);
    assert_eq!(starting.json()["reasons"][0]["reason"], "starting");
    api.readiness.clear("starting");
    let ready = without_token(&api, "/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.json()), (200, json!({"ready": true, "reasons": []})));
    api.readiness.set("journal_damaged", "run halley verify");
    let damaged = without_token(&api, "/readyz").await;
    assert_eq!(damaged.status, 503);
    let reason = json!({"reason": "journal_damaged", "message": "run halley verify"});
    assert_eq!(damaged.json(), json!({"ready": false, "reasons": [reason]}));
    assert_eq!(without_token(&api, "/healthz").await.status, 200, "alive all the same");
}

#[tokio::test]
async fn metrics_are_openmetrics_text() {
    let api = Api::new();
    api.metrics.messages.inc_by(3);
    let answer = without_token(&api, "/metrics").await;
    let kind = answer.headers["content-type"].to_str().expect("text");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(answer.text.contains("halley_messages_total 3\n"), "{}", answer.text);
    assert!(answer.text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn statistics_are_the_metrics_by_name() {
    let api = Api::new();
    api.metrics.messages.inc_by(3);
    api.metrics.drops.ack_unknown.inc();
    api.metrics.connections.set(5);
    api.world.add_session(UserId(1), 1);
    let stats = api.get("/v1/stats").await.ok();
    assert_eq!((&stats["messages"], &stats["connections"]), (&json!(3), &json!(5)));
    assert_eq!((&stats["sessions"], &stats["version"]), (&json!(1), &json!("1.2.3")));
    assert_eq!(stats["drops"]["ack_unknown"], 1);
    assert_eq!(stats["closes"]["idle_timeout"], 0);
    assert_eq!(stats["refusals"]["storage_full"], 0);
    assert_eq!(stats["queues"]["index_lag_records"], 0);
    assert!(stats["process"]["rss_bytes"].as_u64().expect("linux") > 0);
    assert!(stats["process"]["cpu_us"].is_u64() && stats["uptime_s"].is_u64());
}

#[tokio::test]
async fn a_failing_backend_is_not_described_to_the_caller() {
    for (error, status, code) in [
        (
            PortError::Unavailable { what: "redis", why: "password hunter2 refused".to_owned() },
            503,
            "unavailable",
        ),
        (PortError::Damaged { what: "state", why: "hunter2".to_owned() }, 500, "damaged"),
    ] {
        let api = Api::new();
        api.world.fail(error);
        let answers = [
            api.get("/v1/apps").await,
            api.get("/v1/apps/demo").await,
            api.put("/v1/apps/demo", json!({})).await,
            api.post("/v1/apps/demo/groups", json!({"owner": "1"})).await,
        ];
        for answer in answers {
            answer.refused(status, code);
            assert!(!answer.text.contains("hunter2") && !answer.text.contains("redis"), "{answer:?}");
        }
        assert_eq!(api.get("/v1/stats").await.status, 200, "what needs no backend works");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_backend_ends_in_a_timeout_and_too_many_calls_in_busy() {
    let api = Arc::new(Api::with(AdminConfig {
        requests_max: 2,
        request_timeout: Duration::from_secs(7),
        ..AdminConfig::default()
    }));
    api.world.stall();
    let (one, two, three, health) = tokio::join!(
        api.get("/v1/apps"),
        api.get("/v1/apps/demo"),
        api.get("/v1/apps"),
        without_token(&api, "/healthz"),
    );
    one.refused(503, "timeout");
    two.refused(503, "timeout");
    three.refused(503, "busy");
    health.ok();
    api.get("/v1/apps").await.refused(503, "timeout");
}
