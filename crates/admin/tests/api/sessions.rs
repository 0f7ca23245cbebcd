//! Sessions and kicks.

use halley_core::ids::UserId;
use halley_core::session::KickReason;
use serde_json::json;

use crate::support::{Api, NOW_MS};

const SESSIONS: &str = "/v1/apps/demo/users/1/sessions";

#[tokio::test]
async fn sessions_are_listed_and_kicked_one_or_all() {
    let api = Api::new();
    assert_eq!(api.get(SESSIONS).await.ok(), json!({"sessions": []}));
    let first = api.world.add_session(UserId(1), 1);
    let second = api.world.add_session(UserId(1), 2);
    api.world.add_session(UserId(2), 3);
    api.world.add_device(UserId(1));
    let listed = api.get(SESSIONS).await.ok();
    let device =
        json!({"key": "id:u-1", "class": "phone", "platform": 1, "name": "phone of one", "user_name": "One"});
    assert_eq!(
        listed["sessions"][0],
        json!({
            "session": "0.1.1", "user_id": "1", "transport": "txchat_tcp", "remote": "127.0.0.1:50000",
            "since_ms": NOW_MS, "device": device,
        })
    );
    assert_eq!(listed["sessions"][1]["device"], json!(null));
    let one = api.delete(&format!("{SESSIONS}/0.1.1")).await.ok();
    assert_eq!(one, json!({"closed": 1, "unreached": 0}));
    let rest = api.delete(SESSIONS).await.ok();
    assert_eq!(rest, json!({"closed": 1, "unreached": 0}));
    let kicks = [(first, KickReason::Operator), (second, KickReason::Operator)];
    assert_eq!(api.world.contents.lock().kicks, kicks);
}

#[tokio::test]
async fn a_session_that_is_not_the_users_cannot_be_kicked() {
    let api = Api::new();
    api.world.add_session(UserId(2), 1);
    for session in ["0.1.1", "0.1.9", "0.01.1", "0.1", "0.1.1.1", "x", "-1.1.1"] {
        let path = format!("{SESSIONS}/{session}");
        api.delete(&path).await.refused(404, "unknown_session");
    }
    assert!(api.world.contents.lock().kicks.is_empty());
    let nobody = api.get("/v1/apps/demo/users/nobody/sessions").await;
    nobody.refused(404, "unknown_user");
    let nobody = api.delete("/v1/apps/demo/users/nobody/sessions").await;
    nobody.refused(404, "unknown_user");
}

#[tokio::test]
async fn a_connection_that_could_not_be_told_is_said_so() {
    let api = Api::new();
    api.world.add_session(UserId(1), 1);
    api.world.contents.lock().kicks_refused = true;
    let one = api.delete(&format!("{SESSIONS}/0.1.1")).await;
    one.refused(503, "unavailable");
    let all = api.delete(SESSIONS).await.ok();
    assert_eq!(all, json!({"closed": 0, "unreached": 1}));
}
