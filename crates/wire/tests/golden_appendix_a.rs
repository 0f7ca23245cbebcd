//! The byte vectors of the spec's Appendix A, produced by the original: decoded to what the table says, encoded again to
//! the same bytes, pushes by the hand-written encoder. A failure means that original clients cannot talk to us.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use halley_wire::txchat::{
    Ack, Common, Decoded, Frame, FrameRef, Header, Op, Pushed, SendRef, Signal, Stamp, decode,
    decode_message, encode_heartbeat_reply, pb,
};
use prost::Message;

const MID: i64 = 123_456_789_012_345_678;
const TIME_MS: u64 = 1_700_000_000_123;
/// envelope(common{seq c-1, from alice, target bob, Text "hello"})
const ENVELOPE: &str = "121c1a03632d312205616c6963652a03626f6230013a070a0568656c6c6f";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(&two.iter().collect::<String>(), 16).unwrap()).collect()
}

/// Decodes from a stream and from a message, checks the header, encodes again.
fn golden(bytes: &[u8], ver: i16, op: Op, seq: i32, ack: i32) -> FrameRef<'_> {
    let Ok(Decoded::Complete { frame, consumed }) = decode(bytes) else { panic!("{:?}", decode(bytes)) };
    assert_eq!(consumed, bytes.len());
    assert_eq!(decode_message(bytes), Ok(frame));
    assert_eq!(frame.header, Header { ver, op, seq, ack });
    let mut again = Vec::new();
    frame.to_frame().put(&mut again).unwrap();
    assert_eq!(again, bytes);
    frame
}

/// Decodes to what is wanted and encodes to the same bytes.
fn golden_pb<M: Message + Default + PartialEq + std::fmt::Debug>(bytes: &[u8], wanted: &M) {
    assert_eq!(M::decode(bytes).as_ref(), Ok(wanted));
    assert_eq!(wanted.encode_to_vec(), bytes);
}

fn text_hello() -> Vec<u8> {
    pb::TextMsg { content: "hello".into(), mention: vec![] }.encode_to_vec()
}

#[test]
fn auth_frame() {
    let bytes = hex("0000001e 0014 0001 00000001 00000000 00000000 0a056474616c6b120154");
    let frame = golden(&bytes, 1, Op::AUTH, 0, 0);
    golden_pb(
        frame.body,
        &pb::AuthMsg { app_id: "dtalk".into(), token: "T".into(), ext: Default::default() },
    );
}

#[test]
fn login_of_android() {
    let bytes = hex("1203626f621a03746f6b2a06757569642d313205506978656c");
    let login = pb::Login {
        device: pb::Device::Android.into(),
        username: "bob".into(),
        device_token: "tok".into(),
        conn_type: pb::ConnType::Connect.into(),
        uuid: "uuid-1".into(),
        device_name: "Pixel".into(),
    };
    golden_pb(&bytes, &login);
}

#[test]
fn login_of_a_reconnecting_ios() {
    let login = pb::Login {
        device: pb::Device::Ios.into(),
        username: "bob".into(),
        conn_type: pb::ConnType::Reconnect.into(),
        uuid: "uuid-1".into(),
        ..Default::default()
    };
    golden_pb(&hex("08011203626f6220012a06757569642d31"), &login);
}

#[test]
fn heartbeat_and_its_reply() {
    let request = hex("00000014 0014 0001 00000003 00000005 00000000");
    let reply = hex("00000018 0014 0001 00000004 00000005 00000000 00000000");
    let frame = golden(&request, 1, Op::HEARTBEAT, 5, 0);
    assert_eq!(golden(&reply, 1, Op::HEARTBEAT_REPLY, 5, 0).body, [0; 4]);
    assert_eq!(encode_heartbeat_reply(frame.header)[..], reply);
}

#[test]
fn envelope_of_a_private_message() {
    let bytes = hex(ENVELOPE);
    let text = text_hello();
    let send = SendRef::parse(&bytes).unwrap();
    let wanted = SendRef { seq: "c-1", target: "bob", msg_type: 1, msg: &text, ..SendRef::default() };
    assert_eq!(send, wanted);
    let common = Common { from: "alice", ..send.stamped(Stamp::default()) };
    assert_eq!(written(&common), bytes);
}

#[test]
fn envelope_of_a_group_message() {
    let bytes = hex("122008011a03632d322205616c6963652a05313030303130013a070a0568656c6c6f");
    let text = text_hello();
    let wanted = Common {
        channel_type: pb::Channel::ToGroup.into(),
        seq: "c-2",
        from: "alice",
        target: "10001",
        msg_type: pb::MsgType::Text.into(),
        msg: &text,
        ..Common::default()
    };
    assert_eq!(Common::parse(&bytes).as_ref(), Ok(&wanted));
    assert_eq!(written(&wanted), bytes);
}

#[test]
fn send_msg() {
    let bytes = hex(&format!("00000032 0014 0001 00000007 00000002 00000000 {ENVELOPE}"));
    assert_eq!(golden(&bytes, 1, Op::SEND_MSG, 2, 0).body, hex(ENVELOPE));
}

#[test]
fn send_msg_reply() {
    let bytes =
        hex("00000029 0014 0001 00000008 00000002 00000002 0801121110cee6c3b1bae9a6db0140fbd095ffbc31");
    let frame = golden(&bytes, 1, Op::SEND_MSG_REPLY, 2, 2);
    let ack = Ack { mid: MID, datetime: TIME_MS, code: 0 };
    assert_eq!(Ack::parse(frame.body), Ok(ack));
    assert_eq!(ack.encode()[..], *frame.body);
    let inner = pb::CommonAck { mid: MID, datetime: TIME_MS, code: 0 }.encode_to_vec();
    golden_pb(frame.body, &pb::Envelope { event_type: pb::EventType::CommonAck.into(), body: inner.into() });
}

#[test]
fn receive_msg_is_the_sent_message_stamped() {
    let bytes = hex("00000043 0014 0001 00000009 00000001 00000002 \
         122d10cee6c3b1bae9a6db011a03632d312205616c6963652a03626f6230013a070a0568656c6c6f40fbd095ffbc31");
    let frame = golden(&bytes, 1, Op::RECEIVE_MSG, 1, 2);
    let sent = hex(ENVELOPE);
    let send = SendRef::parse(&sent).unwrap();
    let stamped = send.stamped(Stamp { mid: MID, from: "alice", datetime: TIME_MS });
    assert_eq!(written(&stamped), frame.body);
    assert_eq!(Pushed::parse(frame.body), Ok(Pushed::Common(stamped)));
}

#[test]
fn receive_msg_reply() {
    let bytes = hex("00000014 0014 0000 0000000a 00000003 00000001");
    assert!(golden(&bytes, 0, Op::RECEIVE_MSG_REPLY, 3, 1).body.is_empty());
}

#[test]
fn envelope_of_an_endpoint_login_signal() {
    let bytes = hex("0802121c080e12160a06757569642d311a05506978656c20fbd095ffbc31182a");
    let body = pb::SignalEndpointLogin {
        uuid: "uuid-1".into(),
        device: pb::Device::Android.into(),
        device_name: "Pixel".into(),
        datetime: TIME_MS,
    }
    .encode_to_vec();
    let kind = pb::SignalType::EndpointLogin.into();
    let signal = Signal { kind, body: &body, sid: 42, reliable: false };
    assert_eq!(Signal::parse(&bytes), Ok(signal));
    let mut again = Vec::new();
    signal.put(&mut again);
    assert_eq!(again, bytes);
    assert_eq!(signal.encoded_len(), bytes.len());
}

#[test]
fn biz_msg() {
    let bytes = hex(&format!("0a056474616c6b1205616c696365280732036b2d313a2808011007180220022a1e{ENVELOPE}"));
    let frame = pb::Proto { ver: 1, op: Op::SEND_MSG.0, seq: 2, ack: 2, body: hex(ENVELOPE).into() };
    let wanted = pb::BizMsg {
        app_id: "dtalk".into(),
        from_id: "alice".into(),
        r#type: 0,
        op: Op::SEND_MSG.0,
        key: "k-1".into(),
        msg: frame.encode_to_vec().into(),
    };
    golden_pb(&bytes, &wanted);
}

#[test]
fn push_msg() {
    let bytes = hex("0a056474616c6b1205616c696365180722036b2d312a03626f623201013801420770726976617465");
    let wanted = pb::PushMsg {
        app_id: "dtalk".into(),
        from_id: "alice".into(),
        mid: 7,
        key: "k-1".into(),
        target: "bob".into(),
        msg: vec![1].into(),
        r#type: pb::PushMsgType::UniCast.into(),
        frame_type: "private".into(),
    };
    golden_pb(&bytes, &wanted);
}

#[test]
fn an_owned_frame_has_the_same_bytes() {
    let header = Header { ver: 1, op: Op::SEND_MSG, seq: 2, ack: 0 };
    let mut out = Vec::new();
    Frame { header, body: hex(ENVELOPE).into() }.put(&mut out).unwrap();
    assert_eq!(out, hex(&format!("00000032 0014 0001 00000007 00000002 00000000 {ENVELOPE}")));
}

fn written(common: &Common<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    common.put(&mut out);
    assert_eq!(out.len(), common.encoded_len());
    out
}
