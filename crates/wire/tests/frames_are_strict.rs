//! Frame bounds and the decoder behaviour that Appendix A lists for the original, as it must be here (spec 1.2, D1).
//! A failure means memory disclosure, a crash or a stream out of step.

use halley_wire::limits::{TXCHAT_BODY_BYTES_MAX, TXCHAT_FRAME_BYTES_MAX};
use halley_wire::txchat::{
    BodyTooLarge, Decoded, FrameError, Header, Op, decode, decode_message, encode_header, put_frame,
};
use proptest::prelude::*;

/// A header with any lengths, then `body`.
fn raw(pack_len: i32, header_len: i16, body: &[u8]) -> Vec<u8> {
    let mut bytes = pack_len.to_be_bytes().to_vec();
    bytes.extend(header_len.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0, 0]);
    bytes.extend(body);
    bytes
}

#[test]
fn pack_len_below_a_header_is_refused_on_both_transports() {
    for pack_len in [0, 10, 19, -5, -1, i32::MIN] {
        let bytes = raw(pack_len, 20, b"");
        assert_eq!(decode(&bytes), Err(FrameError::PackLen(pack_len)));
        assert_eq!(decode_message(&bytes), Err(FrameError::PackLen(pack_len)));
    }
}

#[test]
fn pack_len_above_the_maximum_is_refused_on_both_transports() {
    for pack_len in [16_405, 16_406, 1 << 24, i32::MAX] {
        let bytes = raw(pack_len, 20, b"");
        assert_eq!(decode(&bytes), Err(FrameError::PackLen(pack_len)));
        assert_eq!(decode_message(&bytes), Err(FrameError::PackLen(pack_len)));
    }
}

#[test]
fn a_header_length_other_than_20_is_refused() {
    for header_len in [0, 16, 19, 21, -20, i16::MAX] {
        let bytes = raw(20, header_len, b"");
        assert_eq!(decode(&bytes), Err(FrameError::HeaderLen(header_len)));
        assert_eq!(decode_message(&bytes), Err(FrameError::HeaderLen(header_len)));
    }
}

#[test]
fn lies_are_refused_from_the_bytes_that_hold_them() {
    assert_eq!(decode(&raw(16_405, 20, b"")[..4]), Err(FrameError::PackLen(16_405)));
    assert_eq!(decode(&raw(20, 16, b"")[..6]), Err(FrameError::HeaderLen(16)));
    assert_eq!(decode(&raw(16_405, 20, b"")[..3]), Ok(Decoded::Incomplete { needed: 20 }));
    assert_eq!(decode(&raw(20, 16, b"")[..5]), Ok(Decoded::Incomplete { needed: 20 }));
}

#[test]
fn a_message_shorter_than_a_header_is_refused() {
    let bytes = raw(20, 20, b"");
    for length in 0..20 {
        assert_eq!(decode_message(&bytes[..length]), Err(FrameError::MessageTooShort(length)));
    }
    assert!(decode_message(&bytes).is_ok());
}

#[test]
fn a_frame_cannot_reach_beyond_its_message() {
    for pack_len in [21_u16, 6_000, 16_404] {
        let refused = FrameError::BeyondMessage { pack_len: pack_len.into(), message_bytes: 20 };
        assert_eq!(decode_message(&raw(pack_len.into(), 20, b"")), Err(refused));
    }
}

#[test]
fn bytes_behind_the_frame_of_a_message_are_ignored() {
    let bytes = raw(22, 20, b"hitail");
    assert_eq!(decode_message(&bytes).unwrap().body, b"hi");
}

#[test]
fn bytes_behind_a_frame_of_a_stream_are_the_next_frame() {
    let mut bytes = raw(22, 20, b"hi");
    bytes.extend(raw(20, 20, b""));
    let Ok(Decoded::Complete { frame, consumed: 22 }) = decode(&bytes) else {
        panic!("{:?}", decode(&bytes))
    };
    assert_eq!(frame.body, b"hi");
    assert!(matches!(decode(&bytes[22..]), Ok(Decoded::Complete { consumed: 20, .. })));
}

#[test]
fn bodies_of_8192_8193_and_16384_bytes_are_taken_on_both_transports() {
    for length in [8_192, 8_193, TXCHAT_BODY_BYTES_MAX] {
        let bytes = raw(i32::try_from(length + 20).unwrap(), 20, &vec![7; length]);
        assert!(matches!(decode(&bytes), Ok(Decoded::Complete { frame, .. }) if frame.body.len() == length));
        assert_eq!(decode_message(&bytes).unwrap().body.len(), length);
    }
}

#[test]
fn a_body_that_is_too_large_is_not_written() {
    let mut out = vec![1, 2, 3];
    let body = vec![0; TXCHAT_BODY_BYTES_MAX + 1];
    assert_eq!(put_frame(&mut out, Header::default(), &body), Err(BodyTooLarge(16_385)));
    assert_eq!(out, [1, 2, 3]);
    assert!(encode_header(Header::default(), TXCHAT_BODY_BYTES_MAX).is_ok());
    assert!(encode_header(Header::default(), usize::MAX).is_err());
}

proptest! {
    #[test]
    fn round_trip(
        ver: i16, op: i32, seq: i32, ack: i32,
        body in prop::collection::vec(any::<u8>(), 0..600),
        next in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let header = Header { ver, op: Op(op), seq, ack };
        let mut bytes = Vec::new();
        put_frame(&mut bytes, header, &body).unwrap();
        let length = bytes.len();
        for cut in 0..length {
            let verdict = decode(&bytes[..cut]);
            let goes_on = matches!(verdict, Ok(Decoded::Incomplete { needed }) if needed > cut);
            prop_assert!(goes_on, "{:?}", verdict);
        }
        bytes.extend(next);
        let Ok(Decoded::Complete { frame, consumed }) = decode(&bytes) else { panic!("not complete") };
        prop_assert_eq!((frame.header, frame.body, consumed), (header, &body[..], length));
        prop_assert_eq!(decode_message(&bytes), Ok(frame));
    }

    #[test]
    fn any_bytes_give_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(Decoded::Complete { consumed, .. }) = decode(&bytes) {
            prop_assert!((20..=TXCHAT_FRAME_BYTES_MAX).contains(&consumed));
        }
    }
}
