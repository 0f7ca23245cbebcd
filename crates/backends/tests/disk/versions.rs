//! A directory of a newer version, parts that do not belong together, epochs.

use std::error::Error;
use std::fs;

use halley_backends::OpenError;
use halley_backends::disk::journal::Fsync;
use halley_core::key::{Epoch, SyncKey};
use halley_core::ports::journal::Journal;

use crate::common::{World, inbox, message};

#[test]
fn a_newer_directory_is_refused_with_a_clear_message() {
    let mut world = World::disk();
    world.send(message(1, 1, 2, b"x"));
    world.open.take().expect("open").close().expect("closes");
    fs::write(world.path().join("VERSION"), "99\n").expect("writes");
    let error = world.try_open().expect_err("refused");
    assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("run the newer version"), "{error}");
    fs::write(world.path().join("VERSION"), "soon").expect("writes");
    assert!(matches!(world.try_open(), Err(OpenError::VersionUnreadable { .. })));
    fs::write(world.path().join("VERSION"), "1\n").expect("writes");
    world.open();
}

#[test]
fn a_directory_in_use_is_refused() {
    let world = World::disk();
    let error = world.try_open().expect_err("refused");
    assert!(matches!(error, OpenError::Directory(_)), "{error}");
    assert!(error.source().is_some());
}

#[test]
fn a_journal_without_its_state_is_refused_and_the_other_way_round() {
    let mut world = World::disk();
    world.send(message(1, 1, 2, b"x"));
    world.open.take().expect("open").close().expect("closes");
    let (state, kept) = (world.path().join("state.redb"), world.path().join("kept"));
    fs::rename(&state, &kept).expect("renames");
    assert!(matches!(world.try_open(), Err(OpenError::StateMissing)));
    fs::remove_file(&state).expect("removes");
    fs::rename(&kept, &state).expect("renames");
    fs::rename(world.path().join("journal"), world.path().join("old")).expect("renames");
    let error = world.try_open().expect_err("refused");
    assert!(matches!(error, OpenError::Journal(_) | OpenError::ForeignJournal { .. }), "{error}");
    fs::remove_dir_all(world.path().join("journal")).expect("removes");
    fs::rename(world.path().join("old"), world.path().join("journal")).expect("renames");
    world.open();
    world.follow(10);
    assert_eq!(world.ids(inbox(2)), [1]);
}

#[test]
fn everything_but_the_index_gone_is_a_new_installation() {
    let mut world = World::disk();
    world.send(message(1, 1, 2, b"x"));
    world.follow(10);
    world.open.take().expect("open").close().expect("closes");
    fs::remove_file(world.path().join("state.redb")).expect("removes");
    fs::remove_dir_all(world.path().join("journal")).expect("removes");
    world.open();
    assert!(world.parts().recovery.log.is_new);
    assert_eq!(world.ids(inbox(2)), Vec::<i64>::new());
    world.send(message(2, 1, 2, b"x"));
    world.follow(10);
    assert_eq!(world.ids(inbox(2)), [2]);
}

#[test]
fn an_unclean_start_without_fsync_begins_a_new_epoch() {
    let mut world = World::disk();
    let weak: fn(&mut halley_backends::Options) = |options| options.journal.fsync = Fsync::Os;
    world.tune = weak;
    world.reopen();
    let first = world.send(message(1, 1, 2, b"x"));
    world.reopen();
    assert_eq!(world.parts().recovery.epoch, Epoch(0), "it ended cleanly");
    world.send(message(2, 1, 2, b"x"));
    world.follow(10);
    let copied = copy_while_open(&world);
    let mut killed = World::at(crate::common::Place::Disk(copied), weak);
    assert_eq!(killed.parts().recovery.epoch, Epoch(1));
    assert_eq!(killed.parts().journal.durable_end().map(SyncKey::place), Ok(2), "of the old epoch");
    let third = killed.send(message(3, 1, 2, b"x"));
    assert_eq!(Some(third), SyncKey::new(Epoch(1), 3));
    assert!(third > first);
    killed.follow(10);
    assert_eq!(killed.ids(inbox(2)), [1, 2, 3]);
    killed.reopen();
    assert_eq!(killed.parts().recovery.epoch, Epoch(1));
    assert_eq!(killed.parts().journal.durable_end(), Ok(third));
}

/// What kill -9 leaves: everything written, nothing closed.
pub(crate) fn copy_while_open(world: &World) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a directory");
    copy(world.path(), to.path());
    to
}

pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copies");
        }
    }
}
