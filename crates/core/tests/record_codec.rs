//! The binary form of a record. Method: round trips of arbitrary records, one golden record, arbitrary and mutated bytes. A failure
//! means that a journal written by one version is misread by another, or that bytes from the disk crash the server.

use bytes::Bytes;
use halley_core::RecordError;
use halley_core::ids::{AppId, GroupId, MsgId, UserId};
use halley_core::key::Epoch;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::record::{Record, Targets};
use proptest::collection::vec;
use proptest::prelude::*;

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn conversation() -> impl Strategy<Value = Conversation> {
    prop_oneof![
        Just(Conversation::System),
        (0..i64::MAX).prop_map(|user| Conversation::User(UserId(user))),
        (0..i64::MAX).prop_map(|group| Conversation::Group(GroupId(group))),
    ]
}

fn targets() -> impl Strategy<Value = Targets> {
    let inboxes = vec((0..i64::MAX).prop_map(UserId), 0..30);
    let feed = proptest::option::of((1..i64::MAX).prop_map(GroupId));
    (inboxes, feed).prop_map(|(inboxes, feed)| Targets::new(inboxes, feed))
}

fn record() -> impl Strategy<Value = Record> {
    let ids = (any::<u32>(), any::<u16>(), 0..i64::MAX, any::<u64>(), 0..i64::MAX);
    let parts = (bytes(), bytes(), bytes(), bytes());
    (ids, conversation(), any::<i32>(), parts, targets()).prop_map(
        |(ids, conversation, kind, parts, targets)| {
            let (app, entry, id, time_ms, from) = ids;
            let (content, ext, client_id, device) = parts;
            let message = Message {
                id: MsgId(id),
                app: AppId(app),
                conversation,
                from: UserId(from),
                kind: EntryKind(entry),
                content: Content { kind, bytes: content },
                ext,
                client_id,
                time_ms,
                device,
            };
            Record { message, targets }
        },
    )
}

fn encoded(record: &Record, epoch: Epoch) -> Bytes {
    let mut out = Vec::new();
    record.encode(epoch, &mut out);
    out.into()
}

proptest! {
    #[test]
    fn a_record_is_read_back_as_it_was_written(record in record(), epoch in 0u16..512) {
        let bytes = encoded(&record, Epoch(epoch));
        prop_assert_eq!(Record::decode(&bytes), Ok((Epoch(epoch), record)));
    }

    #[test]
    fn a_cut_or_extended_record_is_refused(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&record, Epoch(0));
        let cut = bytes.slice(..cut.index(bytes.len()));
        prop_assert!(Record::decode(&cut).is_err());
        let extended = Bytes::from([&bytes[..], &[0]].concat());
        prop_assert!(Record::decode(&extended).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_crash(bytes in vec(any::<u8>(), 0..200)) {
        let _either = Record::decode(&bytes.into());
    }

    #[test]
    fn a_mutated_record_is_no_crash(record in record(), place in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = encoded(&record, Epoch(0)).to_vec();
        let place = place.index(bytes.len());
        bytes[place] = value;
        let _either = Record::decode(&bytes.into());
    }
}

#[test]
fn the_bytes_of_version_1_stay_as_they_are() {
    let message = Message {
        id: MsgId(300),
        app: AppId(1),
        conversation: Conversation::Group(GroupId(5)),
        from: UserId(7),
        kind: EntryKind::MESSAGE,
        content: Content { kind: -1, bytes: Bytes::from_static(b"hi") },
        ext: Bytes::new(),
        client_id: Bytes::from_static(b"c"),
        time_ms: 128,
        device: Bytes::new(),
    };
    let targets = Targets::new(vec![UserId(9), UserId(7), UserId(1_000)], Some(GroupId(5)));
    let record = Record { message, targets };
    // version, epoch 2, app 1, kind 1, id 300, time 128, from 7, group 5, kind zigzag(-1), "hi", "", "c", "", 3 inboxes: 7 +2 +991, feed 5
    let golden =
        [1, 2, 1, 1, 0xac, 2, 0x80, 1, 7, 2, 5, 1, 2, b'h', b'i', 0, 1, b'c', 0, 3, 7, 2, 0xdf, 7, 5];
    assert_eq!(encoded(&record, Epoch(2))[..], golden);
    assert_eq!(Record::decode(&Bytes::copy_from_slice(&golden)), Ok((Epoch(2), record)));
}

#[test]
fn a_newer_version_is_named() {
    let bytes = Bytes::from_static(&[9, 0, 0]);
    assert_eq!(Record::decode(&bytes), Err(RecordError::Newer { found: 9 }));
}

#[test]
fn a_lying_count_allocates_nothing() {
    // As the golden record up to the count of inboxes, which then claims 2^60.
    let mut bytes = vec![1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
    assert!(matches!(Record::decode(&bytes.into()), Err(RecordError::Malformed { .. })));
}
