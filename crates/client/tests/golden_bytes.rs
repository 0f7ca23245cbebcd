//! Method: the frames of spec Appendix A and of the transcripts, made and read by this crate. Failure means the original's servers and
//! clients would not understand us.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use bytes::{Bytes, BytesMut};
use halley_client::txchat::codec::{Envelope, decode_envelope, encode_auth, encode_send};
use halley_client::txchat::{Device, Frame, Login, Outgoing, Target, op};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    out.to_vec()
}

fn decoded(text: &str) -> Frame {
    Frame::decode(&mut BytesMut::from(&hex(text)[..])).unwrap().unwrap()
}

#[test]
fn logins_are_as_the_original_makes_them() {
    let plain = encode_auth("dtalk", "T", None, false, 0);
    assert_eq!(encoded(&plain), hex("0000001e 0014 0001 00000001 00000000 00000000 0a056474616c6b120154"));
    let login =
        Login { device: Device::Ios, username: "bob".into(), uuid: "uuid-1".into(), ..Login::default() };
    let ext = hex("08011203626f6220012a06757569642d31");
    assert!(encode_auth("dtalk", "T", Some(&login), true, 0).body.ends_with(&ext));
}

#[test]
fn sends_are_as_the_original_makes_them_without_the_from_that_the_server_sets() {
    let private = encode_send(&Outgoing::text(Target::User("bob".into()), "hello", "c-1"), 2);
    let expected =
        hex("0000002b 0014 0001 00000007 00000002 00000000 12151a03632d312a03626f6230013a070a0568656c6c6f");
    assert_eq!(encoded(&private), expected);
    let group = encode_send(&Outgoing::text(Target::Group("10001".into()), "hello", "c-2"), 2);
    assert_eq!(&group.body[..], hex("121908011a03632d322a05313030303130013a070a0568656c6c6f"));
}

#[test]
fn answers_and_pushes_are_read() {
    let answer =
        decoded("00000029 0014 0001 00000008 00000002 00000002 0801121110cee6c3b1bae9a6db0140fbd095ffbc31");
    assert_eq!((answer.op, answer.seq, answer.ack), (op::SEND_MSG_REPLY, 2, 2));
    let expected = Envelope::Ack { message_id: 123_456_789_012_345_678, time_ms: 1_700_000_000_123, code: 0 };
    assert_eq!(decode_envelope(&answer.body), Ok(Some(expected)));

    let push = decoded(
        "00000043 0014 0001 00000009 00000001 00000002 \
         122d10cee6c3b1bae9a6db011a03632d312205616c6963652a03626f6230013a070a0568656c6c6f40fbd095ffbc31",
    );
    let Ok(Some(Envelope::Message(message))) = decode_envelope(&push.body) else { panic!("no message") };
    assert_eq!(message.text().as_deref(), Some("hello"));
    assert_eq!((message.from.as_str(), message.time_ms), ("alice", 1_700_000_000_123));
    assert_eq!(message.target, Target::User("bob".into()));

    let signal = Bytes::from(hex("0802121c080e12160a06757569642d311a05506978656c20fbd095ffbc31182a"));
    let Ok(Some(Envelope::Signal(signal))) = decode_envelope(&signal) else { panic!("no signal") };
    assert_eq!((signal.kind, signal.signal_id), (14, 42));
}

#[test]
fn the_acknowledgement_of_a_push_names_its_number() {
    let ack = encoded(&Frame::new(op::RECEIVE_MSG_REPLY, 3, 1));
    // Appendix A has version 0 there; the server does not look.
    assert_eq!(ack, hex("00000014 0014 0001 0000000a 00000003 00000001"));
}

#[test]
fn lying_headers_are_errors_and_incomplete_frames_are_waited_for() {
    let whole = hex("00000018 0014 0001 00000004 00000005 00000000 00000000");
    for cut in 0..whole.len() {
        assert_eq!(Frame::decode(&mut BytesMut::from(&whole[..cut])), Ok(None));
    }
    for head in ["00000013 0014", "80000000 0014", "00004015 0014", "00000014 0010", "00000014 ffff"] {
        let mut bytes = hex(head);
        bytes.resize(20, 0);
        assert!(Frame::decode(&mut BytesMut::from(&bytes[..])).is_err(), "{head}");
    }
}

#[test]
fn no_body_makes_the_reader_panic() {
    let good = support::push(1, 5, "a", "b", "c", "text").body;
    for cut in 0..good.len() {
        // Either it decodes or it is an error; that it returns is the test.
        let _either = decode_envelope(&good.slice(..cut));
        let mut flipped = BytesMut::from(&good[..]);
        flipped[cut] ^= 0xff;
        let _either = decode_envelope(&flipped.freeze());
    }
}
