//! Messages in users' names.

use halley_core::command::{Refusal, SendOutcome, Target};
use halley_core::ids::{GroupId, MsgId, UserId};
use halley_core::message::{Content, EntryKind};
use halley_core::ports::business::RevokeError;
use serde_json::{Value, json};

use crate::support::{Api, NOW_MS};

const MESSAGES: &str = "/v1/apps/demo/messages";

fn message(to: Value, content: Value) -> Value {
    json!({"from": "1", "to": to, "content": content, "client_id": "k"})
}

#[tokio::test]
async fn a_text_is_sent_as_the_body_of_a_text_message() {
    let api = Api::new();
    let sent = api.post(MESSAGES, message(json!({"user": "2"}), json!({"text": "hi"}))).await.ok();
    assert_eq!(sent, json!({"message_id": "7000000000000000001", "time_ms": NOW_MS}));
    let contents = api.world.contents.lock();
    let send = &contents.sends[0];
    assert_eq!((send.from, &send.target), (UserId(1), &Target::User(UserId(2))));
    assert_eq!((send.content.kind, &send.content.bytes[..]), (1, &[0x0a, 2, b'h', b'i'][..]));
    assert_eq!(&send.client_id[..], b"k");
}

#[tokio::test]
async fn other_contents_pass_as_they_are_and_targets_are_told_apart() {
    let api = Api::new();
    let image = json!({"type": 3, "body": "/+8="});
    let targets = [
        (json!({"group": "7"}), Target::Group(GroupId(7))),
        (json!({"group": "x"}), Target::NoGroup),
        (json!({"user": "bob"}), Target::UserNamed("bob".into())),
    ];
    for (to, _) in &targets {
        api.post(MESSAGES, message(to.clone(), image.clone())).await.ok();
    }
    let contents = api.world.contents.lock();
    for (send, (_, target)) in contents.sends.iter().zip(&targets) {
        assert_eq!(&send.target, target);
        assert_eq!((send.content.kind, &send.content.bytes[..]), (3, &[0xff, 0xef][..]));
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_says_which_field_and_is_not_sent() {
    let api = Api::new();
    let text = || json!({"text": "hi"});
    let user = || json!({"user": "2"});
    let cases = [
        (json!({"to": user(), "content": text()}), "from"),
        (json!({"from": "", "to": user(), "content": text()}), "from"),
        (json!({"from": "1", "content": text()}), "to"),
        (message(json!({}), text()), "to"),
        (message(json!({"user": "2", "group": "7"}), text()), "to.group"),
        (message(json!({"room": "7", "user": "2"}), text()), "to.room"),
        (message(json!({"user": 2}), text()), "to.user"),
        (message(json!(["2", null]), text()), "to"),
        (message(user(), json!("hi")), "content"),
        (message(user(), json!({})), "content"),
        (message(user(), json!({"text": "a", "type": 1})), "content.type"),
        (message(user(), json!({"text": "a", "body": ""})), "content.body"),
        (message(user(), json!({"type": 1})), "content.body"),
        (message(user(), json!({"body": ""})), "content.type"),
        (message(user(), json!({"type": 1, "body": "%"})), "content.body"),
        (message(user(), json!({"type": "x", "body": ""})), "content.type"),
        (json!({"from": "1", "to": user(), "content": text(), "silent": 1}), "silent"),
    ];
    for (body, field) in cases {
        api.post(MESSAGES, body).await.invalid(field);
    }
    assert!(api.world.contents.lock().sends.is_empty());
}

#[tokio::test]
async fn a_room_is_refused_with_a_code_of_its_own() {
    let api = Api::new();
    let answer = api.post(MESSAGES, message(json!({"room": "7"}), json!({"text": "hi"}))).await;
    answer.refused(422, "rooms_unsupported");
    assert!(api.world.contents.lock().sends.is_empty());
}

#[tokio::test]
async fn every_refusal_is_answered_with_its_code() {
    let api = Api::new();
    let cases = [
        (Refusal::TypeNotAllowed, 422, "type_not_allowed"),
        (Refusal::TooLarge, 413, "message_too_large"),
        (Refusal::UnknownUser, 404, "unknown_user"),
        (Refusal::NotMember, 403, "not_member"),
        (Refusal::RateLimited, 429, "rate_limited"),
        (Refusal::StorageFull, 503, "storage_full"),
        (Refusal::Unavailable, 503, "unavailable"),
    ];
    for (refusal, status, code) in cases {
        api.world.contents.lock().outcome = Some(SendOutcome::Refused(refusal));
        let answer = api.post(MESSAGES, message(json!({"user": "2"}), json!({"text": "hi"}))).await;
        answer.refused(status, code);
        let retry = answer.headers.contains_key("retry-after");
        assert_eq!(retry, status == 429 || status == 503, "{answer:?}");
    }
}

#[tokio::test]
async fn a_message_is_shown_by_its_id() {
    let api = Api::new();
    let key =
        api.world.add_entry(EntryKind::MESSAGE, Content { kind: 1, bytes: b"\x0a\x01a".as_slice().into() });
    let path = format!("/v1/apps/demo/messages/{}", 5_000_000_000_000_000_000 + key.raw());
    let found = api.get(&path).await.ok();
    assert_eq!((&found["key"], &found["message"]["text"]), (&json!("1"), &json!("a")));
    api.get("/v1/apps/demo/messages/7").await.refused(404, "unknown_message");
    for id in ["x", "-1", "01", "%2B1", "9223372036854775808"] {
        api.get(&format!("/v1/apps/demo/messages/{id}")).await.invalid("mid");
    }
}

#[tokio::test]
async fn a_revocation_says_who_and_whether_it_was_revoked_before() {
    let api = Api::new();
    let revoke = async |operator: &str| {
        api.post("/v1/apps/demo/messages/5/revoke", json!({"operator": operator})).await
    };
    let first = json!({"message_id": "5", "revoked_by": "1", "repeated": false});
    assert_eq!(revoke("1").await.ok(), first);
    let again = json!({"message_id": "5", "revoked_by": "1", "repeated": true});
    assert_eq!(revoke("2").await.ok(), again);
    let call = api.world.contents.lock().revokes[1];
    assert_eq!((call.message, call.operator), (MsgId(5), UserId(2)));
    revoke("nobody").await.refused(404, "unknown_user");
    for (error, status, code) in [
        (RevokeError::UnknownMessage, 404, "unknown_message"),
        (RevokeError::NotAllowed, 403, "revoke_not_allowed"),
        (RevokeError::Expired { within_s: 60 }, 403, "revoke_expired"),
    ] {
        api.world.contents.lock().revoke_refused = Some(error);
        revoke("1").await.refused(status, code);
    }
    api.post("/v1/apps/demo/messages/x/revoke", json!({"operator": "1"})).await.invalid("mid");
    api.post("/v1/apps/demo/messages/5/revoke", json!({})).await.invalid("operator");
}
