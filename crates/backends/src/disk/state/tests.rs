//! A database of an older version is opened without loss.

use futures::executor::block_on;
use halley_core::device::{DeviceClass, DeviceCursor, DeviceKey};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::cursors::Cursors;

use super::schema::CURSOR_FEEDS;
use super::{RedbState, StateOptions};

fn key(raw: i64) -> SyncKey {
    SyncKey::from_raw(raw).expect("positive")
}

fn cursor(lagging: Vec<(GroupId, SyncKey)>) -> DeviceCursor {
    DeviceCursor {
        app: AppId(1),
        user: UserId(2),
        device: DeviceKey::new("phone", DeviceClass::Phone, ""),
        class: DeviceClass::Phone,
        position: key(30),
        lagging,
        updated_ms: 5,
    }
}

#[test]
fn the_first_release_had_no_feeds_beside_its_cursors() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.redb");
    let open = || RedbState::open(&path, StateOptions::default()).expect("opens");
    let state = open();
    block_on(state.begin(cursor(Vec::new()))).expect("begins");
    // Back to what the first release wrote: the same without the table.
    let deleted = state.inner().commit(|transaction| Ok(transaction.delete_table(CURSOR_FEEDS)?));
    assert!(deleted.expect("commits"), "there was one");
    drop(state);
    let lagging = cursor(vec![(GroupId(7), key(20))]);
    let state = open();
    assert_eq!(block_on(state.load(AppId(1), UserId(2))).expect("loads"), [cursor(Vec::new())]);
    state.save(lagging.clone());
    state.flush().expect("flushes");
    drop(state);
    assert_eq!(block_on(open().load(AppId(1), UserId(2))).expect("loads"), [lagging]);
}
