//! History in both directions.

use halley_core::event::{Revocation, receipt_content};
use halley_core::ids::{AppId, GroupId, MsgId, UserId};
use halley_core::message::{Content, Conversation, EntryKind};
use halley_core::timeline::TimelineId;
use serde_json::{Value, json};

use crate::support::{Api, NOW_MS};

const FEED: &str = "/v1/apps/demo/timelines/group/7";

fn text(said: &str) -> Content {
    let mut bytes = vec![0x0a, u8::try_from(said.len()).expect("short")];
    bytes.extend_from_slice(said.as_bytes());
    Content { kind: 1, bytes: bytes.into() }
}

/// What only a newer version knows: not listed.
const UNKNOWN: EntryKind = EntryKind(99);

/// Group 7 with seven messages at keys 2, 4 .. 14, each behind an entry that is not listed, and one such at the end.
fn api() -> Api {
    let api = Api::new();
    for said in ["a", "b", "c", "d", "e", "f", "g"] {
        api.world.add_entry(UNKNOWN, Content::default());
        api.world.add_entry(EntryKind::MESSAGE, text(said));
    }
    api.world.add_entry(UNKNOWN, Content::default());
    api
}

fn keys(page: &Value) -> Vec<&str> {
    let entries = page["entries"].as_array().expect("entries");
    entries.iter().map(|entry| entry["key"].as_str().expect("a key")).collect()
}

#[tokio::test]
async fn an_entry_shows_the_message_and_the_key_before_it() {
    let api = api();
    let page = api.get(&format!("{FEED}?after=0&limit=2")).await.ok();
    assert_eq!(
        page["entries"][1],
        json!({
            "key": "4", "prev": "2",
            "message": {
                "id": "5000000000000000004", "from": "1", "to": {"group": "7"}, "kind": "message", "type": 1,
                "text": "b", "body": "CgFi", "client_id": "c", "time_ms": NOW_MS,
            },
        })
    );
    assert_eq!(page["entries"][0]["prev"], json!(null), "the first of the timeline");
    assert_eq!((&page["complete_to"], &page["more"]), (&json!("4"), &json!(true)));
}

#[tokio::test]
async fn both_directions_walk_through_every_message_once_and_prev_joins_the_pages() {
    let api = api();
    for limit in 1..=8 {
        for (direction, start) in [("after", "0"), ("before", "9007199254740991")] {
            let mut chain: Vec<(String, Option<String>)> = Vec::new();
            let mut from = start.to_owned();
            loop {
                let page = api.get(&format!("{FEED}?{direction}={from}&limit={limit}")).await.ok();
                for entry in page["entries"].as_array().expect("entries") {
                    let text = |field: &str| entry[field].as_str().map(ToOwned::to_owned);
                    chain.push((text("key").expect("a key"), text("prev")));
                }
                if page["more"] == false {
                    break;
                }
                from = page["complete_to"].as_str().expect("a key").to_owned();
            }
            if direction == "before" {
                chain.reverse();
            }
            let expected: Vec<_> = (1..=7_u32)
                .map(|at| ((at * 2).to_string(), (at > 1).then(|| (at * 2 - 2).to_string())))
                .collect();
            assert_eq!(chain, expected, "{direction}, limit {limit}");
        }
    }
}

#[tokio::test]
async fn without_a_key_the_newest_come_first() {
    let api = api();
    let page = api.get(&format!("{FEED}?limit=3")).await.ok();
    assert_eq!(keys(&page), ["14", "12", "10"]);
    assert_eq!(page["more"], true);
    let all = api.get(FEED).await.ok();
    assert_eq!(keys(&all).len(), 7);
    assert_eq!((&all["complete_to"], &all["more"]), (&json!("0"), &json!(false)));
}

#[tokio::test]
async fn after_the_newest_message_there_is_nothing_but_a_place_to_go_on_from() {
    let api = api();
    let page = api.get(&format!("{FEED}?after=14")).await.ok();
    assert_eq!(page, json!({"entries": [], "complete_to": "15", "more": false}));
}

#[tokio::test]
async fn an_inbox_shows_private_messages_signals_and_what_is_no_text() {
    let api = Api::new();
    let inbox = TimelineId::Inbox(AppId(1), UserId(2));
    let add = |conversation, kind, content| api.world.add_entry_to(inbox, conversation, kind, content);
    let image = Content { kind: 3, bytes: vec![1, 2].into() };
    add(Conversation::User(UserId(2)), EntryKind::MESSAGE, image);
    add(Conversation::System, EntryKind::SIGNAL, text("x"));
    add(Conversation::User(UserId(2)), UNKNOWN, text("y"));
    let page = api.get("/v1/apps/demo/timelines/user/2?after=0").await.ok();
    assert_eq!(keys(&page), ["1", "2"]);
    let message = |at: usize| page["entries"][at]["message"].clone();
    assert_eq!(message(0)["to"], json!({"user": "2"}));
    assert_eq!((&message(0)["text"], &message(0)["body"]), (&json!(null), &json!("AQI=")));
    assert_eq!((&message(1)["kind"], &message(1)["text"]), (&json!("signal"), &json!(null)));
    assert_eq!((&message(1)["from"], &message(1)["to"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn a_range_that_cannot_be_says_which_parameter() {
    let api = api();
    for key in ["x", "-1", "00", "%2B1", "", "9223372036854775808"] {
        api.get(&format!("{FEED}?after={key}")).await.invalid("after");
        api.get(&format!("{FEED}?before={key}")).await.invalid("before");
    }
    for limit in ["0", "01", "501", "x"] {
        api.get(&format!("{FEED}?limit={limit}")).await.invalid("limit");
    }
    api.get(&format!("{FEED}?after=1&before=2")).await.invalid("before");
    api.get(&format!("{FEED}?from=1")).await.invalid("from");
    api.get("/v1/apps/demo/timelines/group/x").await.invalid("gid");
    let nobody = api.get("/v1/apps/demo/timelines/user/nobody").await;
    nobody.refused(404, "unknown_user");
}

#[tokio::test]
async fn a_group_without_a_history_is_empty_one_that_never_was_is_unknown() {
    let api = api();
    let path = "/v1/apps/demo/timelines/group/8";
    api.get(path).await.refused(404, "unknown_group");
    let made = json!({"group_id": "8", "owner": "1"});
    api.post("/v1/apps/demo/groups", made).await.ok();
    assert_eq!(api.get(path).await.ok()["entries"], json!([]));
    let feed = TimelineId::Feed(AppId(1), GroupId(8));
    let conversation = Conversation::Group(GroupId(8));
    let key = api.world.add_entry_to(feed, conversation, EntryKind::MESSAGE, text("x"));
    api.delete("/v1/apps/demo/groups/8").await.ok();
    assert_eq!(keys(&api.get(path).await.ok()), [key.to_string()], "history stays");
    let behind = api.get(&format!("{path}?after={key}")).await.ok();
    assert_eq!(behind["entries"], json!([]));
}

#[tokio::test]
async fn every_kind_has_its_name_and_a_revoked_message_has_no_content() {
    let api = Api::new();
    let inbox = TimelineId::Inbox(AppId(1), UserId(2));
    let add = |kind, content| api.world.add_entry_to(inbox, Conversation::User(UserId(2)), kind, content);
    let bytes = |bytes| Content { kind: 0, bytes };
    let key = add(EntryKind::MESSAGE, text("a"));
    let revocation = |message| Revocation { message, key: key.raw(), operator: 1, by_sender: true };
    add(EntryKind::REVOKED, bytes(revocation(5).encode()));
    add(EntryKind::REVOCATION, bytes(revocation(5).encode()));
    add(EntryKind::RECEIPT, bytes(receipt_content(&[MsgId(5), MsgId(6)])));
    add(EntryKind::GROUP_CHANGE, bytes(b"{}".as_slice().into()));
    let page = api.get("/v1/apps/demo/timelines/user/2?after=0").await.ok();
    let messages: Vec<_> =
        page["entries"].as_array().expect("entries").iter().map(|entry| entry["message"].clone()).collect();
    let kinds: Vec<_> = messages.iter().map(|message| message["kind"].clone()).collect();
    assert_eq!(kinds, ["message", "message", "revocation", "receipt", "group_change"]);
    assert_eq!((&messages[1]["revoked"], &messages[1]["revoked_by"]), (&json!(true), &json!("1")));
    for field in ["type", "text", "body"] {
        assert!(messages[1].get(field).is_none(), "{field}");
        assert!(messages[0].get(field).is_some(), "{field}");
    }
    assert!(messages[0].get("revoked").is_none());
    assert_eq!(messages[2]["message_ids"], json!(["5"]));
    assert_eq!(messages[3]["message_ids"], json!(["5", "6"]));
}

#[tokio::test]
async fn at_both_ends_there_is_nothing_and_a_place_to_go_on_from() {
    let api = api();
    let empty = api.get("/v1/apps/demo/timelines/user/5").await.ok();
    assert_eq!(empty, json!({"entries": [], "complete_to": "0", "more": false}), "nobody wrote to them yet");
    let before = api.get(&format!("{FEED}?before=2")).await.ok();
    assert_eq!(before, json!({"entries": [], "complete_to": "0", "more": false}));
    assert_eq!(keys(&api.get(&format!("{FEED}?before=3")).await.ok()), ["2"]);
    assert_eq!(keys(&api.get(&format!("{FEED}?after=13")).await.ok()), ["14"]);
    assert_eq!(keys(&api.get(&format!("{FEED}?after=0&limit=1")).await.ok()), ["2"]);
    assert_eq!(keys(&api.get(&format!("{FEED}?before=0")).await.ok()).len(), 0);
}
