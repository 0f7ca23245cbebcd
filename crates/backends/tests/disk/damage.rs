//! The index gone, or any of its files gone or damaged: the server starts, and nothing is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use halley_core::key::SyncKey;
use halley_core::ports::timelines::{Direction, TimelineRange};

use crate::common::{Place, World, inbox, message};
use crate::versions::{copy, copy_while_open};

const MESSAGES: i64 = 300;

/// A directory whose index has several tables, closed.
fn prepared() -> World {
    let mut world = World::disk();
    for id in 1..=MESSAGES {
        let ticket = world.append(message(id, 1 + id % 3, 9, b"hello"));
        if id % 60 == 0 {
            world.wait(ticket).expect("durable");
            world.follow(25);
            world.reopen();
        }
    }
    world.follow(25);
    world.open.take().expect("open").close().expect("closes");
    world
}

fn files_of(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).expect("lists") {
        let path = entry.expect("lists").path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn check(world: &mut World) {
    world.follow(100);
    assert_eq!(world.ids(inbox(9)), (1..=MESSAGES).collect::<Vec<_>>());
    assert_eq!(world.ids(inbox(2)), (1..=MESSAGES).filter(|id| id % 3 == 1).collect::<Vec<_>>());
}

#[test]
fn without_its_index_a_directory_opens_and_nothing_is_missing() {
    let mut world = prepared();
    fs::remove_dir_all(world.path().join("index")).expect("removes");
    world.open();
    assert_eq!(world.parts().recovery.newest_id.map(|id| id.0), Some(MESSAGES));
    check(&mut world);
}

#[test]
fn without_any_file_of_its_index_too() {
    let world = prepared();
    let files = files_of(&world.path().join("index"));
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        let relative = file.strip_prefix(world.path()).expect("below").to_owned();
        let dir = tempfile::tempdir().expect("a directory");
        copy(world.path(), dir.path());
        fs::remove_file(dir.path().join(&relative)).expect("removes");
        let mut damaged = World::at(Place::Disk(dir), |_| {});
        println!("{}: {:?}", relative.display(), damaged.parts().recovery.index_discarded);
        check(&mut damaged);
    }
}

#[test]
fn damaged_files_give_no_wrong_answer_and_are_replaced_at_the_next_start_at_the_latest() {
    let world = prepared();
    for file in files_of(&world.path().join("index")) {
        let relative = file.strip_prefix(world.path()).expect("below").to_owned();
        let bytes = fs::read(&file).expect("reads");
        for damage in 0..6 {
            if bytes.is_empty() {
                continue;
            }
            let dir = tempfile::tempdir().expect("a directory");
            copy(world.path(), dir.path());
            let mut damaged = bytes.clone();
            let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            match damage {
                0 => damaged.truncate(bytes.len() / 2),
                1 => damaged.clear(),
                2 => damaged.fill(0xff),
                place => damaged[used * (place - 2) / 4] ^= 0x10,
            }
            fs::write(dir.path().join(&relative), &damaged).expect("writes");
            let mut damaged = World::at(Place::Disk(dir), |_| {});
            if !serves_right(&mut damaged) {
                println!("{} damage {damage}: refused reads, rebuilt at the next start", relative.display());
                damaged.reopen();
                assert!(damaged.parts().recovery.index_discarded.is_some(), "{}", relative.display());
            }
            check(&mut damaged);
        }
    }
}

/// Whether reads answer; what they answer must be right.
fn serves_right(world: &mut World) -> bool {
    world.follow(100);
    for (user, every) in [(9, 1), (2, 3)] {
        let range = TimelineRange {
            timeline: inbox(user),
            from: SyncKey::START,
            direction: Direction::After,
            entries_max: 1_000,
            bytes_max: 1 << 24,
        };
        let reply = Arc::clone(&world.parts().index).read(range);
        let Ok(page) = world.wait(reply) else { return false };
        let ids: Vec<_> = page.entries.iter().map(|entry| entry.record.message.id.0).collect();
        let expected: Vec<_> = (1..=MESSAGES).filter(|id| every == 1 || id % 3 == 1).collect();
        assert_eq!(ids, expected, "a wrong answer");
    }
    true
}

#[test]
fn what_a_kill_leaves_opens_with_everything() {
    let mut world = World::disk();
    for id in 1..=50 {
        world.send(message(id, 1, 2, b"hello"));
        if id == 30 {
            world.follow(7);
        }
    }
    let mut killed = World::at(Place::Disk(copy_while_open(&world)), |_| {});
    assert_eq!(killed.parts().recovery.index_discarded, None);
    killed.follow(10);
    assert_eq!(killed.ids(inbox(2)), (1..=50).collect::<Vec<_>>());
    killed.reopen();
    assert_eq!(killed.parts().recovery.log.visited, 1, "the marks are at the end");
    assert_eq!(killed.parts().index.watermark().seq.0, 50);
}

#[test]
fn more_unindexed_records_than_the_tail_may_hold_are_indexed_while_opening() {
    let mut world = World::disk();
    for id in 1..=200 {
        let ticket = world.append(message(id, 1, 2, &[7; 500]));
        if id == 200 {
            world.wait(ticket).expect("durable");
        }
    }
    world.open.take().expect("open").close().expect("closes");
    world.tune = |options| options.tail.bytes_max = 20_000;
    world.open();
    assert_eq!(world.parts().recovery.indexed, 200);
    assert_eq!(world.ids(inbox(2)), (1..=200).collect::<Vec<_>>());
    world.send(message(201, 1, 2, b"on"));
}
