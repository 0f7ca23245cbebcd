//! The hand-written envelopes against `prost` on arbitrary messages: same bytes, exact lengths, and back again; unknown
//! fields and repeated embedded messages survive. A failure means that another protobuf library reads something else.

use std::borrow::Cow;

use halley_wire::limits::TXCHAT_BODY_BYTES_MAX;
use halley_wire::txchat::{
    Ack, Common, EnvelopeError, Parts, Pushed, SendRef, Signal, Stamp, pb, stamped_len,
};
use proptest::prelude::*;
use prost::Message;

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(1), Just(-1), any::<i64>(), 0_i64..300, Just(i64::MAX), Just(i64::MIN)]
}

fn kind() -> impl Strategy<Value = i32> {
    prop_oneof![0_i32..40, any::<i32>()]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z0-9-]{1,40}", "\\PC{0,60}"]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..10),
        prop::collection::vec(any::<u8>(), 100..300),
        prop::collection::vec(any::<u8>(), 16_000..16_400),
    ]
}

prop_compose! {
    fn source()(channel_type in kind(), from in prop::option::of((text(), text())), target in prop::option::of((text(), text()))) -> pb::Source {
        let user = |(id, name)| pb::SourceUser { id, name };
        pb::Source { channel_type, from: from.map(user), target: target.map(user) }
    }
}

prop_compose! {
    fn reference()(topic in number(), r#ref in number()) -> pb::Reference {
        pb::Reference { topic, r#ref }
    }
}

prop_compose! {
    fn common()(
        (channel_type, mid, seq, from, target) in (kind(), number(), text(), text(), text()),
        (msg_type, msg, datetime) in (kind(), bytes(), number()),
        source in prop::option::of(source()),
        reference in prop::option::of(reference()),
    ) -> pb::Common {
        let datetime = datetime.cast_unsigned();
        pb::Common { channel_type, mid, seq, from, target, msg_type, msg: msg.into(), datetime, source, reference }
    }
}

/// Fields 11 and up of every wire type, encoded.
fn unknown_field() -> impl Strategy<Value = Vec<u8>> {
    let key = |field: u32, wire_type: u32| {
        let mut out = Vec::new();
        prost::encoding::encode_varint(u64::from(field << 3 | wire_type), &mut out);
        out
    };
    let field = 11_u32..600;
    prop_oneof![
        (field.clone(), any::<u64>()).prop_map(move |(field, value)| {
            let mut out = key(field, 0);
            prost::encoding::encode_varint(value, &mut out);
            out
        }),
        (field.clone(), any::<[u8; 8]>())
            .prop_map(move |(field, value)| [key(field, 1), value.to_vec()].concat()),
        (field.clone(), any::<[u8; 4]>())
            .prop_map(move |(field, value)| [key(field, 5), value.to_vec()].concat()),
        (field.clone(), prop::collection::vec(any::<u8>(), 0..9)).prop_map(move |(field, value)| {
            let mut out = key(field, 2);
            prost::encoding::encode_varint(value.len() as u64, &mut out);
            [out, value].concat()
        }),
        // A group that holds a number.
        (field, 0_u8..128)
            .prop_map(move |(field, value)| [key(field, 3), vec![8, value], key(field, 4)].concat()),
    ]
}

fn envelope(kind: pb::EventType, inner: &[u8]) -> Vec<u8> {
    pb::Envelope { event_type: kind.into(), body: inner.to_vec().into() }.encode_to_vec()
}

/// The same message in our type; embedded messages encoded by `prost`.
fn ours(theirs: &pb::Common) -> Common<'_> {
    Common {
        channel_type: theirs.channel_type,
        mid: theirs.mid,
        seq: &theirs.seq,
        from: &theirs.from,
        target: &theirs.target,
        msg_type: theirs.msg_type,
        msg: &theirs.msg,
        datetime: theirs.datetime,
        source: theirs.source.as_ref().map(|source| Cow::Owned(source.encode_to_vec())),
        reference: theirs.reference.as_ref().map(|reference| Cow::Owned(reference.encode_to_vec())),
        unknown: Cow::Borrowed(&[]),
    }
}

fn written(common: &Common<'_>) -> Vec<u8> {
    let mut out = vec![0xaa];
    common.put(&mut out);
    assert_eq!(out.len() - 1, common.encoded_len());
    out.split_off(1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_common_is_written_as_prost_writes_it_and_read_back(theirs in common()) {
        let bytes = envelope(pb::EventType::Common, &theirs.encode_to_vec());
        let ours = ours(&theirs);
        prop_assert_eq!(&written(&ours), &bytes);
        prop_assert_eq!(Common::parse(&bytes), Ok(ours.clone()));
        prop_assert_eq!(Pushed::parse(&bytes), Ok(Pushed::Common(ours)));
    }

    #[test]
    fn a_stamped_message_differs_in_the_stamp_only(theirs in common(), mid in number(), from in text(), time: u64) {
        let bytes = envelope(pb::EventType::Common, &theirs.encode_to_vec());
        let send = SendRef::parse(&bytes).unwrap();
        let stamped = send.stamped(Stamp { mid, from: &from, datetime: time });
        let wanted = pb::Common { mid, from: from.clone(), datetime: time, ..theirs.clone() };
        prop_assert_eq!(written(&stamped), envelope(pb::EventType::Common, &wanted.encode_to_vec()));

        let mut ext = Vec::new();
        send.put_ext(&mut ext);
        let from_ext = Common { source: None, reference: None, unknown: Cow::Borrowed(&ext), ..stamped.clone() };
        prop_assert_eq!(written(&from_ext), written(&stamped));

        let parts = Parts {
            to_group: theirs.channel_type == 1,
            client_id: theirs.seq.as_bytes(),
            from: &from,
            target: &theirs.target,
            kind: theirs.msg_type,
            content: &theirs.msg,
            ext: &ext,
        };
        if theirs.channel_type == 0 || theirs.channel_type == 1 {
            let longest = Stamp { mid: i64::MAX, from: &from, datetime: (1 << 42) - 1 };
            prop_assert_eq!(stamped_len(&parts), send.stamped(longest).encoded_len());
        }
    }

    /// Fields in any order, scalars repeated, unknown fields between them.
    #[test]
    fn unknown_fields_come_back_byte_for_byte(
        theirs in common(),
        unknown in prop::collection::vec(unknown_field(), 1..6),
        places in prop::collection::vec(0_usize..5, 6),
    ) {
        // Two halves of a message make a message: cut between fields by encoding it in parts.
        let parts = [
            pb::Common { channel_type: theirs.channel_type, seq: theirs.seq.clone(), ..Default::default() },
            pb::Common { target: theirs.target.clone(), msg: theirs.msg.clone(), ..Default::default() },
            pb::Common { source: theirs.source.clone(), msg_type: theirs.msg_type, ..Default::default() },
            pb::Common { reference: theirs.reference, mid: theirs.mid, ..Default::default() },
        ];
        let mut inner = Vec::new();
        let mut kept = Vec::new();
        for place in 0..5 {
            for (field, at) in unknown.iter().zip(&places) {
                if *at == place {
                    inner.extend_from_slice(field);
                    kept.extend_from_slice(field);
                }
            }
            if let Some(part) = parts.get(place) {
                inner.extend(part.encode_to_vec());
            }
        }
        let bytes = envelope(pb::EventType::Common, &inner);
        let parsed = Common::parse(&bytes).unwrap();
        prop_assert_eq!(&parsed.unknown[..], &kept[..]);
        prop_assert_eq!((parsed.seq, parsed.target), (&theirs.seq[..], &theirs.target[..]));
        let again = written(&parsed);
        prop_assert!(again.ends_with(&kept));
        prop_assert_eq!(Common::parse(&again).unwrap(), parsed);
    }

    #[test]
    fn repeated_embedded_messages_merge(first in source(), second in source(), theirs in common()) {
        let mut inner = theirs.encode_to_vec();
        for source in [&first, &second] {
            inner.extend(pb::Common { source: Some(source.clone()), ..Default::default() }.encode_to_vec());
        }
        let bytes = envelope(pb::EventType::Common, &inner);
        let wanted = pb::Common::decode(&inner[..]).unwrap();
        let source = Common::parse(&bytes).unwrap().source.unwrap();
        prop_assert_eq!(pb::Source::decode(&source[..]).ok(), wanted.source);
    }

    #[test]
    fn an_ack_is_written_as_prost_writes_it_and_read_back(mid in number(), time in number(), code in kind()) {
        let datetime = time.cast_unsigned();
        let inner = pb::CommonAck { mid, datetime, code }.encode_to_vec();
        let bytes = envelope(pb::EventType::CommonAck, &inner);
        let ack = Ack { mid, datetime, code };
        prop_assert_eq!(&ack.encode()[..], &bytes[..]);
        prop_assert_eq!(Ack::parse(&bytes), Ok(ack));
        prop_assert_eq!(Pushed::parse(&bytes), Ok(Pushed::Ack(ack)));
    }

    #[test]
    fn a_signal_is_written_as_prost_writes_it_and_read_back(
        kind in kind(), body in bytes(), sid in number(), reliable: bool,
    ) {
        let theirs = pb::Signal { r#type: kind, body: body.clone().into(), sid, reliable };
        let bytes = envelope(pb::EventType::Signal, &theirs.encode_to_vec());
        let signal = Signal { kind, body: &body, sid, reliable };
        let mut out = Vec::new();
        signal.put(&mut out);
        prop_assert_eq!(&out, &bytes);
        prop_assert_eq!(signal.encoded_len(), bytes.len());
        prop_assert_eq!(Signal::parse(&bytes), Ok(signal));
        prop_assert_eq!(Pushed::parse(&bytes), Ok(Pushed::Signal(signal)));
    }

    /// Every cut of a valid envelope is refused or, between fields, shorter; never a panic, never another verdict than
    /// that of `prost`.
    #[test]
    fn cut_envelopes_get_the_verdict_of_prost(theirs in common(), at in any::<prop::sample::Index>()) {
        let inner = theirs.encode_to_vec();
        let cut = &inner[..at.index(inner.len() + 1)];
        let bytes = envelope(pb::EventType::Common, cut);
        prop_assert_eq!(Common::parse(&bytes).is_ok(), pb::Common::decode(cut).is_ok());
    }
}

#[test]
fn the_last_of_repeated_scalars_wins() {
    // msgType 2 then 1; seq "a" then "b"; body of the envelope twice; event type 2 then 0.
    let inner = [0x30, 2, 0x1a, 1, b'a', 0x30, 1, 0x1a, 1, b'b'];
    let mut bytes = vec![8, 2, 0x12, 1, 0xff, 0x12, 10];
    bytes.extend(inner);
    bytes.extend([8, 0]);
    let send = SendRef::parse(&bytes).unwrap();
    assert_eq!((send.msg_type, send.seq), (1, "b"));
}

#[test]
fn what_clients_may_not_send_is_refused() {
    for kind in [pb::EventType::CommonAck, pb::EventType::Signal, pb::EventType::SysNotice] {
        let refused = Err(EnvelopeError::EventType(kind.into()));
        assert_eq!(SendRef::parse(&envelope(kind, b"")), refused);
    }
    assert!(matches!(Pushed::parse(&envelope(pb::EventType::SysNotice, b"x")), Ok(Pushed::Other(_))));
}

#[test]
fn malformed_fields_are_refused() {
    let cases: [(&[u8], EnvelopeError); 14] = [
        (&[0x10], EnvelopeError::Truncated),
        (&[0x10, 0x80], EnvelopeError::Truncated),
        (&[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], EnvelopeError::Varint),
        (&[0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], EnvelopeError::Varint),
        (&[0x1a, 5, b'a'], EnvelopeError::Truncated),
        (&[0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], EnvelopeError::Truncated),
        (&[0x1a, 1, 0xff], EnvelopeError::Utf8(3)),
        (&[0x22, 1, 0xff], EnvelopeError::Utf8(4)),
        (&[0x18, 0], EnvelopeError::WireType { field: 3, wire_type: 0 }),
        (&[0x12, 0], EnvelopeError::WireType { field: 2, wire_type: 2 }),
        (&[0x15, 0, 0, 0, 0], EnvelopeError::WireType { field: 2, wire_type: 5 }),
        (&[0, 0], EnvelopeError::Key(0)),
        (&[0x5c], EnvelopeError::Group(11)),
        // A source whose user's name is not UTF-8 would reach receivers who cannot read the message.
        (&[0x4a, 5, 0x12, 3, 0x12, 1, 0xff], EnvelopeError::Utf8(2)),
    ];
    for (inner, wanted) in cases {
        assert_eq!(Common::parse(&envelope(pb::EventType::Common, inner)), Err(wanted), "{inner:02x?}");
    }
}

#[test]
fn deep_groups_are_refused_without_recursion() {
    let inner = vec![0x5b; TXCHAT_BODY_BYTES_MAX - 10];
    assert_eq!(Common::parse(&envelope(pb::EventType::Common, &inner)), Err(EnvelopeError::TooDeep));
}

#[test]
fn a_parse_borrows_unless_fields_came_in_pieces() {
    let theirs =
        pb::Common { source: Some(pb::Source::default()), msg: vec![1; 100].into(), ..Default::default() };
    let mut inner = theirs.encode_to_vec();
    inner.extend([0x58, 1]);
    let bytes = envelope(pb::EventType::Common, &inner);
    let send = SendRef::parse(&bytes).unwrap();
    assert!(matches!((send.source, send.unknown), (Some(Cow::Borrowed([])), Cow::Borrowed([0x58, 1]))));
}
