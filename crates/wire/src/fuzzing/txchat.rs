//! Targets over frames and envelopes.

use std::borrow::Cow;

use prost::Message;

use crate::limits::{TXCHAT_FRAME_BYTES_MAX, TXCHAT_HEADER_BYTES};
use crate::txchat::{
    Ack, Common, Decoded, Envelope, EnvelopeError, FrameError, Pushed, SendRef, Signal, Stamp, decode,
    decode_message, pb, put_frame,
};

/// Frames: what is decoded encodes to the same bytes, early refusal agrees with late, a message with a stream.
pub fn txchat_frame(data: &[u8]) {
    let whole = decode(data);
    match whole {
        Ok(Decoded::Complete { frame, consumed }) => {
            assert!((TXCHAT_HEADER_BYTES..=TXCHAT_FRAME_BYTES_MAX).contains(&consumed));
            assert_eq!(frame.body.len() + TXCHAT_HEADER_BYTES, consumed);
            let mut again = Vec::new();
            put_frame(&mut again, frame.header, frame.body).expect("what was decoded fits");
            assert_eq!(again, data[..consumed]);
            assert_eq!(decode_message(data), Ok(frame));
        }
        Ok(Decoded::Incomplete { needed }) => {
            assert!(needed > data.len() && needed <= TXCHAT_FRAME_BYTES_MAX);
            let refused = decode_message(data).expect_err("a message must hold its frame");
            assert!(matches!(refused, FrameError::MessageTooShort(_) | FrameError::BeyondMessage { .. }));
        }
        Err(_) => assert!(decode_message(data).is_err()),
    }
    for cut in (0..data.len().min(24)).chain(data.len().checked_sub(1)) {
        match decode(&data[..cut]) {
            Ok(Decoded::Incomplete { needed }) => assert!(needed > cut),
            decided => assert_eq!(decided, whole, "decided from {cut} bytes"),
        }
    }
}

/// Envelopes: the same verdict and fields as `prost`, exact lengths, canonical bytes, nothing lost on the way.
pub fn txchat_envelope(data: &[u8]) {
    let ours = Envelope::parse(data);
    let theirs = pb::Envelope::decode(data);
    let envelope = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!((ours.event_type, ours.body), (theirs.event_type, &theirs.body[..]));
            ours
        }
        (ours, theirs) => return check_refusal(ours.err(), theirs.is_err()),
    };
    // The message inside is read as each kind, whatever the envelope says.
    common(envelope.body);
    ack(envelope.body);
    signal(envelope.body);
    match Pushed::parse(data) {
        Ok(Pushed::Other(other)) => assert!(!(0..=2).contains(&other.event_type)),
        Ok(Pushed::Common(common)) => assert_eq!(Common::parse(data), Ok(common)),
        Ok(Pushed::Ack(ack)) => assert_eq!(Ack::parse(data), Ok(ack)),
        Ok(Pushed::Signal(signal)) => assert_eq!(Signal::parse(data), Ok(signal)),
        Err(_) => assert!((0..=2).contains(&envelope.event_type)),
    }
}

/// The two refuse the same input; `prost` walks a little deeper into unknown groups, which is no difference that counts.
fn check_refusal(ours: Option<EnvelopeError>, theirs: bool) {
    assert!(
        ours == Some(EnvelopeError::TooDeep) || ours.is_some() == theirs,
        "ours: {ours:?}, theirs: {theirs}"
    );
}

fn common(message: &[u8]) {
    let body = enveloped(pb::EventType::Common, message);
    let (ours, theirs) = (Common::parse(&body), pb::Common::decode(message));
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (ours, theirs) => return check_refusal(ours.err(), theirs.is_err()),
    };
    let mut again = Vec::new();
    ours.put(&mut again);
    assert_eq!(again.len(), ours.encoded_len());
    assert_eq!(Common::parse(&again), Ok(ours.clone()));

    // With source and reference canonical and unknown fields gone, the bytes are those of `prost`.
    let source = theirs.source.as_ref().map(|source| Cow::Owned(source.encode_to_vec()));
    let reference = theirs.reference.as_ref().map(|reference| Cow::Owned(reference.encode_to_vec()));
    assert_eq!(ours.source.is_some(), source.is_some());
    assert_eq!(ours.reference.is_some(), reference.is_some());
    let canonical = Common { source, reference, unknown: Cow::Borrowed(&[]), ..ours.clone() };
    let mut bytes = Vec::new();
    canonical.put(&mut bytes);
    assert_eq!(bytes, enveloped(pb::EventType::Common, &theirs.encode_to_vec()));
    // And the raw ones mean the same.
    let inner = Envelope::parse(&again).expect("own bytes").body;
    assert_eq!(pb::Common::decode(inner).as_ref(), Ok(&theirs));

    stamping(&body, &ours);
}

/// What a client claims in the stamped fields does not survive, everything else does, also through `ext`.
fn stamping(body: &[u8], parsed: &Common<'_>) {
    let send = SendRef::parse(body).expect("it is a common");
    let stamped = send.stamped(Stamp { mid: 7, from: "alice", datetime: 9 });
    assert_eq!(stamped, Common { mid: 7, from: "alice", datetime: 9, ..parsed.clone() });
    let mut ext = Vec::new();
    send.put_ext(&mut ext);
    let from_ext = Common { source: None, reference: None, unknown: Cow::Borrowed(&ext), ..stamped.clone() };
    let (mut direct, mut through_ext) = (Vec::new(), Vec::new());
    stamped.put(&mut direct);
    from_ext.put(&mut through_ext);
    assert_eq!(direct, through_ext);
}

fn ack(message: &[u8]) {
    let body = enveloped(pb::EventType::CommonAck, message);
    match (Ack::parse(&body), pb::CommonAck::decode(message)) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!((ours.mid, ours.datetime, ours.code), (theirs.mid, theirs.datetime, theirs.code));
            assert_eq!(ours.encode()[..], enveloped(pb::EventType::CommonAck, &theirs.encode_to_vec()));
        }
        (ours, theirs) => check_refusal(ours.err(), theirs.is_err()),
    }
}

fn signal(message: &[u8]) {
    let body = enveloped(pb::EventType::Signal, message);
    match (Signal::parse(&body), pb::Signal::decode(message)) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!((ours.kind, ours.body, ours.sid), (theirs.r#type, &theirs.body[..], theirs.sid));
            assert_eq!(ours.reliable, theirs.reliable);
            let mut again = Vec::new();
            ours.put(&mut again);
            assert_eq!(again.len(), ours.encoded_len());
            assert_eq!(again, enveloped(pb::EventType::Signal, &theirs.encode_to_vec()));
        }
        (ours, theirs) => check_refusal(ours.err(), theirs.is_err()),
    }
}

/// An envelope around any bytes, by `prost`.
fn enveloped(kind: pb::EventType, message: &[u8]) -> Vec<u8> {
    pb::Envelope { event_type: i32::from(kind), body: message.to_vec().into() }.encode_to_vec()
}
