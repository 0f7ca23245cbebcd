//! What members are told of their group (spec 2.4, 2.5, 8.3): the real server, clients on TCP and WebSocket, one of them away.
//! A failure means that somebody is told something else than by the original, in another order, twice, or not at all.

use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use halley_wire::txchat::pb::{
    NoticeDeleteGroup, NoticeKickOutGroup, NoticeMsg, NoticeSignInGroup, NoticeSignOutGroup,
    NoticeUpdateGroupMemberMuted, NoticeUpdateGroupMuted, NoticeUpdateGroupName, NoticeUpdateGroupOwner,
    SignalDeleteGroup, SignalSignInGroup, SignalSignOutGroup, SignalUpdateGroupAvatar,
    SignalUpdateGroupFriendType, SignalUpdateGroupJoinType, SignalUpdateGroupMemberMuteTime,
    SignalUpdateGroupMemberType, SignalUpdateGroupMuteType, SignalUpdateGroupName,
};
use halley_wire::txchat::{Common, Frame, Pushed, Signal};
use serde_json::{Value, json};

const GROUPS: &str = "/v1/apps/demo/groups";
const GROUP: &str = "/v1/apps/demo/groups/3110";
const QUIET: Duration = Duration::from_millis(300);

fn start(scratch: &Scratch) -> (Server, Admin) {
    let server = Server::start(&scratch.path().join("data"), &Options::default());
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
    (server, admin)
}

fn body<M: prost::Message + Default>(bytes: &[u8]) -> M {
    M::decode(bytes).expect("the body of its type")
}

/// A push in words, and its id. Of the group 3110, with a time.
fn told(frame: &Frame) -> (String, i64) {
    match Pushed::parse(&frame.body).expect("an envelope") {
        Pushed::Signal(signal) => (signal_in_words(signal), signal.sid),
        Pushed::Common(common) if common.msg_type == 7 => (notice_in_words(&common), common.mid),
        Pushed::Common(common) => ("a message".to_owned(), common.mid),
        other => panic!("{other:?}"),
    }
}

fn signal_in_words(signal: Signal<'_>) -> String {
    assert!(signal.reliable);
    let bytes = signal.body;
    let (group, time, words) = match signal.kind {
        10 => {
            let m: SignalSignInGroup = body(bytes);
            (m.group, m.time, format!("{:?}", m.uid))
        }
        11 => {
            let m: SignalSignOutGroup = body(bytes);
            (m.group, m.time, format!("{:?}", m.uid))
        }
        12 => {
            let m: SignalDeleteGroup = body(bytes);
            (m.group, m.time, String::new())
        }
        20 => {
            let m: SignalUpdateGroupJoinType = body(bytes);
            (m.group, m.time, m.r#type.to_string())
        }
        21 => {
            let m: SignalUpdateGroupFriendType = body(bytes);
            (m.group, m.time, m.r#type.to_string())
        }
        22 => {
            let m: SignalUpdateGroupMuteType = body(bytes);
            (m.group, m.time, m.r#type.to_string())
        }
        23 => {
            let m: SignalUpdateGroupMemberType = body(bytes);
            (m.group, m.time, format!("{} {}", m.uid, m.r#type))
        }
        24 => {
            let m: SignalUpdateGroupMemberMuteTime = body(bytes);
            (m.group, m.time, format!("{:?} {}", m.uid, m.mute_time))
        }
        25 => {
            let m: SignalUpdateGroupName = body(bytes);
            (m.group, m.time, m.name)
        }
        26 => {
            let m: SignalUpdateGroupAvatar = body(bytes);
            (m.group, m.time, m.avatar)
        }
        other => panic!("signal {other}"),
    };
    assert_eq!(group, 3110);
    assert!(time > 1_700_000_000_000, "{time}");
    format!("{} {words}", signal.kind).trim_end().to_owned()
}

fn notice_in_words(common: &Common<'_>) -> String {
    assert_eq!((common.channel_type, common.target, common.seq.len()), (1, "3110", 36));
    let notice: NoticeMsg = body(common.msg);
    let bytes = &notice.body[..];
    let (group, operator, words) = match notice.r#type {
        0 => {
            let m: NoticeUpdateGroupName = body(bytes);
            (m.group, m.operator, m.name)
        }
        1 => {
            let m: NoticeSignInGroup = body(bytes);
            (m.group, m.inviter, format!("{:?}", m.members))
        }
        2 => {
            let m: NoticeSignOutGroup = body(bytes);
            (m.group, m.operator, String::new())
        }
        3 => {
            let m: NoticeKickOutGroup = body(bytes);
            (m.group, m.operator, format!("{:?}", m.members))
        }
        4 => {
            let m: NoticeDeleteGroup = body(bytes);
            (m.group, m.operator, String::new())
        }
        5 => {
            let m: NoticeUpdateGroupMuted = body(bytes);
            (m.group, m.operator, m.r#type.to_string())
        }
        6 => {
            let m: NoticeUpdateGroupMemberMuted = body(bytes);
            (m.group, m.operator, format!("{:?}", m.members))
        }
        7 => {
            let m: NoticeUpdateGroupOwner = body(bytes);
            (m.group, common.from.to_owned(), m.new_owner)
        }
        other => panic!("notice {other}"),
    };
    assert_eq!((group, operator.as_str()), (3110, common.from));
    format!("notice {} by {operator} {words}", notice.r#type).trim_end().to_owned()
}

/// What comes next, in words; ids increase.
fn hear(client: &mut Raw, count: usize, last: &mut i64) -> Vec<String> {
    let heard = (0..count).map(|_| {
        let (words, id) = told(&client.push());
        assert!(id > *last, "{words}: {id} after {last}");
        *last = id;
        words
    });
    heard.collect()
}

/// Method, path, body, and what members are told.
type Change = (&'static str, String, Value, &'static [&'static str]);

/// Changes of a group of 1 (the owner), 2, anna and 4, and what each tells its members.
fn changes() -> Vec<Change> {
    let member = |user: &str| format!("{GROUP}/members/{user}");
    let members = format!("{GROUP}/members");
    vec![
        (
            "POST",
            GROUPS.to_owned(),
            json!({"group_id": "3110", "name": "g", "owner": "1", "members": ["2", "anna", "4"]}),
            &[r#"10 ["2", "anna", "4", "1"]"#, r#"notice 1 by 1 ["2", "anna", "4"]"#],
        ),
        (
            "POST",
            members,
            json!({"user_ids": ["2", "5", "zoe"], "operator": "anna"}),
            &[r#"10 ["5", "zoe"]"#, r#"notice 1 by anna ["5", "zoe"]"#],
        ),
        ("PATCH", GROUP.to_owned(), json!({"name": "g", "avatar": ""}), &[]),
        ("PATCH", GROUP.to_owned(), json!({"name": "unheard", "silent": true}), &[]),
        ("PATCH", GROUP.to_owned(), json!({"name": "名", "operator": "1"}), &["25 名", "notice 0 by 1 名"]),
        ("PATCH", GROUP.to_owned(), json!({"avatar": "http://x/a"}), &["26 http://x/a"]),
        ("PATCH", GROUP.to_owned(), json!({"join_type": 1, "friend_type": 1}), &["20 1", "21 1"]),
        ("PATCH", GROUP.to_owned(), json!({"muted": true}), &["22 1", "notice 5 by 1 1"]),
        ("PATCH", GROUP.to_owned(), json!({"mute_type": 0}), &["22 0", "notice 5 by 1 0"]),
        (
            "PUT",
            member("2/mute"),
            json!({"muted": true, "until": 4_000_000_000_000_u64, "operator": "1"}),
            &[r#"24 ["2"] 4000000000000"#, r#"notice 6 by 1 ["2"]"#],
        ),
        (
            "PUT",
            member("2/mute"),
            json!({"muted": true}),
            &[r#"24 ["2"] 9223372036854775807"#, r#"notice 6 by 1 ["2"]"#],
        ),
        ("PUT", member("2/mute"), json!({"muted": false}), &[r#"24 ["2"] 0"#]),
        (
            "PATCH",
            member("anna"),
            json!({"role": "admin", "operator": "1"}),
            &["23 anna 1", r#"24 ["anna"] 0"#],
        ),
        ("PATCH", member("anna"), json!({"role": "normal"}), &["23 anna 0"]),
        (
            "PATCH",
            GROUP.to_owned(),
            json!({"owner": "2", "operator": "1"}),
            &["23 2 2", r#"24 ["2"] 0"#, "23 1 0", "notice 7 by 1 2"],
        ),
        (
            "DELETE",
            format!("{}?operator=2", member("5")),
            Value::Null,
            &[r#"notice 3 by 2 ["5"]"#, r#"11 ["5"]"#],
        ),
        (
            "DELETE",
            format!("{}?operator=zoe", member("zoe")),
            Value::Null,
            &[r#"11 ["zoe"]"#, "notice 2 by zoe"],
        ),
        ("DELETE", GROUP.to_owned(), Value::Null, &["notice 4 by 2", "12"]),
    ]
}

#[test]
fn every_change_is_told_to_all_members_once_in_order_wherever_they_are() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let mut tcp = Raw::login(server.address("txchat_tcp"), "demo", "1", Some("a"));
    let mut ws = Raw::login_web(server.address("txchat_ws"), "demo", "anna", Some("w"));
    let (mut last_tcp, mut last_ws) = (0_i64, 0_i64);
    let mut everything: Vec<&str> = Vec::new();
    for (method, path, body, expected) in changes() {
        let _answer = admin.call(method, &path, &body);
        assert_eq!(hear(&mut tcp, expected.len(), &mut last_tcp), expected, "{method} {path} {body}");
        assert_eq!(hear(&mut ws, expected.len(), &mut last_ws), expected, "{method} {path} {body}");
        everything.extend(expected);
    }
    assert_eq!(tcp.next(QUIET), Came::Nothing);
    assert_eq!(ws.next(QUIET), Came::Nothing);
    assert_eq!(last_tcp, last_ws);
    server.kill();
    let (server, _admin) = start(&scratch);
    let address = server.address("txchat_tcp");
    let mut away = Raw::login(address, "demo", "4", Some("p"));
    assert_eq!(hear(&mut away, everything.len(), &mut 0), everything, "who was away reads it all");
    assert_eq!(away.next(QUIET), Came::Nothing);
    drop(away);
    assert!(server.stop().success());
    let (server, _admin) = start(&scratch);
    let address = server.address("txchat_tcp");
    let mut away = Raw::login(address, "demo", "4", Some("p"));
    assert_eq!(away.next(QUIET), Came::Nothing, "and once");
    // Members for a while read what was said in that while: to 5, from the invitation to the removal.
    let mut guest = Raw::login(address, "demo", "5", Some("p"));
    let removed = everything.len() - 4;
    assert_eq!(hear(&mut guest, removed - 2, &mut 0), everything[2..removed]);
    assert_eq!(guest.next(QUIET), Came::Nothing);
}

#[test]
fn who_is_brought_in_hears_the_next_message_and_who_is_removed_hears_nothing_but_that() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let address = server.address("txchat_tcp");
    let mut owner = Raw::login(address, "demo", "1", Some("a"));
    let mut guest = Raw::login(address, "demo", "2", Some("a"));
    let _group = admin.call("POST", GROUPS, &json!({"group_id": "3110", "owner": "1", "silent": true}));
    for round in 0..10 {
        let _in = admin.call("POST", &format!("{GROUP}/members"), &json!({"user_ids": ["2"]}));
        owner.say(true, "3110", &format!("in-{round}"), "x");
        let heard: Vec<String> = (0..3).map(|_| told(&guest.push()).0).collect();
        assert_eq!(heard, [r#"10 ["2"]"#, r#"notice 1 by 1 ["2"]"#, "a message"], "round {round}");
        let _out = admin.call("DELETE", &format!("{GROUP}/members/2?operator=1"), &Value::Null);
        let said = owner.say(true, "3110", &format!("out-{round}"), "x");
        assert_eq!(owner.answer_to(said).code, 0);
        let heard: Vec<String> = (0..2).map(|_| told(&guest.push()).0).collect();
        assert_eq!(heard, [r#"notice 3 by 1 ["2"]"#, r#"11 ["2"]"#], "round {round}");
    }
    assert_eq!(guest.next(QUIET), Came::Nothing);
}

#[test]
fn an_operator_needs_the_right_and_who_lacks_it_changes_nothing() {
    let scratch = Scratch::new();
    let (server, admin) = start(&scratch);
    let body = json!({"group_id": "3110", "name": "g", "owner": "1", "members": ["2", "3"], "silent": true});
    let _group = admin.call("POST", GROUPS, &body);
    let _type = admin.call("PATCH", GROUP, &json!({"join_type": 2, "silent": true}));
    let _admin =
        admin.call("PATCH", &format!("{GROUP}/members/3"), &json!({"role": "admin", "silent": true}));
    let mut member = Raw::login(server.address("txchat_tcp"), "demo", "2", Some("a"));
    let member_path = |user: &str| format!("{GROUP}/members/{user}");
    let table = [
        ("PATCH", GROUP.to_owned(), json!({"name": "h", "operator": "2"}), 403, "need_admin"),
        ("PATCH", GROUP.to_owned(), json!({"owner": "2", "operator": "3"}), 403, "need_owner"),
        ("PATCH", GROUP.to_owned(), json!({"name": "h", "operator": "9"}), 403, "operator_not_member"),
        ("PATCH", GROUP.to_owned(), json!({"owner": "1", "operator": "1"}), 409, "transfer_to_self"),
        ("POST", member_path(""), json!({"user_ids": ["4"], "operator": "2"}), 403, "invite_denied"),
        ("PUT", member_path("1/mute"), json!({"muted": true, "operator": "3"}), 403, "cannot_mute_admins"),
        ("DELETE", member_path("1?operator=3"), Value::Null, 403, "need_higher_role"),
        ("DELETE", member_path("1?operator=1"), Value::Null, 409, "is_owner"),
        ("DELETE", format!("{GROUP}?operator=3"), Value::Null, 403, "need_owner"),
    ];
    for (method, path, body, status, code) in table {
        let path = path.trim_end_matches('/');
        let sent = Some(&body).filter(|body| !body.is_null());
        let (got, answer) = admin.try_call(method, path, sent).expect("an answer");
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{method} {path} {body}");
    }
    assert_eq!(member.next(QUIET), Came::Nothing, "nobody is told of what was not done");
    let group = admin.call("GET", GROUP, &Value::Null);
    assert_eq!(
        (&group["name"], &group["owner"], &group["member_count"]),
        (&json!("g"), &json!("1"), &json!(3))
    );
}

#[test]
fn two_who_change_different_things_do_not_undo_each_other() {
    let scratch = Scratch::new();
    let (_server, admin) = start(&scratch);
    let _group = admin.call("POST", GROUPS, &json!({"group_id": "3110", "owner": "1", "silent": true}));
    let changes = |field: &'static str| {
        let admin = admin.clone();
        std::thread::spawn(move || {
            for round in 0..25 {
                let _changed = admin.call("PATCH", GROUP, &json!({ field: format!("{field}-{round}") }));
            }
        })
    };
    for thread in [changes("name"), changes("avatar")] {
        thread.join().expect("changes");
    }
    let group = admin.call("GET", GROUP, &Value::Null);
    assert_eq!((&group["name"], &group["avatar"]), (&json!("name-24"), &json!("avatar-24")));
}
