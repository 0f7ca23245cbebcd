//! Logic: logins, presence, pushes from the business side. D12 to D16.

use crate::support::{World, say};

#[test]
fn d16_no_group_message_is_missed_right_after_a_login() {
    let world = World::start();
    world.group("7", "1", &["2"]);
    let mut alice = world.login("1");
    for count in 0..50 {
        let client_id = format!("m-{count}");
        let mut bob = world.login("2");
        assert!(say(&mut alice, true, "7", &client_id).is_ok());
        assert_eq!(bob.text().client_id, client_id);
    }
}
