//! In whose name groups are changed, and whether members are told.

use axum::http::StatusCode;
use halley_core::ids::UserId;
use halley_core::ports::business::GroupError;
use serde_json::{Value, json};

use crate::support::{Answer, Api};

const GROUPS: &str = "/v1/apps/demo/groups";
const GROUP: &str = "/v1/apps/demo/groups/3110";

async fn api() -> Api {
    let api = Api::new();
    let body = json!({"group_id": "3110", "name": "g", "owner": "1", "members": ["2", "3", "bob"]});
    api.post(GROUPS, body).await.ok();
    api.world.contents.lock().asked.clear();
    api
}

fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.clone();
    for (field, value) in more.as_object().expect("fields") {
        body[field] = value.clone();
    }
    body
}

/// Every call that changes a group, with this in its body or query.
async fn all(api: &Api, more: &Value, query: &str) -> Vec<Answer> {
    let members = format!("{GROUP}/members");
    vec![
        api.patch(GROUP, with(&json!({"name": "h"}), more)).await,
        api.post(&members, with(&json!({"user_ids": ["9"]}), more)).await,
        api.patch(&format!("{members}/2"), with(&json!({"role": "admin"}), more)).await,
        api.put(&format!("{members}/3/mute"), with(&json!({"muted": true}), more)).await,
        api.delete(&format!("{members}/3{query}")).await,
        api.post(GROUPS, with(&json!({"group_id": "5", "owner": "2"}), more)).await,
        api.delete(&format!("{GROUP}{query}")).await,
    ]
}

#[tokio::test]
async fn a_call_says_who_does_it_and_whether_members_are_told() {
    for (more, query, operator, silent) in [
        (json!({}), "", None, false),
        (json!({"operator": null, "silent": false}), "?silent=false", None, false),
        (json!({"operator": "1"}), "?operator=1", Some(UserId(1)), false),
        (
            json!({"operator": "bob", "silent": true}),
            "?operator=bob&silent=true",
            Some(UserId::ALIAS_FIRST),
            true,
        ),
    ] {
        let api = api().await;
        let answers = all(&api, &more, query).await;
        assert!(answers.iter().all(|answer| answer.status.is_success()), "{more}: {answers:?}");
        assert_eq!(api.world.contents.lock().asked, [(operator, silent); 7], "{more}");
    }
}

#[tokio::test]
async fn every_reason_not_to_change_a_group_has_its_code() {
    let refusals = [
        (GroupError::OperatorNotMember, 403, "operator_not_member"),
        (GroupError::NeedAdmin, 403, "need_admin"),
        (GroupError::NeedOwner, 403, "need_owner"),
        (GroupError::NeedHigherRole, 403, "need_higher_role"),
        (GroupError::InviteDenied, 403, "invite_denied"),
        (GroupError::CannotMuteAdmins, 403, "cannot_mute_admins"),
        (GroupError::AdminLimit, 409, "admin_limit"),
        (GroupError::TransferToSelf, 409, "transfer_to_self"),
        (GroupError::TooLarge, 413, "change_too_large"),
    ];
    let api = api().await;
    for (refusal, status, code) in refusals {
        let message = refusal.to_string();
        api.world.contents.lock().group_refusal = Some(refusal);
        for answer in all(&api, &json!({"operator": "1"}), "?operator=1").await {
            assert_eq!(answer.refused(status, code)["message"], json!(message));
        }
    }
}

#[tokio::test]
async fn who_is_nobody_does_nothing() {
    let api = api().await;
    for answer in all(&api, &json!({"operator": "nobody"}), "?operator=nobody").await {
        answer.refused(404, "unknown_user");
    }
    for answer in all(&api, &json!({"operator": 1}), "?operator=1&operator=2").await {
        answer.invalid("operator");
    }
    for answer in all(&api, &json!({"silent": "yes"}), "?silent=yes").await {
        answer.invalid("silent");
    }
    assert_eq!(api.world.contents.lock().asked, []);
    let aliases = api.world.contents.lock().aliases.len();
    let body = json!({"user_ids": ["dave"], "operator": "nobody"});
    api.post(&format!("{GROUP}/members"), body).await.refused(404, "unknown_user");
    assert_eq!(api.world.contents.lock().aliases.len(), aliases, "no number for dave");
    assert_eq!(api.get(GROUP).await.status, StatusCode::OK);
}
