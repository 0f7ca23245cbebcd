//! Answer: what clients send. D17 to D22 and D34.

use crate::support::{World, say};

#[test]
fn d17_what_was_acknowledged_survives_a_kill() {
    let world = World::start();
    let mut alice = world.login("1");
    for count in 0..50 {
        assert!(say(&mut alice, false, "2", &format!("m-{count}")).is_ok());
    }
    let world = world.killed();
    let mut bob = world.login_device("2", "phone");
    for count in 0..50 {
        assert_eq!(bob.text().client_id, format!("m-{count}"));
    }
}
