//! [`TimelineIndex`]: ranges both ways, paging, limits, watermarks, dedup.

use std::sync::Arc;

use halley_core::event::Revocation;
use halley_core::ids::{AppId, GroupId, MsgId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::EntryKind;
use halley_core::ports::dedup::DedupKey;
use halley_core::ports::timelines::{Direction, TimelineRange};
use halley_core::record::{Entry, Targets};
use halley_core::timeline::TimelineId;

use crate::common::{APP, World, inbox, message};
use crate::in_both_worlds;

in_both_worlds! {
    a_range_is_read_in_pages_both_ways,
    limits_of_entries_and_bytes_hold_and_one_entry_is_always_given,
    nothing_above_the_watermark_is_served,
    a_batch_must_begin_behind_the_watermark,
    every_target_has_its_row_and_the_feed_too,
    dedup_finds_the_message_and_the_newest_of_two,
    a_message_is_found_by_its_id_and_is_its_apps,
    what_was_revoked_has_no_content_in_any_of_its_timelines,
    the_watermark_survives_a_reopen,
}

fn filled(world: &mut World, count: i64) -> Vec<SyncKey> {
    let keys = (1..=count).map(|id| {
        let other = if id % 3 == 0 { 2 } else { 3 };
        world.send(message(id, 1, other, b"hello"))
    });
    let keys = keys.collect();
    world.follow(5);
    keys
}

fn a_range_is_read_in_pages_both_ways(world: &mut World) {
    let keys = filled(world, 60);
    let thirds: Vec<i64> = (1..=60).filter(|id| id % 3 == 0).collect();
    assert_eq!(world.ids(inbox(2)), thirds);
    assert_eq!(world.ids(inbox(9)), Vec::<i64>::new());

    let page = world.read(inbox(2), keys[5], Direction::After, 4);
    let ids: Vec<_> = page.entries.iter().map(|entry| entry.record.message.id.0).collect();
    assert_eq!(ids, [9, 12, 15, 18], "exclusive");
    assert!(page.more);
    assert_eq!(page.complete_to, keys[17]);
    assert_eq!(page.entries[0].key, keys[8]);

    let page = world.read(inbox(2), keys[53], Direction::After, 4);
    assert_eq!((page.entries.len(), page.more), (2, false));
    assert_eq!(page.complete_to, world.parts().index.watermark().key);

    let page = world.read(inbox(2), keys[8], Direction::Before, 10);
    let ids: Vec<_> = page.entries.iter().map(|entry| entry.record.message.id.0).collect();
    assert_eq!(ids, [6, 3]);
    assert_eq!((page.complete_to, page.more), (SyncKey::START, false));
    let page = world.read(inbox(2), SyncKey::END, Direction::Before, 3);
    let ids: Vec<_> = page.entries.iter().map(|entry| entry.record.message.id.0).collect();
    assert_eq!(ids, [60, 57, 54]);
    assert_eq!((page.complete_to, page.more), (keys[53], true));
}

fn limits_of_entries_and_bytes_hold_and_one_entry_is_always_given(world: &mut World) {
    for id in 1..=20 {
        world.send(message(id, 1, 2, &[1; 1_000]));
    }
    world.follow(100);
    let range = |entries_max, bytes_max| TimelineRange {
        timeline: inbox(2),
        from: SyncKey::START,
        direction: Direction::After,
        entries_max,
        bytes_max,
    };
    let page = world.read_range(range(100, 5_000));
    assert!((2..=5).contains(&page.entries.len()), "{}", page.entries.len());
    assert!(page.more);
    assert_eq!(Some(page.complete_to), page.entries.last().map(|entry| entry.key));
    let page = world.read_range(range(100, 1));
    assert_eq!((page.entries.len(), page.more), (1, true));
    let page = world.read_range(range(20, 1 << 20));
    assert_eq!((page.entries.len(), page.more), (20, false));
}

fn nothing_above_the_watermark_is_served(world: &mut World) {
    filled(world, 10);
    let watermark = world.parts().index.watermark();
    world.send(message(11, 1, 2, b"not indexed"));
    assert_eq!(world.parts().index.watermark(), watermark);
    let page = world.read(inbox(1), SyncKey::START, Direction::After, 100);
    assert_eq!((page.entries.len(), page.complete_to), (10, watermark.key));
    let page = world.read(inbox(1), SyncKey::END, Direction::After, 100);
    assert_eq!((page.entries.len(), page.complete_to), (0, watermark.key));
    assert_eq!(world.parts().index.newest(inbox(1)), Ok(watermark.key));
    assert_eq!(world.parts().index.newest(inbox(77)), Ok(SyncKey::START));
}

fn a_batch_must_begin_behind_the_watermark(world: &mut World) {
    for id in 1..=4 {
        world.send(message(id, 1, 2, b"hello"));
    }
    let records = world.parts().tail.read_after(Default::default(), 10).expect("there");
    assert!(world.parts().index.apply(&records[1..]).is_err(), "a gap");
    world.parts().index.apply(&records[..2]).expect("applies");
    assert!(world.parts().index.apply(&records).is_err(), "an overlap");
    world.parts().index.apply(&records[2..]).expect("applies");
    assert_eq!(world.ids(inbox(2)), [1, 2, 3, 4]);
}

fn every_target_has_its_row_and_the_feed_too(world: &mut World) {
    let mut record = message(1, 1, 2, b"to all");
    record.targets = Targets::new((1..=3_000).map(UserId).collect(), Some(GroupId(7)));
    world.send(record);
    world.follow(100);
    for user in [1, 2, 1_500, 3_000] {
        assert_eq!(world.ids(inbox(user)), [1]);
    }
    assert_eq!(world.ids(inbox(3_001)), Vec::<i64>::new());
    assert_eq!(world.ids(TimelineId::Feed(APP, GroupId(7))), [1]);
}

fn dedup_finds_the_message_and_the_newest_of_two(world: &mut World) {
    let key = |id: &str| DedupKey::new(APP, UserId(1), id.as_bytes()).expect("not empty");
    world.send(message(1, 1, 2, b"a"));
    world.send(message(2, 1, 2, b"b"));
    let mut again = message(3, 1, 2, b"c");
    again.message.client_id = "client-1".into();
    let newest = world.send(again);
    world.follow(10);
    let find = |world: &mut World, key| {
        let reply = world.parts().index.find_dedup(&key);
        world.wait(reply).expect("reads")
    };
    let found = find(world, key("client-1")).expect("known");
    assert_eq!((found.id.0, found.key), (3, newest));
    assert_eq!(find(world, key("client-2")).map(|known| known.id.0), Some(2));
    assert_eq!(find(world, key("client-9")), None);
    let other = DedupKey::new(APP, UserId(2), b"client-1").expect("not empty");
    assert_eq!(find(world, other), None, "another user's");
}

fn the_watermark_survives_a_reopen(world: &mut World) {
    let keys = filled(world, 30);
    world.reopen();
    world.follow(100);
    assert_eq!(world.parts().index.watermark().key, keys[29]);
    assert_eq!(world.ids(inbox(1)), (1..=30).collect::<Vec<_>>());
}

fn find(world: &mut World, app: AppId, id: i64) -> Option<Entry> {
    let reply = Arc::clone(&world.parts().index).find_message(app, MsgId(id));
    world.wait(reply).expect("reads")
}

fn a_message_is_found_by_its_id_and_is_its_apps(world: &mut World) {
    // Ids need not be in the order of the journal.
    let ids = [5, 3, 9, 4, 1, 8];
    let keys: Vec<_> = ids.iter().map(|id| world.send(message(*id, 1, 2, b"hello"))).collect();
    let mut other = message(6, 1, 2, b"a signal");
    other.message.kind = EntryKind::SIGNAL;
    world.send(other);
    assert_eq!(find(world, APP, 5), None, "not indexed");
    world.follow(4);
    for _ in 0..2 {
        for (id, key) in ids.iter().zip(&keys) {
            let found = find(world, APP, *id).expect("known");
            assert_eq!((found.key, found.record.message.id), (*key, MsgId(*id)));
            assert_eq!(find(world, AppId(2), *id), None, "another app's");
        }
        assert_eq!(find(world, APP, 6), None, "no message");
        assert_eq!(find(world, APP, 7), None);
        world.reopen();
        world.follow(4);
    }
}

fn what_was_revoked_has_no_content_in_any_of_its_timelines(world: &mut World) {
    let targets = || Targets::new((1..=40).map(UserId).collect(), Some(GroupId(7)));
    let keys: Vec<_> = (1..=6)
        .map(|id| {
            let mut record = message(id, 1, 2, b"secret");
            record.targets = targets();
            world.send(record)
        })
        .collect();
    world.follow(4);
    world.reopen();
    for revoked in [2, 5] {
        let key = keys[usize::try_from(revoked - 1).expect("small")].raw();
        let revocation = Revocation { message: revoked, key, operator: 9, by_sender: false };
        let mut record = message(100 + revoked, 9, 2, &revocation.encode());
        record.message.kind = EntryKind::REVOCATION;
        record.targets = targets();
        world.send(record);
    }
    world.follow(4);
    for _ in 0..2 {
        let timelines = [inbox(1), inbox(23), inbox(40), TimelineId::Feed(APP, GroupId(7))];
        for timeline in timelines {
            for (direction, from) in [(Direction::After, SyncKey::START), (Direction::Before, SyncKey::END)] {
                let page = world.read(timeline, from, direction, 100);
                let mut seen: Vec<_> =
                    page.entries.iter().map(|it| (it.key, it.record.message.clone())).collect();
                if direction == Direction::Before {
                    seen.reverse();
                }
                let kinds: Vec<_> = seen.iter().map(|(_, message)| message.kind.0).collect();
                assert_eq!(kinds, [1, 7, 1, 1, 7, 1, 4, 4], "{timeline:?}");
                assert_eq!(seen.iter().take(6).map(|(key, _)| *key).collect::<Vec<_>>(), keys);
                let revocation = Revocation::decode(&seen[4].1.content.bytes).expect("who revoked it");
                assert_eq!((revocation.message(), revocation.operator()), (MsgId(5), UserId(9)));
                assert_eq!(&seen[5].1.content.bytes[..], b"secret");
            }
        }
        assert_eq!(find(world, APP, 2).expect("known").record.message.kind, EntryKind::REVOKED);
        assert_eq!(find(world, APP, 3).expect("known").record.message.kind, EntryKind::MESSAGE);
        let dedup = DedupKey::new(APP, UserId(1), b"client-2").expect("not empty");
        let reply = world.parts().index.find_dedup(&dedup);
        assert_eq!(world.wait(reply).expect("reads").map(|known| known.id), Some(MsgId(2)));
        world.reopen();
        world.follow(4);
    }
}
