//! Friends, blacklists, and who may not speak in rooms.

use serde_json::json;

use crate::support::Api;

const USERS: &str = "/v1/apps/demo/users";

async fn list(api: &Api, uid: &str, kind: &str) -> Vec<String> {
    let page = api.get(&format!("{USERS}/{uid}/{kind}")).await.ok();
    assert_eq!(page["next"], json!(null));
    let ids = page["user_ids"].as_array().expect("a list").iter();
    ids.map(|id| id.as_str().expect("a string").to_owned()).collect()
}

#[tokio::test]
async fn friendship_is_mutual_unless_said_otherwise() {
    let api = Api::new();
    let none: [&str; 0] = [];
    let put = async |path: &str| api.raw("PUT", &format!("{USERS}/{path}"), "").await;
    assert_eq!(put("1/friends/2").await.status, 204);
    assert_eq!(put("1/friends/2").await.status, 204, "idempotent");
    assert_eq!(
        (list(&api, "1", "friends").await, list(&api, "2", "friends").await),
        (vec!["2".into()], vec!["1".into()])
    );
    assert_eq!(put("1/friends/alice?mutual=false").await.status, 204);
    assert_eq!(list(&api, "1", "friends").await, ["2", "alice"], "who is new is introduced");
    assert_eq!(list(&api, "alice", "friends").await, none);
    assert_eq!(api.delete(&format!("{USERS}/1/friends/2?mutual=false")).await.status, 204);
    assert_eq!(list(&api, "1", "friends").await, ["alice"]);
    assert_eq!(list(&api, "2", "friends").await, ["1"]);
    assert_eq!(api.delete(&format!("{USERS}/1/friends/2")).await.status, 204, "idempotent");
    assert_eq!(list(&api, "2", "friends").await, none);
    assert_eq!(list(&api, "1", "blacklist").await, none, "another list");
}

#[tokio::test]
async fn a_blacklist_is_its_owners() {
    let api = Api::new();
    let path = format!("{USERS}/1/blacklist/2");
    assert_eq!(api.raw("PUT", &path, "").await.status, 204);
    assert_eq!(list(&api, "1", "blacklist").await, ["2"]);
    assert_eq!(list(&api, "2", "blacklist").await.len(), 0);
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(list(&api, "1", "blacklist").await.len(), 0);
}

#[tokio::test]
async fn a_list_is_paged() {
    let api = Api::new();
    for other in 2..=8 {
        api.raw("PUT", &format!("{USERS}/1/blacklist/{other}"), "").await.ok();
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{USERS}/1/blacklist?limit=3{after}")).await.ok();
        let ids = page["user_ids"].as_array().expect("a list");
        seen.extend(ids.iter().map(|id| id.as_str().expect("a string").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(ids.len(), 3);
        after = format!("&after={next}");
    }
    assert_eq!(seen, ["2", "3", "4", "5", "6", "7", "8"]);
    for limit in ["0", "1001", "x"] {
        api.get(&format!("{USERS}/1/friends?limit={limit}")).await.invalid("limit");
    }
}

#[tokio::test]
async fn who_is_forbidden_is_told() {
    let api = Api::new();
    let path = format!("{USERS}/1/forbidden");
    assert_eq!(api.get(&path).await.ok(), json!({"forbidden": false}));
    for forbidden in [true, true, false] {
        let said = json!({"forbidden": forbidden});
        assert_eq!(api.put(&path, said.clone()).await.ok(), said);
        assert_eq!(api.get(&path).await.ok(), said);
    }
    api.put(&path, json!({})).await.invalid("forbidden");
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let api = Api::new();
    let put = async |path: &str| api.raw("PUT", &format!("{USERS}/{path}"), "").await;
    put("1/friends/1").await.refused(409, "relation_to_self");
    put("1/friends/2?mutual=1").await.invalid("mutual");
    api.delete(&format!("{USERS}/1/friends/nobody")).await.refused(404, "unknown_user");
    api.get(&format!("{USERS}/nobody/friends")).await.refused(404, "unknown_user");
    api.get(&format!("{USERS}/1/friends?after=nobody")).await.refused(404, "unknown_user");
    api.get("/v1/apps/none/users/1/friends").await.refused(404, "unknown_app");
    api.get("/v1/apps/demo/aliases?user_id=nobody").await.refused(404, "unknown_user");
}
