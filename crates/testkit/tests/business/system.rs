//! What the system says, by the admin API.

use halley_wire::txchat::Common;
use serde_json::{Value, json};

use crate::support::{World, pushed, silent};

fn call(world: &World, path: &str, body: &Value) -> Value {
    world.admin.call("POST", &format!("/v1/apps/demo/{path}"), body)
}

#[test]
fn a_system_message_has_no_sender_is_kept_and_said_once_to_each() {
    let mut world = World::new();
    let mut one = world.login("1");
    let body = json!({
        "to": { "users": ["1", "newcomer"] }, "content": { "type": 0, "body": "aGk=" }, "client_id": "welcome",
    });
    let sent = call(&world, "system", &body);
    let ids: Vec<i64> = sent["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| message["message_id"].as_str().expect("text").parse().expect("a number"))
        .collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{sent}");
    let frame = pushed(&mut one);
    let common = Common::parse(&frame.body).expect("a message");
    assert_eq!((common.from, common.target, common.msg_type, common.msg), ("", "1", 0, &b"hi"[..]));
    assert_eq!((common.mid, common.seq, common.channel_type), (ids[0], "welcome:1", 0));
    assert_eq!(call(&world, "system", &body), sent, "a repetition answers alike");
    silent(&mut one);
    world.crash();
    assert_eq!(call(&world, "system", &body), sent, "also after a crash");
    let mut newcomer = world.login("newcomer");
    let frame = pushed(&mut newcomer);
    assert_eq!(Common::parse(&frame.body).expect("a message").mid, ids[1]);
    silent(&mut newcomer);
}

#[test]
fn a_system_message_without_a_key_is_a_new_one_every_time() {
    let world = World::new();
    let body = json!({ "to": { "users": ["1"] }, "content": { "text": "hi" } });
    assert_ne!(call(&world, "system", &body), call(&world, "system", &body));
    let large = json!({ "to": { "users": ["1"] }, "content": { "text": "x".repeat(16_380) } });
    let (status, error) =
        world.admin.try_call("POST", "/v1/apps/demo/system", Some(&large)).expect("answers");
    assert_eq!((status, error["error"]["code"].as_str()), (413, Some("message_too_large")), "{error}");
}

#[test]
fn a_broadcast_reaches_who_is_online_and_is_in_no_history() {
    let world = World::new();
    let (mut one, mut two) = (world.login("1"), world.login("2"));
    let sent = call(&world, "broadcast", &json!({ "content": { "text": "maintenance at noon" } }));
    assert_eq!(sent["sessions"], 2);
    for client in [&mut one, &mut two] {
        let frame = pushed(client);
        let common = Common::parse(&frame.body).expect("a message");
        assert_eq!((common.from, common.target, common.msg_type), ("", "", 1));
        assert_eq!(common.mid.to_string(), sent["message_id"].as_str().expect("text"));
    }
    let history = world.admin.call("GET", "/v1/apps/demo/timelines/user/1?after=0", &Value::Null);
    assert_eq!(history["entries"], json!([]));
    let mut late = world.login("3");
    silent(&mut late);
}
