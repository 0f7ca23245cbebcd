//! Answer: what clients send. D17 to D22 and D34.

use std::collections::HashMap;

use halley_testkit::raw::Came;
use halley_wire::txchat::{Ack, Op};

use crate::support::{SOON, World, say};

#[test]
fn d17_what_was_acknowledged_survives_a_kill_and_a_failed_disk() {
    // The fortieth write of the log fails, and all behind it.
    let mut world = World::with(&["debug.failpoint=write:40:eio"]);
    let mut alice = world.login("1");
    let (mut said, mut acked) = (HashMap::new(), Vec::new());
    for count in 0..10_000 {
        let client_id = format!("m-{count}");
        said.insert(alice.say(false, "2", &client_id, "x"), client_id);
        match alice.next(SOON) {
            Came::Frame(frame) if frame.header.op == Op::SEND_MSG_REPLY => {
                if Ack::parse(&frame.body).expect("an acknowledgement").code == 0 {
                    acked.extend(said.remove(&frame.header.ack));
                }
            }
            Came::Frame(_) => {}
            Came::Closed | Came::Nothing => break,
        }
    }
    assert_eq!(world.server.wait_end(SOON).code(), Some(1));
    let world = world.again_with(&[]);
    let kept = world.timeline("2");
    assert!(!acked.is_empty(), "the first were kept");
    assert!(acked.iter().all(|client_id| kept.contains(client_id)), "{acked:?} in {kept:?}");

    let mut carol = world.login("3");
    for count in 0..1_000 {
        carol.say(false, "4", &format!("c-{count}"), "x");
    }
    let acked = (0..300).map(|_| carol.answer()).filter(|(_, ack)| ack.code == 0).count();
    let world = world.killed();
    let kept = world.timeline("4");
    assert!(kept.len() >= acked, "{acked} were acknowledged, {} are kept", kept.len());
    let said: Vec<String> = (0..kept.len()).map(|count| format!("c-{count}")).collect();
    assert_eq!(kept, said, "in their order, none left out");
}

#[test]
fn d17_no_two_messages_of_one_user_change_places() {
    let world = World::start();
    let mut bob = world.login("2");
    let mut connections = [world.login("1"), world.login_web("1")];
    for count in 0..500 {
        connections[0].say(false, "2", &format!("m-{count}"), "x");
    }
    for count in 0..500 {
        assert_eq!(bob.text().client_id, format!("m-{count}"));
    }
    // One behind the acknowledgement of the other, from two connections.
    for count in 0..50 {
        let place = count % 2;
        assert!(say(&mut connections[place], false, "2", &format!("n-{count}")).is_ok());
    }
    for count in 0..50 {
        assert_eq!(bob.text().client_id, format!("n-{count}"));
    }
}
