//! What the system says to users and to everybody online.

use halley_core::ids::UserId;
use halley_core::ports::business::EntryError;
use serde_json::json;

use crate::support::{Api, NOW_MS};

const SYSTEM: &str = "/v1/apps/demo/system";
const BROADCAST: &str = "/v1/apps/demo/broadcast";

#[tokio::test]
async fn every_user_gets_a_message_of_their_own_and_new_ids_get_numbers() {
    let api = Api::new();
    let body =
        json!({"to": {"users": ["7", "new"]}, "content": {"type": 0, "body": "/+8="}, "client_id": "k"});
    let sent = api.post(SYSTEM, body).await.ok();
    let first = json!({"user_id": "7", "message_id": "8000", "time_ms": NOW_MS});
    let second = json!({"user_id": "new", "message_id": "8001", "time_ms": NOW_MS});
    assert_eq!(sent, json!({"messages": [first, second]}));
    let contents = api.world.contents.lock();
    let message = &contents.system[0];
    assert_eq!(message.users, [UserId(7), UserId::ALIAS_FIRST]);
    assert_eq!((message.content.kind, &message.content.bytes[..]), (0, &[0xff, 0xef][..]));
    assert_eq!(&message.client_id[..], b"k");
}

#[tokio::test]
async fn a_broadcast_says_how_many_were_sent_it() {
    let api = Api::new();
    api.world.add_session(UserId(1), 1);
    api.world.add_session(UserId(2), 2);
    let sent = api.post(BROADCAST, json!({"content": {"text": "hi"}})).await.ok();
    assert_eq!(sent, json!({"message_id": "9000", "sessions": 2}));
    assert_eq!(api.world.contents.lock().announced[0].kind, 1);
}

#[tokio::test]
async fn what_cannot_be_said_names_the_field_and_nothing_is_said() {
    let api = Api::new();
    let (to, text) = (json!({"users": ["1"]}), json!({"text": "hi"}));
    let cases = [
        (SYSTEM, json!({"content": text}), "to"),
        (SYSTEM, json!({"to": to}), "content"),
        (SYSTEM, json!({"to": {}, "content": text}), "to.users"),
        (SYSTEM, json!({"to": {"users": []}, "content": text}), "to.users"),
        (SYSTEM, json!({"to": {"users": ["1", ""]}, "content": text}), "to.users[1]"),
        (SYSTEM, json!({"to": to, "content": {}}), "content"),
        (SYSTEM, json!({"to": to, "content": text, "client_id": "k".repeat(201)}), "client_id"),
        (BROADCAST, json!({"content": {"type": 1}}), "content.body"),
        (BROADCAST, json!({"content": text, "to": to}), "to"),
    ];
    for (path, body, field) in cases {
        api.post(path, body).await.invalid(field);
    }
    let contents = api.world.contents.lock();
    assert!(contents.system.is_empty() && contents.announced.is_empty());
}

#[tokio::test]
async fn errors_are_answered_with_their_codes() {
    let api = Api::new();
    let cases = [
        (EntryError::TooManyUsers { users_max: 10_000 }, 422, "too_many_users"),
        (EntryError::TooLarge, 413, "message_too_large"),
        (EntryError::StorageFull, 503, "storage_full"),
    ];
    for (error, status, code) in cases {
        api.world.contents.lock().entry_error = Some(error);
        let system = json!({"to": {"users": ["1"]}, "content": {"text": "hi"}});
        api.post(SYSTEM, system).await.refused(status, code);
        api.post(BROADCAST, json!({"content": {"text": "hi"}})).await.refused(status, code);
    }
}
