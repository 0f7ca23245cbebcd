//! Devices.

use halley_core::ids::UserId;
use halley_core::session::KickReason;
use serde_json::json;

use crate::support::{Api, NOW_MS};

const DEVICES: &str = "/v1/apps/demo/users/1/devices";

#[tokio::test]
async fn a_device_is_listed_without_its_push_token_and_forgotten_with_its_connections() {
    let api = Api::new();
    assert_eq!(api.get(DEVICES).await.ok(), json!({"devices": []}));
    api.world.add_device(UserId(1));
    let phone = api.world.add_session(UserId(1), 1);
    api.world.add_session(UserId(1), 2);
    let listed = api.get(DEVICES).await.ok();
    assert_eq!(
        listed,
        json!({"devices": [{
            "key": "id:u-1", "uuid": "u-1", "class": "phone", "platform": 1, "name": "phone of one",
            "user_name": "One", "has_push_token": true, "logged_in_ms": NOW_MS,
        }]})
    );
    api.delete(&format!("{DEVICES}/id:u-2")).await.refused(404, "unknown_device");
    api.delete("/v1/apps/demo/users/2/devices/id:u-1").await.refused(404, "unknown_device");
    assert!(api.world.contents.lock().kicks.is_empty());
    let closed = api.delete(&format!("{DEVICES}/id%3Au-1")).await.ok();
    assert_eq!(closed, json!({"closed": 1, "unreached": 0}));
    assert_eq!(api.world.contents.lock().kicks, [(phone, KickReason::DeviceForgotten)], "only its own");
    api.delete(&format!("{DEVICES}/id:u-1")).await.refused(404, "unknown_device");
}
