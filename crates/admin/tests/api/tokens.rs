//! Access tokens.

use halley_core::ids::{AppId, UserId};
use halley_core::ports::accounts::Tokens;
use halley_core::session::KickReason;
use serde_json::json;

use crate::support::{Api, NOW_MS};

#[tokio::test]
async fn a_token_is_random_fits_a_url_and_expires_when_it_was_said() {
    let api = Api::new();
    let make = async |body| api.post("/v1/apps/demo/tokens", body).await;
    let made = make(json!({"user_id": "1", "ttl_s": 60})).await.ok();
    let token = made["token"].as_str().expect("a token");
    assert_eq!(token.len(), 43, "256 bits in base64");
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    assert_eq!(made["expires_ms"], NOW_MS + 60_000);
    let other = make(json!({"user_id": "1", "ttl_s": null})).await.ok();
    assert_ne!(other["token"], made["token"]);
    assert_eq!(other["expires_ms"], json!(null));
    for (now_ms, user) in [(NOW_MS, Some(UserId(1))), (NOW_MS + 60_000, None)] {
        let grant = api.world.verify(AppId(1), token, now_ms).await.expect("works");
        assert_eq!(grant.map(|grant| grant.user), user);
    }
}

#[tokio::test]
async fn a_token_for_nobody_or_no_time_is_refused() {
    let api = Api::new();
    let make = async |body| api.post("/v1/apps/demo/tokens", body).await;
    make(json!({})).await.invalid("user_id");
    make(json!({"user_id": ""})).await.invalid("user_id");
    make(json!({"user_id": "x".repeat(129)})).await.invalid("user_id");
    make(json!({"user_id": 1})).await.invalid("user_id");
    make(json!({"user_id": "1", "ttl_s": 0})).await.invalid("ttl_s");
    make(json!({"user_id": "1", "ttl_s": -1})).await.invalid("ttl_s");
    make(json!({"user_id": "1", "ttl": 1})).await.invalid("ttl");
    let ever = make(json!({"user_id": "1", "ttl_s": i64::MAX})).await.ok();
    assert_eq!(ever["expires_ms"], json!(null), "beyond time is for ever");
    make(json!({"user_id": "1", "ttl_s": u64::MAX})).await.invalid("ttl_s");
    let day = make(json!({"user_id": "1", "ttl_s": 86_400.0})).await.ok();
    assert!(day["expires_ms"].is_u64(), "a whole number, however it is written");
    make(json!({"user_id": "1", "ttl_s": 1.5})).await.invalid("ttl_s");
    let gone = api.post("/v1/apps/none/tokens", json!({"user_id": "1"})).await;
    gone.refused(404, "unknown_app");
}

#[tokio::test]
async fn a_known_token_is_imported_and_revoked_with_its_users_connections() {
    let api = Api::new();
    let put = async |token: &str| {
        let path = format!("/v1/apps/demo/tokens/{token}");
        api.put(&path, json!({"user_id": "1"})).await
    };
    let imported = put("old%2Ftoken").await.ok();
    let expected = json!({"token": "old/token", "user_id": "1", "expires_ms": null});
    assert_eq!(imported, expected);
    assert_eq!(put("old%2Ftoken").await.ok(), expected);
    put(&"x".repeat(1_025)).await.invalid("token");

    let addr = api.world.add_session(UserId(1), 1);
    api.world.add_session(UserId(2), 2);
    let revoked = api.delete("/v1/apps/demo/tokens/old%2Ftoken").await.ok();
    assert_eq!(revoked, json!({"closed": 1, "unreached": 0}));
    assert_eq!(api.world.contents.lock().kicks, [(addr, KickReason::TokenRevoked)]);
    let again = api.delete("/v1/apps/demo/tokens/old%2Ftoken").await;
    again.refused(404, "unknown_token");
}
