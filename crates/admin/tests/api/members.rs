//! Members of groups.

use serde_json::{Value, json};

use crate::support::{Api, NOW_MS};

const GROUP: &str = "/v1/apps/demo/groups/3110";
const MEMBERS: &str = "/v1/apps/demo/groups/3110/members";

async fn api() -> Api {
    let api = Api::new();
    let body = json!({"group_id": "3110", "name": "g", "owner": "1", "members": ["2", "bob"]});
    api.post("/v1/apps/demo/groups", body).await.ok();
    api
}

fn member(user: &str, role: &str) -> Value {
    json!({"user_id": user, "role": role, "muted": false, "until": null})
}

#[tokio::test]
async fn members_are_paged_through_in_order_each_once() {
    let api = api().await;
    let users: Vec<_> = (3..=9).map(|user| user.to_string()).collect();
    let added = api.post(MEMBERS, json!({"user_ids": users})).await.ok();
    assert_eq!(added["member_count"], 10);
    let mut seen = Vec::new();
    let mut query = "limit=3".to_owned();
    loop {
        let page = api.get(&format!("{MEMBERS}?{query}")).await.ok();
        let members = page["members"].as_array().expect("members");
        seen.extend(members.iter().map(|member| member["user_id"].as_str().expect("id").to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("limit=3&after={next}");
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "bob"]);
    let all = api.get(MEMBERS).await.ok();
    assert_eq!(all["members"][0], member("1", "owner"));
    assert_eq!(all["next"], json!(null));
}

#[tokio::test]
async fn a_page_that_cannot_be_says_which_parameter() {
    let api = api().await;
    for limit in ["0", "1001", "x", "-1", "", "99999999999999999999"] {
        api.get(&format!("{MEMBERS}?limit={limit}")).await.invalid("limit");
    }
    api.get(&format!("{MEMBERS}?page=2")).await.invalid("page");
    let unknown = api.get(&format!("{MEMBERS}?after=nobody")).await;
    unknown.refused(404, "unknown_user");
}

#[tokio::test]
async fn members_come_and_go_but_the_owner_stays() {
    let api = api().await;
    api.post(MEMBERS, json!({"user_ids": ["2", "carol"]})).await.ok();
    assert_eq!(api.delete(&format!("{MEMBERS}/carol")).await.status, 204);
    api.delete(&format!("{MEMBERS}/carol")).await.refused(404, "unknown_member");
    api.delete(&format!("{MEMBERS}/1")).await.refused(409, "is_owner");
    api.delete(&format!("{MEMBERS}/nobody")).await.refused(404, "unknown_user");
    api.post(MEMBERS, json!({"user_ids": []})).await.invalid("user_ids");
    api.post(MEMBERS, json!({"user_ids": ["3", ""]})).await.invalid("user_ids[1]");
    api.post(MEMBERS, json!({"user_ids": "3"})).await.invalid("user_ids");
    let aliases = api.world.contents.lock().aliases.len();
    let other = "/v1/apps/demo/groups/9/members";
    let gone = api.post(other, json!({"user_ids": ["dave"]})).await;
    gone.refused(404, "unknown_group");
    assert_eq!(api.world.contents.lock().aliases.len(), aliases, "no number for dave");
    assert_eq!(api.get(GROUP).await.ok()["member_count"], 3);
}

#[tokio::test]
async fn roles_are_given_and_taken() {
    let api = api().await;
    let set = async |user: &str, role: &str| {
        let path = format!("{MEMBERS}/{user}");
        api.patch(&path, json!({"role": role})).await
    };
    assert_eq!(set("2", "admin").await.ok(), member("2", "admin"));
    assert_eq!(set("2", "normal").await.ok(), member("2", "normal"));
    set("2", "owner").await.invalid("role");
    set("1", "normal").await.refused(409, "is_owner");
    set("9", "admin").await.refused(404, "unknown_member");
}

#[tokio::test]
async fn a_member_is_muted_for_ever_or_until_a_time_and_no_longer() {
    let api = api().await;
    let mute = async |user: &str, body| api.put(&format!("{MEMBERS}/{user}/mute"), body).await;
    let muted = |until: Value| json!({"user_id": "2", "role": "normal", "muted": true, "until": until});
    let ever = mute("2", json!({"muted": true, "until": null})).await.ok();
    assert_eq!(ever, muted(json!(null)));
    let later = mute("2", json!({"muted": true, "until": NOW_MS + 1})).await.ok();
    assert_eq!(later, muted(json!(NOW_MS + 1)));
    assert_eq!(api.get(MEMBERS).await.ok()["members"][1], later);
    assert_eq!(mute("2", json!({"muted": false})).await.ok(), member("2", "normal"));
    mute("2", json!({"muted": true, "until": NOW_MS})).await.invalid("until");
    mute("2", json!({"muted": false, "until": NOW_MS + 1})).await.invalid("until");
    mute("2", json!({"until": null})).await.invalid("muted");
    mute("9", json!({"muted": true})).await.refused(404, "unknown_member");
}
