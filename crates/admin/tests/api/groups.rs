//! Groups: make, read, change, disband.

use serde_json::{Value, json};

use crate::support::{Api, NOW_MS};

const GROUPS: &str = "/v1/apps/demo/groups";
const GROUP: &str = "/v1/apps/demo/groups/3110";

async fn make(api: &Api) -> Value {
    let body = json!({"group_id": "3110", "name": "g", "owner": "1", "members": ["1", "2", "bob"]});
    api.post(GROUPS, body).await.ok()
}

#[tokio::test]
async fn a_group_is_made_read_and_disbanded() {
    let api = Api::new();
    let made = make(&api).await;
    assert_eq!(
        made,
        json!({
            "group_id": "3110", "name": "g", "avatar": "", "owner": "1", "super": false, "muted": false,
            "join_type": 0, "friend_type": 0, "mute_type": 0, "member_count": 3, "created_ms": NOW_MS,
        })
    );
    assert_eq!(api.get(GROUP).await.ok(), made);
    let given = api.post(GROUPS, json!({"owner": "alice", "super": true})).await.ok();
    assert_eq!(given["owner"], "alice");
    assert_eq!(given["super"], true);
    let gone = api.delete(GROUP).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    api.get(GROUP).await.refused(404, "unknown_group");
    api.delete(GROUP).await.refused(404, "unknown_group");
    api.patch(GROUP, json!({"name": "h"})).await.refused(404, "unknown_group");
}

#[tokio::test]
async fn a_group_that_cannot_be_made_says_which_field() {
    let api = Api::new();
    make(&api).await;
    let post = async |body| api.post(GROUPS, body).await;
    post(json!({"group_id": "3110", "owner": "1"})).await.refused(409, "group_exists");
    post(json!({"group_id": "0", "owner": "1"})).await.invalid("group_id");
    post(json!({"group_id": 3111, "owner": "1"})).await.invalid("group_id");
    post(json!({"members": []})).await.invalid("owner");
    post(json!({"owner": ""})).await.invalid("owner");
    post(json!({"owner": "1", "members": ["2", "3", "4", ""]})).await.invalid("members[3]");
    post(json!({"owner": "1", "members": ["2", 3]})).await.invalid("members[1]");
    post(json!({"owner": "1", "name": "n".repeat(256)})).await.invalid("name");
    post(json!({"owner": "1", "avatar": "n".repeat(1_025)})).await.invalid("avatar");
    post(json!({"owner": "1", "colour": "red"})).await.invalid("colour");
    let many: Vec<_> = (1..=5_001).map(|user| user.to_string()).collect();
    post(json!({"owner": "1", "members": many})).await.refused(409, "too_many_members");
    api.get(&format!("{GROUPS}/x")).await.invalid("gid");
}

#[tokio::test]
async fn a_change_changes_what_is_given_and_nothing_else() {
    let api = Api::new();
    let mut expected = make(&api).await;
    assert_eq!(api.patch(GROUP, json!({})).await.ok(), expected);
    let changes = [
        (json!({"name": "h"}), json!({"name": "h"})),
        (json!({"avatar": "http://a"}), json!({"avatar": "http://a"})),
        (json!({"muted": true}), json!({"muted": true, "mute_type": 1})),
        (json!({"mute_type": 0}), json!({"muted": false, "mute_type": 0})),
        (json!({"join_type": 2, "friend_type": 1}), json!({"join_type": 2, "friend_type": 1})),
        (json!({"owner": "2"}), json!({"owner": "2"})),
        (json!({"super": true}), json!({"super": true})),
        (json!({"owner": "bob", "name": "i"}), json!({"owner": "bob", "name": "i"})),
    ];
    for (change, effect) in changes {
        for (field, value) in effect.as_object().expect("fields") {
            expected[field] = value.clone();
        }
        assert_eq!(api.patch(GROUP, change).await.ok(), expected);
    }
    assert_eq!(api.get(GROUP).await.ok(), expected);
}

#[tokio::test]
async fn a_change_that_cannot_be_says_which_field_and_does_nothing() {
    let api = Api::new();
    let made = make(&api).await;
    let patch = async |body| api.patch(GROUP, body).await;
    patch(json!({"owner": "2", "super": false})).await.invalid("super");
    patch(json!({"join_type": 3})).await.invalid("join_type");
    patch(json!({"friend_type": -1})).await.invalid("friend_type");
    patch(json!({"mute_type": 2})).await.invalid("mute_type");
    patch(json!({"mute_type": 1, "muted": false})).await.invalid("mute_type");
    patch(json!({"name": "n".repeat(256)})).await.invalid("name");
    patch(json!({"name": 5})).await.invalid("name");
    patch(json!({"members": []})).await.invalid("members");
    patch(json!({"owner": "9"})).await.refused(404, "unknown_member");
    patch(json!({"owner": "nobody"})).await.refused(404, "unknown_user");
    assert_eq!(api.get(GROUP).await.ok(), made);
}

#[tokio::test]
async fn concurrent_changes_of_different_fields_both_stay() {
    let api = Api::new();
    make(&api).await;
    let (one, two) =
        tokio::join!(api.patch(GROUP, json!({"name": "both"})), api.patch(GROUP, json!({"avatar": "stay"})));
    one.ok();
    two.ok();
    let group = api.get(GROUP).await.ok();
    assert_eq!((&group["name"], &group["avatar"]), (&json!("both"), &json!("stay")));
}
