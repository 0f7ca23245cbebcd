//! Messages in users' names.

use halley_core::command::{Refusal, SendOutcome, Target};
use halley_core::ids::{GroupId, UserId};
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
        (message(json!({"room": "7"}), text()), "to.room"),
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
