//! Frames as business servers push them: a transport `Proto` whose body is an envelope (spec 1.2, 2.1).

use bytes::Bytes;
use halley_core::ids::MsgId;
use halley_core::message::{Content, EntryKind};
use halley_core::ports::gateways::Transient;
use halley_wire::limits::TXCHAT_BODY_BYTES_MAX;
use halley_wire::txchat::{Common, Envelope, Op, Pushed, Signal};
use prost::Message as _;
use tonic::Status;

use crate::comet::Proto;

/// Longest `Common.seq`, in bytes: what answer takes of clients.
const SEQ_BYTES_MAX: usize = 255;

/// What is to be put into timelines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewPush {
    pub(crate) kind: EntryKind,
    pub(crate) content: Content,
    /// What [`Common::put_ext`] wrote.
    pub(crate) ext: Bytes,
    pub(crate) client_id: Bytes,
    pub(crate) id: Option<MsgId>,
    pub(crate) time_ms: Option<u64>,
    /// Of a message: whether it was said to a group, to whom, and by whom (empty: by the system).
    pub(crate) said: Option<Said>,
}

/// Between whom a message was said, as the names stand in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    pub(crate) to_group: bool,
    pub(crate) target: String,
    pub(crate) from: String,
}

/// The transport `Proto` of a field that holds it marshaled.
pub(crate) fn unmarshal(msg: &Bytes) -> Result<Proto, Status> {
    Proto::decode(msg.clone()).map_err(|error| invalid(format!("msg: no im.comet.Proto: {error}")))
}

/// The transport `Proto` of a field that holds it as a message.
pub(crate) fn present(proto: Option<Proto>) -> Result<Proto, Status> {
    proto.ok_or_else(|| invalid("proto: must be given"))
}

/// As a push to connections.
pub(crate) fn transient(proto: Proto) -> Result<Transient, Status> {
    if proto.body.len() > TXCHAT_BODY_BYTES_MAX {
        return Err(invalid(format!(
            "body: {} bytes, a frame takes {TXCHAT_BODY_BYTES_MAX}",
            proto.body.len()
        )));
    }
    Envelope::parse(&proto.body).map_err(|error| invalid(format!("body: no envelope: {error}")))?;
    match Op(proto.op) {
        Op::RECEIVE_MSG => Ok(Transient::TxchatPush(proto.body)),
        Op::SEND_MSG_REPLY => Ok(Transient::TxchatReply(proto.seq, proto.body)),
        op => Err(invalid(format!(
            "op: {} ({op}) cannot be pushed: 9 (message or signal) and 8 (answer) can",
            op.0
        ))),
    }
}

/// As an entry of timelines.
pub(crate) fn entry(proto: &Proto) -> Result<NewPush, Status> {
    match Op(proto.op) {
        Op::RECEIVE_MSG => {}
        Op::SEND_MSG_REPLY => {
            return Err(invalid("op: 8 answers a send on one connection: use PushByKeys or Comet.PushMsg"));
        }
        op => {
            return Err(invalid(format!("op: {} ({op}) cannot be pushed: 9 (message or signal) can", op.0)));
        }
    }
    let body = &proto.body;
    match Pushed::parse(body).map_err(|error| invalid(format!("body: no envelope: {error}")))? {
        Pushed::Common(common) => message(body, &common),
        Pushed::Signal(signal) => signal_entry(body, signal),
        Pushed::Ack(_) | Pushed::Other(_) => {
            Err(invalid("body: an envelope of event type 0 (common) or 2 (signal) is wanted"))
        }
    }
}

fn message(body: &Bytes, common: &Common<'_>) -> Result<NewPush, Status> {
    if common.seq.len() > SEQ_BYTES_MAX {
        return Err(invalid(format!("Common.seq: at most {SEQ_BYTES_MAX} bytes")));
    }
    if common.target.is_empty() {
        return Err(invalid("Common.target: must name a user or a group"));
    }
    let to_group = match common.channel_type {
        0 => false,
        1 => true,
        other => {
            return Err(invalid(format!("Common.channelType: {other} is neither 0 (user) nor 1 (group)")));
        }
    };
    let mut ext = Vec::new();
    common.put_ext(&mut ext);
    Ok(NewPush {
        kind: EntryKind::MESSAGE,
        content: Content { kind: common.msg_type, bytes: body.slice_ref(common.msg) },
        ext: ext.into(),
        client_id: body.slice_ref(common.seq.as_bytes()),
        id: given_id(common.mid, "Common.mid")?,
        time_ms: Some(common.datetime).filter(|time_ms| *time_ms > 0),
        said: Some(Said { to_group, target: common.target.to_owned(), from: common.from.to_owned() }),
    })
}

fn signal_entry(body: &Bytes, signal: Signal<'_>) -> Result<NewPush, Status> {
    Ok(NewPush {
        kind: EntryKind::SIGNAL,
        content: Content { kind: signal.kind, bytes: body.slice_ref(signal.body) },
        ext: Bytes::new(),
        client_id: Bytes::new(),
        id: given_id(signal.sid, "Signal.sid")?,
        time_ms: None,
        said: None,
    })
}

fn given_id(id: i64, field: &str) -> Result<Option<MsgId>, Status> {
    match id {
        0 => Ok(None),
        id if id > 0 => Ok(Some(MsgId(id))),
        _ => Err(invalid(format!("{field}: cannot be negative"))),
    }
}

fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn proto(op: i32, body: Vec<u8>) -> Proto {
        Proto { ver: 1, op, seq: 7, ack: 7, body: body.into() }
    }

    fn common(common: &Common<'_>) -> Vec<u8> {
        let mut body = Vec::new();
        common.put(&mut body);
        body
    }

    fn hello() -> Common<'static> {
        Common {
            seq: "c-1",
            from: "alice",
            target: "bob",
            msg_type: 1,
            msg: b"hi",
            unknown: (&[0x4a, 0x02, 0x08, 0x01, 0xa0, 0x06, 0x07][..]).into(),
            ..Common::default()
        }
    }

    #[test]
    fn a_message_is_taken_apart_and_what_is_missing_is_left_to_be_given() {
        let push = entry(&proto(9, common(&hello()))).expect("can be pushed");
        assert_eq!((push.kind, push.id, push.time_ms), (EntryKind::MESSAGE, None, None));
        assert_eq!(
            (push.content.kind, &push.content.bytes[..], &push.client_id[..]),
            (1, &b"hi"[..], &b"c-1"[..])
        );
        assert_eq!(&push.ext[..], [0x4a, 0x02, 0x08, 0x01, 0xa0, 0x06, 0x07]);
        let said = Said { to_group: false, target: "bob".to_owned(), from: "alice".to_owned() };
        assert_eq!(push.said, Some(said));
        let given = Common { mid: 9, datetime: 8, channel_type: 1, target: "7", ..hello() };
        let push = entry(&proto(9, common(&given))).expect("can be pushed");
        assert_eq!((push.id, push.time_ms), (Some(MsgId(9)), Some(8)));
        assert!(push.said.expect("is a message").to_group);
    }

    #[test]
    fn a_signal_is_taken_apart() {
        let mut body = Vec::new();
        Signal { kind: 13, body: b"x", sid: 5, reliable: false }.put(&mut body);
        let push = entry(&proto(9, body)).expect("can be pushed");
        assert_eq!(
            (push.kind, push.content.kind, push.id, push.said),
            (EntryKind::SIGNAL, 13, Some(MsgId(5)), None)
        );
    }

    #[test]
    fn what_cannot_be_pushed_says_why() {
        let long = "s".repeat(256);
        let cases = [
            (proto(7, common(&hello())), "op: 7 (SendMsg)"),
            (proto(99, common(&hello())), "op: 99"),
            (proto(8, common(&hello())), "PushByKeys"),
            (proto(9, b"\xff".to_vec()), "no envelope"),
            (proto(9, b"\x08\x01".to_vec()), "event type"),
            (proto(9, b"\x08\x03".to_vec()), "event type"),
            (proto(9, common(&Common { target: "", ..hello() })), "Common.target"),
            (proto(9, common(&Common { channel_type: 2, ..hello() })), "Common.channelType"),
            (proto(9, common(&Common { seq: &long, ..hello() })), "Common.seq"),
            (proto(9, common(&Common { mid: -1, ..hello() })), "Common.mid"),
        ];
        for (proto, says) in cases {
            let status = entry(&proto).expect_err(says);
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            assert!(status.message().contains(says), "{says}: {status:?}");
        }
        for (proto, says) in [
            (proto(10, common(&hello())), "op: 10"),
            (proto(9, b"\xff".to_vec()), "no envelope"),
            (proto(9, vec![0; TXCHAT_BODY_BYTES_MAX + 1]), "16385 bytes"),
        ] {
            let status = transient(proto).expect_err(says);
            assert!(status.message().contains(says), "{says}: {status:?}");
        }
        assert_eq!(
            unmarshal(&Bytes::from_static(b"\xff")).expect_err("no Proto").code(),
            Code::InvalidArgument
        );
    }

    #[test]
    fn connections_are_pushed_the_bytes_as_they_are() {
        let body = common(&hello());
        let shown = Transient::TxchatPush(body.clone().into());
        assert_eq!(transient(proto(9, body.clone())).expect("can be pushed"), shown);
        assert_eq!(
            transient(proto(8, body.clone())).expect("can be pushed"),
            Transient::TxchatReply(7, body.into())
        );
    }
}
