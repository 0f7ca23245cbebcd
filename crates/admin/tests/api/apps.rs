//! Apps, and aliases of user ids.

use serde_json::json;

use crate::support::Api;

#[tokio::test]
async fn an_app_is_created_once_and_keeps_what_is_not_given() {
    let api = Api::new();
    let created = api.put("/v1/apps/shop.eu-1", json!({"auth": ["token", "dev"]})).await.ok();
    let expected = json!({
        "app": "shop.eu-1", "app_id": "2", "auth": ["token", "dev"],
        "friends_only": false, "blacklist": true, "revoke_within_s": 86_400,
    });
    assert_eq!(created, expected);
    assert_eq!(api.put("/v1/apps/shop.eu-1", json!({})).await.ok(), created);
    assert_eq!(api.get("/v1/apps/shop.eu-1").await.ok(), created);
    let listed = api.get("/v1/apps").await.ok();
    assert_eq!(listed["apps"][1], created);
    let changed = json!({"friends_only": true, "blacklist": false, "revoke_within_s": 120});
    let changed = api.put("/v1/apps/shop.eu-1", changed).await.ok();
    assert_eq!((&changed["friends_only"], &changed["blacklist"]), (&json!(true), &json!(false)));
    assert_eq!((&changed["revoke_within_s"], &changed["auth"]), (&json!(120), &created["auth"]));
    let defaults = api.put("/v1/apps/plain", json!({})).await.ok();
    assert_eq!(defaults["auth"], json!(["token"]));
}

#[tokio::test]
async fn settings_that_this_version_does_not_have_are_refused_by_name() {
    let api = Api::new();
    let put = async |body| api.put("/v1/apps/demo", body).await;
    put(json!({"jwt": {"keys": "f"}})).await.invalid("jwt");
    put(json!({"auth": ["token", "jwt"]})).await.invalid("auth[1]");
    put(json!({"auth": "token"})).await.invalid("auth");
    put(json!({"auth": []})).await.invalid("auth");
    put(json!({"auth": ["dev", "dev"]})).await.invalid("auth[1]");
    put(json!({"friends_only": 1})).await.invalid("friends_only");
    put(json!({"revoke_within_s": -1})).await.invalid("revoke_within_s");
    put(json!([])).await.invalid("body");
    let kept = api.get("/v1/apps/demo").await.ok();
    assert_eq!(kept["auth"], json!(["token"]), "a refused change changes nothing");
}

#[tokio::test]
async fn an_app_that_cannot_be_and_one_that_is_not_are_told_apart() {
    let api = Api::new();
    api.put("/v1/apps/a%20b", json!({})).await.invalid("app");
    api.get(&format!("/v1/apps/{}", "x".repeat(65))).await.invalid("app");
    api.get("/v1/apps/none").await.refused(404, "unknown_app");
    api.get("/v1/apps/%ff").await.invalid("path");
}

#[tokio::test]
async fn aliases_are_found_in_both_directions_and_not_made_by_looking() {
    let api = Api::new();
    let alias = async |query: &str| api.get(&format!("/v1/apps/demo/aliases?{query}")).await;
    alias("user_id=alice").await.refused(404, "unknown_user");
    alias("user_id=alice").await.refused(404, "unknown_user");
    api.post("/v1/apps/demo/tokens", json!({"user_id": "alice"})).await.ok();
    let both = json!({"user_id": "alice", "number": "4503599627370496"});
    assert_eq!(alias("user_id=alice").await.ok(), both);
    assert_eq!(alias("number=4503599627370496").await.ok(), both);
    assert_eq!(alias("user_id=12").await.ok(), json!({"user_id": "12", "number": "12"}));
    alias("number=4503599627370499").await.refused(404, "unknown_user");
    for number in ["0", "-1", "%2B1", "x", "", "9223372036854775808"] {
        alias(&format!("number={number}")).await.invalid("number");
    }
    alias("").await.invalid("user_id");
    alias("user_id=a&number=1").await.invalid("number");
    alias("user_id=a&user_id=b").await.invalid("user_id");
    alias("colour=red").await.invalid("colour");
    api.get("/v1/apps/none/aliases?user_id=1").await.refused(404, "unknown_app");
}
