//! The server half of the dialect's bytes, as little as a scripted server needs.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod fake_server;

use bytes::{BufMut, Bytes, BytesMut};
use halley_client::txchat::{Frame, Target, codec, op};

fn varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn number(out: &mut BytesMut, field: u64, value: i64) {
    varint(out, field << 3);
    varint(out, value.cast_unsigned());
}

fn bytes(out: &mut BytesMut, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.put_slice(value);
}

/// Op 8.
pub(crate) fn answer(seq: i32, mid: i64, time_ms: i64, code: i64) -> Frame {
    let mut ack = BytesMut::new();
    number(&mut ack, 2, mid);
    number(&mut ack, 8, time_ms);
    if code != 0 {
        number(&mut ack, 100, code);
    }
    let mut body = BytesMut::new();
    number(&mut body, 1, 1);
    bytes(&mut body, 2, &ack);
    Frame { op: op::SEND_MSG_REPLY, seq, ack: seq, body: body.freeze() }
}

/// Op 9 with a private text.
pub(crate) fn push(seq: i32, mid: i64, from: &str, target: &str, client_id: &str, text: &str) -> Frame {
    let mut common = BytesMut::new();
    number(&mut common, 2, mid);
    bytes(&mut common, 3, client_id.as_bytes());
    bytes(&mut common, 4, from.as_bytes());
    bytes(&mut common, 5, target.as_bytes());
    number(&mut common, 6, 1);
    bytes(&mut common, 7, &codec::encode_text(text));
    number(&mut common, 8, 1_700_000_000_000);
    let mut body = BytesMut::new();
    bytes(&mut body, 2, &common);
    Frame { op: op::RECEIVE_MSG, seq, ack: 77, body: body.freeze() }
}

/// Op 9 with a signal.
pub(crate) fn signal(seq: i32, sid: i64, kind: i64) -> Frame {
    let mut inner = BytesMut::new();
    number(&mut inner, 1, kind);
    bytes(&mut inner, 2, b"x");
    number(&mut inner, 3, sid);
    let mut body = BytesMut::new();
    number(&mut body, 1, 2);
    bytes(&mut body, 2, &inner);
    Frame { op: op::RECEIVE_MSG, seq, ack: 0, body: body.freeze() }
}

/// What a SendMsg says.
pub(crate) struct Sent {
    pub(crate) client_id: String,
    pub(crate) target: Target,
    pub(crate) text: String,
}

/// Reads the body of op 7.
pub(crate) fn sent(body: &Bytes) -> Sent {
    match codec::decode_envelope(body).unwrap() {
        Some(codec::Envelope::Message(message)) => {
            Sent { text: message.text().unwrap(), client_id: message.client_id, target: message.target }
        }
        other => panic!("a client sent {other:?}"),
    }
}
