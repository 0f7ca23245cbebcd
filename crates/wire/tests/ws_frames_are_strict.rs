//! What the WebSocket decoder refuses and what it lets through, byte by byte (RFC 6455, ruling 11). A failure means that
//! a hostile peer costs memory or gets the stream out of step, or that a correct client is turned away.

use std::borrow::Cow;

use halley_wire::ws::{Decoder, Step, WsError, encode};
use proptest::prelude::*;

const MAX: u32 = 16_404;

fn decode(bytes: &[u8]) -> Result<Step<'static>, WsError> {
    let buf: &'static mut [u8] = Box::leak(bytes.to_vec().into_boxed_slice());
    Decoder::new(MAX).decode(buf)
}

/// Feeds frames one behind the other; the last outcome.
fn decode_all(frames: &[&[u8]]) -> Result<Option<Vec<u8>>, WsError> {
    let mut decoder = Decoder::new(MAX);
    let mut last = None;
    for frame in frames {
        let mut buf = frame.to_vec();
        match decoder.decode(&mut buf)? {
            Step::Message { payload, consumed } => {
                assert_eq!(consumed, frame.len());
                last = Some(payload.into_owned());
            }
            Step::Incomplete { .. } => panic!("the frame is whole"),
            _ => {}
        }
    }
    Ok(last)
}

#[test]
fn a_decoder_is_small_and_a_whole_message_borrows() {
    assert!(size_of::<Decoder>() <= 16);
    let masked = [0x82, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3];
    let message = Step::Message { payload: Cow::Borrowed(&b"abc"[..]), consumed: 9 };
    assert_eq!(decode(&masked), Ok(message.clone()));
    let Ok(Step::Message { payload: Cow::Borrowed(_), .. }) = decode(&masked) else { panic!("copied") };
    // Text and unmasked are as good.
    let message = Step::Message { payload: Cow::Borrowed(&b"abc"[..]), consumed: 5 };
    assert_eq!(decode(b"\x82\x03abc"), Ok(message.clone()));
    assert_eq!(decode(b"\x81\x03abc"), Ok(message));
}

#[test]
fn first_bytes_that_are_wrong_are_refused_alone() {
    for bits in [0x40, 0x20, 0x10, 0x70] {
        assert_eq!(decode(&[0x82 | bits]), Err(WsError::ReservedBits));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_eq!(decode(&[0x80 | opcode]), Err(WsError::Opcode(opcode)));
    }
    for opcode in [8, 9, 10] {
        assert_eq!(decode(&[opcode]), Err(WsError::ControlFragmented));
    }
}

#[test]
fn control_frames_over_125_bytes_are_refused_from_two_bytes() {
    for opcode in [0x88, 0x89, 0x8a] {
        assert_eq!(decode(&[opcode, 126]), Err(WsError::ControlTooLong));
        assert_eq!(decode(&[opcode, 0xff]), Err(WsError::ControlTooLong));
    }
}

#[test]
fn lying_lengths_are_refused_from_the_header() {
    assert_eq!(decode(&[0x82, 0xfe, 0x40, 0x15]), Err(WsError::MessageTooLarge(16_405)));
    assert_eq!(
        decode(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        Err(WsError::MessageTooLarge(u64::MAX))
    );
    assert_eq!(decode(&[0x82, 0x7f, 0, 0, 0, 1, 0, 0, 0, 1]), Err(WsError::MessageTooLarge((1 << 32) + 1)));
    assert_eq!(decode(&[0x82, 0xfe, 0x40, 0x14]), Ok(Step::Incomplete { needed: 8 + 16_404 }));
}

#[test]
fn what_is_needed_becomes_known_with_the_header() {
    assert_eq!(decode(&[]), Ok(Step::Incomplete { needed: 2 }));
    assert_eq!(decode(&[0x82]), Ok(Step::Incomplete { needed: 2 }));
    assert_eq!(decode(&[0x82, 0x85]), Ok(Step::Incomplete { needed: 11 }));
    assert_eq!(decode(&[0x82, 0xfe, 1]), Ok(Step::Incomplete { needed: 4 }));
    assert_eq!(decode(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0]), Ok(Step::Incomplete { needed: 10 }));
}

#[test]
fn fragments_are_put_together_up_to_a_hundred_frames() {
    let mut frames: Vec<&[u8]> = vec![b"\x02\x01a"];
    frames.extend(std::iter::repeat_n(&b"\x00\x01b"[..], 98));
    frames.push(b"\x80\x01c");
    assert_eq!(decode_all(&frames).unwrap().unwrap().len(), 100);
    frames.insert(1, b"\x00\x00");
    assert_eq!(decode_all(&frames), Err(WsError::TooManyFragments));
}

#[test]
fn fragments_count_against_the_message_limit() {
    let first = [&[0x02, 126, 0x40, 0x00][..], &[7; 16_384]].concat();
    assert_eq!(decode_all(&[&first, &[&[0x80, 20][..], &[7; 20]].concat()]).unwrap().unwrap().len(), 16_404);
    let mut decoder = Decoder::new(MAX);
    assert!(matches!(decoder.decode(&mut first.clone()), Ok(Step::Fragment { .. })));
    assert_eq!(decoder.decode(&mut [0x80, 21]), Err(WsError::MessageTooLarge(21)));
}

#[test]
fn fragments_must_follow_each_other() {
    assert_eq!(decode(b"\x80\x00"), Err(WsError::UnexpectedContinuation));
    assert_eq!(decode(b"\x00\x00"), Err(WsError::UnexpectedContinuation));
    assert_eq!(decode_all(&[b"\x02\x00", b"\x82\x00"]), Err(WsError::ExpectedContinuation));
    assert_eq!(decode_all(&[b"\x02\x00", b"\x80\x00", b"\x80\x00"]), Err(WsError::UnexpectedContinuation));
}

#[test]
fn control_frames_may_stand_between_fragments() {
    let frames: [&[u8]; 5] = [b"\x02\x01a", b"\x89\x01p", b"\x00\x01b", b"\x8a\x00", b"\x80\x01c"];
    assert_eq!(decode_all(&frames), Ok(Some(b"abc".to_vec())));
}

#[test]
fn close_codes_that_must_not_be_sent_are_refused() {
    assert_eq!(decode(b"\x88\x00"), Ok(Step::Close { code: None, consumed: 2 }));
    assert_eq!(decode(b"\x88\x01x"), Err(WsError::MalformedClose));
    for (code, is_valid) in [
        (999, false),
        (1000, true),
        (1004, false),
        (1005, false),
        (1006, false),
        (1011, true),
        (1015, false),
        (2999, false),
        (3000, true),
        (4999, true),
        (5000, false),
    ] {
        let mut frame = Vec::new();
        encode::put_close(&mut frame, Some(code));
        assert_eq!(decode(&frame).is_ok(), is_valid, "{code}");
    }
}

#[test]
fn a_pong_over_125_bytes_is_not_written() {
    let mut out = Vec::new();
    assert!(encode::put_pong(&mut out, &[0; 126]).is_err());
    assert!(out.is_empty());
    assert!(encode::put_pong(&mut out, &[0; 125]).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_cut_anywhere_give_the_same(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        halley_wire::fuzzing::ws_server(&bytes);
        halley_wire::fuzzing::ws_upgrade(&bytes);
    }

    #[test]
    fn any_valid_beginning_cut_anywhere_gives_the_same(
        frames in prop::collection::vec((any::<bool>(), 0_u8..11, prop::collection::vec(any::<u8>(), 0..140)), 1..8),
        tail: u8,
    ) {
        let mut bytes = Vec::new();
        for (fin, opcode, payload) in &frames {
            let length = u8::try_from(payload.len().min(125)).unwrap();
            bytes.extend([u8::from(*fin) << 7 | opcode, 0x80 | length, 1, 2, 3, 4]);
            bytes.extend(&payload[..usize::from(length)]);
        }
        bytes.push(tail);
        halley_wire::fuzzing::ws_server(&bytes);
    }
}
