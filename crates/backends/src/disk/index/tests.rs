//! Many runs: merged, joined, whole after each reopen.

use std::sync::Arc;

use bytes::Bytes;
use halley_core::ids::{AppId, LogSeq, MsgId, UserId};
use halley_core::key::{Epoch, SyncKey};
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::ports::index::Watermark;
use halley_core::ports::timelines::Direction;
use halley_core::record::{Record, Targets};
use halley_core::tail::{TailRecord, tail_record};
use halley_core::timeline::TimelineId;

use redb::backends::InMemoryBackend;

use super::{Opening, Reach, Rows, codec};
use crate::disk::state::{RedbState, StateOptions};

fn record(seq: u64) -> TailRecord {
    let user = UserId(7);
    let message = Message {
        id: MsgId(seq.cast_signed()),
        app: AppId(1),
        conversation: Conversation::User(user),
        from: user,
        kind: EntryKind::MESSAGE,
        content: Content::default(),
        ext: Bytes::new(),
        client_id: Bytes::from(seq.to_string()),
        time_ms: seq,
        device: Bytes::new(),
    };
    let record = Record { message, targets: Targets::new(vec![user], None) };
    let key = SyncKey::new(Epoch(0), seq).expect("small");
    tail_record(LogSeq(seq), seq * 100, key, Arc::new(record))
}

fn reach(seq: u64) -> Reach {
    Reach {
        watermark: Watermark {
            seq: LogSeq(seq),
            key: SyncKey::new(Epoch(0), seq).unwrap_or_default(),
            position: seq * 100,
        },
        newest_id: MsgId(seq.cast_signed()),
    }
}

#[test]
fn runs_are_merged_and_join_at_every_reopen() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = RedbState::open_backend(InMemoryBackend::new(), StateOptions::default()).expect("in memory");
    let opening = Opening::new(&dir.path().join("index"), Arc::new(state));
    let timeline = TimelineId::Inbox(AppId(1), UserId(7));
    let mut seq = 0;
    for round in 0..6 {
        let opened = opening.open().expect("opens");
        assert_eq!((opened.reach, opened.discarded), (reach(seq), None), "round {round}");
        let rows = opened.rows;
        for _ in 0..5 {
            let before = seq;
            seq += 3;
            let batch: Vec<_> = (before + 1..=seq).map(record).collect();
            rows.write(&batch, &reach(before), &reach(seq)).expect("writes");
            rows.flush().expect("flushes");
        }
        let batch = [record(seq + 1)];
        rows.write(&batch, &reach(seq), &reach(seq + 1)).expect("writes");
        let found =
            rows.scan(timeline, SyncKey::START, SyncKey::END, Direction::After, 1_000).expect("reads");
        let places: Vec<_> = found.iter().map(|row| row.position / 100).collect();
        assert_eq!(places, (1..=seq + 1).collect::<Vec<_>>(), "tables, then the run");
        let found = rows.scan(timeline, SyncKey::START, SyncKey::END, Direction::Before, 4).expect("reads");
        let places: Vec<_> = found.iter().map(|row| row.position / 100).collect();
        assert_eq!(places, [seq + 1, seq, seq - 1, seq - 2]);
        // Not flushed: the last row goes with the process.
    }
}

#[test]
fn tables_of_another_format_are_thrown_away() {
    for format in [codec::FORMAT_VERSION - 1, codec::FORMAT_VERSION + 1] {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("index");
        let state = RedbState::open_backend(InMemoryBackend::new(), StateOptions::default());
        let opening = Opening::new(&path, Arc::new(state.expect("in memory")));
        let rows = opening.open().expect("opens").rows;
        rows.write(&[record(1)], &reach(0), &reach(1)).expect("writes");
        rows.flush().expect("flushes");
        drop(rows);
        assert_eq!(opening.open().expect("opens").reach, reach(1), "of this format");
        let database = ::fjall::Database::builder(&path).open().expect("opens");
        let timelines = database.keyspace("timelines", Default::default).expect("is there");
        timelines.insert(codec::FORMAT_KEY, format.to_be_bytes()).expect("writes");
        database.persist(::fjall::PersistMode::SyncAll).expect("syncs");
        drop((timelines, database));
        let opened = opening.open().expect("opens");
        assert_eq!(opened.reach, Reach::default(), "{format}");
        assert!(opened.discarded.is_some_and(|reason| reason.contains("another format")), "{format}");
    }
}
