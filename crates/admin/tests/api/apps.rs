//! Apps, and aliases of user ids.

use serde_json::json;

use crate::support::Api;

#[tokio::test]
async fn an_app_is_created_once_and_keeps_what_is_not_given() {
    let api = Api::new();
    let created = api.put("/v1/apps/shop.eu-1", json!({"auth": ["token", "dev"]})).await.ok();
    assert_eq!(
        created,
        json!({
            "app": "shop.eu-1", "app_id": "2", "auth": ["token", "dev"], "gobelieve_compat": "2023",
            "jwt": null, "http_auth": null, "replay_guard": false, "friends_only": false, "blacklist": true,
            "retention": {"age_s": null, "entries": null}, "revoke_within_s": 86_400,
        })
    );
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
async fn settings_that_cannot_work_are_refused_by_name() {
    let api = Api::new();
    let put = async |body| api.put("/v1/apps/demo", body).await;
    put(json!({"jwt": {"keys": "f"}})).await.invalid("jwt.keys");
    put(json!({"jwt": {}})).await.invalid("jwt");
    put(json!({"jwt": {"secret": "short"}})).await.invalid("jwt.secret");
    put(json!({"jwt": {"public_key": "x"}})).await.invalid("jwt.public_key");
    put(json!({"jwt": {"algorithms": ["none"]}})).await.invalid("jwt.algorithms[0]");
    put(json!({"http_auth": {}})).await.invalid("http_auth.url");
    put(json!({"http_auth": {"url": "http://h", "timeout_ms": 99}})).await.invalid("http_auth.timeout_ms");
    put(json!({"http_auth": {"url": "http://h", "form": "other"}})).await.invalid("http_auth.form");
    put(json!({"retention": {"age_s": 0}})).await.invalid("retention.age_s");
    put(json!({"retention": [null, null]})).await.invalid("retention");
    put(json!({"revoke_within_s": 1u64 << 63})).await.invalid("revoke_within_s");
    put(json!({"gobelieve_compat": "2020"})).await.invalid("gobelieve_compat");
    put(json!({"revoke_within_s": -1})).await.invalid("revoke_within_s");
    put(json!({"auth": ["token", "jwt"]})).await.invalid("auth[1]");
    put(json!({"auth": "token"})).await.invalid("auth");
    put(json!({"auth": []})).await.invalid("auth");
    put(json!({"auth": ["dev", "dev"]})).await.invalid("auth[1]");
    put(json!({"friends_only": 1})).await.invalid("friends_only");
    put(json!({"revoke_within_s": -1})).await.invalid("revoke_within_s");
    put(json!([])).await.invalid("body");
    let kept = api.get("/v1/apps/demo").await.ok();
    assert_eq!((&kept["auth"], &kept["jwt"]), (&json!(["token"]), &json!(null)), "a refusal changes nothing");
}

#[tokio::test]
async fn a_change_touches_what_it_names_and_null_clears() {
    let api = Api::new();
    let put = async |body| api.put("/v1/apps/demo", body).await.ok();
    let secret = "s".repeat(32);
    let whole = put(json!({
        "auth": ["jwt", "signature", "http"], "gobelieve_compat": "2017", "replay_guard": true,
        "friends_only": true, "blacklist": false, "revoke_within_s": 60,
        "jwt": {"secret": secret, "algorithms": ["HS256"], "issuer": "me", "leeway_s": 5},
        "http_auth": {"url": "http://127.0.0.1:1/login", "form": "zhaobi", "timeout_ms": 200, "cache_s": 9},
        "retention": {"age_s": 86_400, "entries": 1_000},
    }))
    .await;
    let jwt = json!({
        "algorithms": ["HS256"], "secret": "***", "public_key": "", "key_set_file": "", "issuer": "me",
        "audience": "", "user_claim": "", "leeway_s": 5,
    });
    assert_eq!(whole["jwt"], jwt, "a secret never comes out");
    let http = json!({"url": "http://127.0.0.1:1/login", "form": "zhaobi", "timeout_ms": 200, "cache_s": 9});
    assert_eq!(whole["http_auth"], http);
    assert_eq!(whole["retention"], json!({"age_s": 86_400, "entries": 1_000}));

    // What an answer says may be sent back as it is, but for the names of the app.
    let mut again = whole.clone();
    let fields = again.as_object_mut().expect("an object");
    fields.remove("app");
    fields.remove("app_id");
    assert_eq!(put(again).await, whole);
    let settings = || api.world.contents.lock().apps[0].settings.clone();
    assert_eq!(settings().jwt.expect("is set").secret, secret, "stars keep the secret");

    let part = put(json!({"jwt": {"issuer": null, "leeway_s": 7}, "retention": {"age_s": null}})).await;
    assert_eq!((&part["jwt"]["issuer"], &part["jwt"]["leeway_s"]), (&json!(""), &json!(7)));
    assert_eq!(settings().jwt.expect("is set").secret, secret);
    assert_eq!(part["retention"], json!({"age_s": null, "entries": 1_000}));
    assert_eq!(part["http_auth"], http);
    let refused = api.put("/v1/apps/demo", json!({"jwt": null})).await;
    refused.invalid("auth[0]");
    let cleared =
        put(json!({"auth": ["signature"], "jwt": null, "http_auth": null, "retention": null})).await;
    let nothing = json!({"age_s": null, "entries": null});
    assert_eq!((&cleared["jwt"], &cleared["http_auth"]), (&json!(null), &json!(null)));
    assert_eq!((&cleared["retention"], &cleared["friends_only"]), (&nothing, &json!(true)));
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
    for number in ["0", "01", "-1", "%2B1", "x", "", "9223372036854775808"] {
        alias(&format!("number={number}")).await.invalid("number");
    }
    alias("").await.invalid("user_id");
    alias("user_id=a&number=1").await.invalid("number");
    alias("user_id=a&user_id=b").await.invalid("user_id");
    alias("colour=red").await.invalid("colour");
    api.get("/v1/apps/none/aliases?user_id=1").await.refused(404, "unknown_app");
}
