//! Groups by way of gRPC, and pushes to them.

use halley_grpc::comet::{BroadcastGroupReq, DelGroupsReq, JoinGroupsReq, LeaveGroupsReq};
use halley_grpc::logic::{self, GroupsKey};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{World, message, said, silent, strings};

fn members(owner: &str, members: &[&str]) -> Option<(String, Vec<String>)> {
    Some((owner.to_owned(), strings(members)))
}

#[test]
fn joining_makes_the_group_and_leaving_hands_it_on_and_ends_it() {
    let mut world = World::new();
    world.join(&["3", "1", "2", "3"], "3110").expect("joins");
    assert_eq!(world.group("3110"), members("3", &["1", "2", "3"]), "the first owns it");
    world.join(&["4", "1"], "3110").expect("who is a member stays one");
    assert_eq!(world.group("3110"), members("3", &["1", "2", "3", "4"]));
    world.leave(&["2", "99"], "3110").expect("who is none does not matter");
    let role = json!({ "role": "admin" });
    let _admin = world.admin.call("PATCH", "/v1/apps/demo/groups/3110/members/4", &role);
    world.leave(&["3"], "3110").expect("the owner leaves");
    assert_eq!(world.group("3110"), members("4", &["1", "4"]), "an admin follows");
    world.leave(&["4"], "3110").expect("leaves");
    assert_eq!(world.group("3110"), members("1", &["1"]));
    world.leave(&["1"], "3110").expect("the last one leaves");
    assert_eq!(world.group("3110"), None);
    world.leave(&["1"], "3110").expect("there is nothing to leave");
}

#[test]
fn connections_join_and_leave_by_their_keys_and_groups_end() {
    let mut world = World::new();
    let (_one, _two) = (world.login("1"), world.login("2"));
    let keys = vec![world.key("1"), world.key("2"), "0.0.77".to_owned()];
    let groups_key = |keys: &[String]| GroupsKey {
        app_id: "demo".to_owned(),
        keys: keys.to_vec(),
        gid: strings(&["7", "8"]),
    };
    world.runtime.block_on(world.logic.join_groups_by_keys(groups_key(&keys))).expect("joins");
    assert_eq!(world.group("7"), members("1", &["1", "2"]));
    world.runtime.block_on(world.logic.leave_groups_by_keys(groups_key(&keys[..1]))).expect("leaves");
    assert_eq!(world.group("8"), members("2", &["2"]));

    let gid = strings(&["demo_9"]);
    let join = JoinGroupsReq { keys: keys.clone(), gid: gid.clone() };
    world.runtime.block_on(world.comet.join_groups(join)).expect("joins");
    assert_eq!(world.group("9"), members("1", &["1", "2"]));
    let leave = LeaveGroupsReq { keys: keys[..1].to_vec(), gid: gid.clone() };
    world.runtime.block_on(world.comet.leave_groups(leave)).expect("leaves");
    assert_eq!(world.group("9"), members("2", &["2"]));
    world.runtime.block_on(world.comet.del_groups(DelGroupsReq { gid })).expect("ends");
    assert_eq!(world.group("9"), None);
    let end = logic::DelGroupsReq { app_id: "demo".to_owned(), gid: strings(&["7", "8", "9"]) };
    world.runtime.block_on(world.logic.del_groups(end)).expect("one that is not there does not matter");
    assert_eq!((world.group("7"), world.group("8")), (None, None));
}

#[test]
fn a_group_push_reaches_the_members_online_and_later_in_one_order_and_stands_in_its_history() {
    let mut world = World::new();
    world.join(&["1", "2", "3"], "3110").expect("joins");
    let (mut one, mut two, mut stranger) = (world.login("1"), world.login("2"), world.login("4"));
    world.push_group("3110", &message(true, "shop", "3110", "first")).expect("is taken");
    let cast = BroadcastGroupReq {
        group_id: "demo_3110".to_owned(),
        proto: Some(message(true, "", "3110", "second")),
    };
    world.runtime.block_on(world.comet.broadcast_group(cast)).expect("is taken");
    let expected = [("shop", "first"), ("", "second")].map(|(from, text)| (from.to_owned(), text.to_owned()));
    for client in [&mut one, &mut two] {
        assert_eq!([said(client), said(client)], expected);
    }
    let mut late = world.login("3");
    assert_eq!([said(&mut late), said(&mut late)], expected);
    silent(&mut stranger);
    let history = world.admin.call("GET", "/v1/apps/demo/timelines/group/3110?after=0", &Value::Null);
    assert_eq!(history["entries"].as_array().map(Vec::len), Some(2), "{history}");
    let status = world.push_group("9999", &message(true, "x", "9999", "y")).expect_err("no such group");
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
}

#[test]
fn what_is_said_to_a_super_group_stands_in_its_feed_only() {
    let mut world = World::new();
    let group = json!({ "group_id": "5", "name": "g", "owner": "1", "super": true, "members": ["2"], "silent": true });
    let _group = world.admin.call("POST", "/v1/apps/demo/groups", &group);
    world.push_group("5", &message(true, "1", "5", "hi")).expect("is taken");
    // Beside messages a timeline has the record of who became a member.
    let messages = |path: &str| {
        let page = world.admin.call("GET", &format!("/v1/apps/demo/timelines/{path}?after=0"), &Value::Null);
        let entries = page["entries"].as_array().expect("a list").clone();
        entries.iter().filter(|entry| entry["message"]["kind"] == "message").count()
    };
    assert_eq!(messages("group/5"), 1);
    assert_eq!(messages("user/2"), 0);
}

#[test]
fn what_is_no_group_is_refused() {
    let mut world = World::new();
    for group in ["", "abc", "0", "99999999999999999999"] {
        let status = world.join(&["1"], group).expect_err("is refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{group:?}: {status:?}");
        let gid = vec![format!("demo_{group}")];
        let status =
            world.runtime.block_on(world.comet.del_groups(DelGroupsReq { gid })).expect_err("is refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{group:?}: {status:?}");
    }
    let gid = strings(&["nowhere_5"]);
    let status =
        world.runtime.block_on(world.comet.del_groups(DelGroupsReq { gid })).expect_err("is refused");
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
}
