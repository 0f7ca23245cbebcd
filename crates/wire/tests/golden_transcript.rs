//! Every complete frame of `specs/transcripts/txchat.md`: decoded, rendered as the comment above it there, and encoded
//! again to the same bytes by the hand-written encoders. A failure means that a client of the original would see
//! something else from us, or we something else from it.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use halley_wire::txchat::{
    Ack, Common, Decoded, FrameRef, Op, Pushed, SendRef, Signal, Stamp, decode, encode_empty,
    encode_heartbeat_reply, pb, put_frame,
};
use prost::Message;

const TRANSCRIPT: &str = include_str!("golden/txchat_transcript.txt");
/// A, B and C of the transcript.
const USERS: [(&str, &str); 3] = [
    ("18XNHZjYn8mZi6enDLVut956qMtx8K2emV", "A"),
    ("19uUTtdBph8MSoXo7tngcDnZq5TpVNxABg", "B"),
    ("19TuEz3grDHuutTN6HQLmX7Wmb66mWnorC", "C"),
];

struct Entry {
    comment: Option<&'static str>,
    is_from_client: bool,
    bytes: Vec<u8>,
}

fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut comment = None;
    for line in TRANSCRIPT.lines() {
        if let Some(text) = line.strip_prefix("# ") {
            comment = Some(text);
        } else if let [b'A'..=b'C', b' ', way @ (b'<' | b'>'), b' ', ..] = line.as_bytes() {
            let bytes = hex(&line[4..]);
            entries.push(Entry { comment: comment.take(), is_from_client: *way == b'>', bytes });
        }
    }
    entries
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(&two.iter().collect::<String>(), 16).unwrap()).collect()
}

fn whole_frame(bytes: &[u8]) -> FrameRef<'_> {
    match decode(bytes) {
        Ok(Decoded::Complete { frame, consumed }) if consumed == bytes.len() => frame,
        other => panic!("{other:?}"),
    }
}

fn with_names(text: &str) -> String {
    USERS.iter().fold(text.to_owned(), |text, (id, name)| text.replace(id, name))
}

#[test]
fn every_frame_is_encoded_again_to_its_bytes() {
    let entries = entries();
    assert_eq!(entries.len(), 59);
    for entry in &entries {
        let frame = whole_frame(&entry.bytes);
        let mut again = Vec::new();
        put_frame(&mut again, frame.header, frame.body).unwrap();
        assert_eq!(again, entry.bytes);
        let again = match frame.header.op {
            Op::SEND_MSG_REPLY => Ack::parse(frame.body).unwrap().encode().to_vec(),
            Op::SEND_MSG | Op::RECEIVE_MSG => again_by_hand(frame.body),
            _ => continue,
        };
        assert_eq!(again, frame.body, "{:?}", entry.comment);
    }
}

fn again_by_hand(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let length = match Pushed::parse(body).unwrap() {
        Pushed::Common(common) => {
            common.put(&mut out);
            common.encoded_len()
        }
        Pushed::Signal(signal) => {
            signal.put(&mut out);
            signal.encoded_len()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(out.len(), length);
    out
}

#[test]
fn every_comment_says_what_the_frame_is() {
    let mut compared = 0;
    for entry in entries() {
        let Some(comment) = entry.comment else { continue };
        let frame = whole_frame(&entry.bytes);
        assert_eq!((frame.header.op, frame.header.ver), (Op::RECEIVE_MSG, 1));
        let rendered = match Pushed::parse(frame.body).unwrap() {
            Pushed::Signal(signal) => render_signal(signal),
            Pushed::Common(common) => render_notice(&common),
            other => panic!("{other:?}"),
        };
        assert_eq!(with_names(&rendered), comment);
        compared += 1;
    }
    assert_eq!(compared, 38);
}

#[test]
fn replies_are_what_the_server_would_build() {
    let entries = entries();
    let mut asked = None;
    let mut checked = 0;
    for entry in &entries {
        let frame = whole_frame(&entry.bytes);
        if entry.is_from_client {
            asked = Some(frame);
            continue;
        }
        let built = match (frame.header.op, asked) {
            (Op::AUTH_REPLY, _) if frame.body.is_empty() => encode_empty(frame.header).to_vec(),
            (Op::HEARTBEAT_REPLY, Some(asked)) => encode_heartbeat_reply(asked.header).to_vec(),
            (Op::SYNC_MSG_REPLY, Some(asked)) => {
                let mut out = Vec::new();
                let header = halley_wire::txchat::Header { op: Op::SYNC_MSG_REPLY, ..asked.header };
                put_frame(&mut out, header, asked.body).unwrap();
                out
            }
            _ => continue,
        };
        assert_eq!(built, entry.bytes);
        checked += 1;
    }
    assert_eq!(checked, 6);
}

#[test]
fn pushes_are_the_sent_messages_stamped() {
    let entries = entries();
    let mut sent: Option<FrameRef<'_>> = None;
    let mut stamped_count = 0;
    for entry in &entries {
        let frame = whole_frame(&entry.bytes);
        match (frame.header.op, sent) {
            (Op::SEND_MSG, _) => sent = Some(frame),
            (Op::RECEIVE_MSG, Some(sent)) => {
                let send = SendRef::parse(sent.body).unwrap();
                let Ok(Pushed::Common(push)) = Pushed::parse(frame.body) else {
                    continue;
                };
                if push.seq != send.seq {
                    continue;
                }
                let stamp = Stamp { mid: push.mid, from: push.from, datetime: push.datetime };
                let mut out = Vec::new();
                send.stamped(stamp).put(&mut out);
                assert_eq!(out, frame.body);
                stamped_count += 1;
            }
            _ => {}
        }
    }
    assert_eq!(stamped_count, 4);
}

#[test]
fn the_rejecting_auth_reply_holds_a_bare_endpoint_login() {
    // "A newer phone (uuid-b2) has logged in; the old one reconnects"
    let bytes =
        hex("00000029 0014 0001 00000002 00000004 00000002 0a07757569642d62321a0354776f20b0a0c687a034");
    let frame = whole_frame(&bytes);
    let login = pb::SignalEndpointLogin::decode(frame.body).unwrap();
    assert_eq!((login.uuid.as_str(), login.device_name.as_str()), ("uuid-b2", "Two"));
    assert_eq!(login.encode_to_vec(), frame.body);
    assert!(entries().iter().any(|entry| entry.bytes == bytes), "it stands in the transcript");
}

#[test]
fn the_ext_of_the_first_login() {
    let bytes = hex("1203616e6e1a04746f6b412a06757569642d613206506978656c41");
    let login = pb::Login::decode(&bytes[..]).unwrap();
    assert_eq!((login.username.as_str(), login.device_token.as_str()), ("ann", "tokA"));
    assert_eq!((login.uuid.as_str(), login.device_name.as_str()), ("uuid-a", "PixelA"));
    assert_eq!(login.encode_to_vec(), bytes);
}

/// A body that must encode to the same bytes again.
fn body<M: Message + Default>(bytes: &[u8]) -> M {
    let message = M::decode(bytes).unwrap();
    assert_eq!(message.encode_to_vec(), bytes);
    message
}

/// A list as the transcript writes it.
fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("'{item}'")).collect();
    format!("[{}]", items.join(", "))
}

fn python(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}

fn render_signal(signal: Signal<'_>) -> String {
    let bytes = signal.body;
    let kind = pb::SignalType::try_from(signal.kind).unwrap();
    let fields = match kind {
        pb::SignalType::Received => {
            format!("'logs': {:?}", body::<pb::SignalReceived>(bytes).logs)
        }
        pb::SignalType::Revoke => {
            let m: pb::SignalRevoke = body(bytes);
            format!("'mid': {}, 'operator': '{}', 'self': {}", m.mid, m.operator, python(m.self_))
        }
        pb::SignalType::SignInGroup => {
            let m: pb::SignalSignInGroup = body(bytes);
            format!("'uid': {}, 'group': {}, 'time': {}", list(&m.uid), m.group, m.time)
        }
        pb::SignalType::SignOutGroup => {
            let m: pb::SignalSignOutGroup = body(bytes);
            format!("'uid': {}, 'group': {}, 'time': {}", list(&m.uid), m.group, m.time)
        }
        pb::SignalType::DeleteGroup => {
            let m: pb::SignalDeleteGroup = body(bytes);
            format!("'group': {}, 'time': {}", m.group, m.time)
        }
        pb::SignalType::FocusMessage => {
            let m: pb::SignalFocusMessage = body(bytes);
            let num = m.current_num;
            format!("'mid': {}, 'uid': '{}', 'currentNum': {num}, 'time': {}", m.mid, m.uid, m.time)
        }
        pb::SignalType::EndpointLogin => {
            let m: pb::SignalEndpointLogin = body(bytes);
            let (device, name) = (m.device, m.device_name);
            format!(
                "'uuid': '{}', 'device': {device}, 'deviceName': '{name}', 'datetime': {}",
                m.uuid, m.datetime
            )
        }
        _ => render_group_setting(kind, bytes),
    };
    format!("{kind:?} {{{fields}}} sid {} reliable {}", signal.sid, python(signal.reliable))
}

fn render_group_setting(kind: pb::SignalType, bytes: &[u8]) -> String {
    let of_type =
        |group: i64, value: i32, time: u64| format!("'group': {group}, 'type': {value}, 'time': {time}");
    match kind {
        pb::SignalType::UpdateGroupJoinType => {
            let m: pb::SignalUpdateGroupJoinType = body(bytes);
            of_type(m.group, m.r#type, m.time)
        }
        pb::SignalType::UpdateGroupFriendType => {
            let m: pb::SignalUpdateGroupFriendType = body(bytes);
            of_type(m.group, m.r#type, m.time)
        }
        pb::SignalType::UpdateGroupMuteType => {
            let m: pb::SignalUpdateGroupMuteType = body(bytes);
            of_type(m.group, m.r#type, m.time)
        }
        pb::SignalType::UpdateGroupMemberType => {
            let m: pb::SignalUpdateGroupMemberType = body(bytes);
            format!("'group': {}, 'uid': '{}', 'type': {}, 'time': {}", m.group, m.uid, m.r#type, m.time)
        }
        pb::SignalType::UpdateGroupMemberMuteTime => {
            let m: pb::SignalUpdateGroupMemberMuteTime = body(bytes);
            let (uid, mute) = (list(&m.uid), m.mute_time);
            format!("'group': {}, 'uid': {uid}, 'muteTime': {mute}, 'time': {}", m.group, m.time)
        }
        pb::SignalType::UpdateGroupName => {
            let m: pb::SignalUpdateGroupName = body(bytes);
            format!("'group': {}, 'name': '{}', 'time': {}", m.group, m.name, m.time)
        }
        pb::SignalType::UpdateGroupAvatar => {
            let m: pb::SignalUpdateGroupAvatar = body(bytes);
            format!("'group': {}, 'avatar': '{}', 'time': {}", m.group, m.avatar, m.time)
        }
        other => panic!("the transcript has no {other:?}"),
    }
}

fn render_notice(common: &Common<'_>) -> String {
    assert_eq!(common.channel_type, i32::from(pb::Channel::ToGroup));
    assert_eq!(common.msg_type, i32::from(pb::MsgType::Notice));
    let notice: pb::NoticeMsg = body(common.msg);
    let bytes = &notice.body[..];
    let by_operator = |group: i64, operator: &str| format!("'group': {group}, 'operator': '{operator}'");
    let fields = match pb::NoticeMsgType::try_from(notice.r#type).unwrap() {
        pb::NoticeMsgType::UpdateGroupName => {
            let m: pb::NoticeUpdateGroupName = body(bytes);
            format!("{}, 'name': '{}'", by_operator(m.group, &m.operator), m.name)
        }
        pb::NoticeMsgType::SignInGroup => {
            let m: pb::NoticeSignInGroup = body(bytes);
            format!("'group': {}, 'inviter': '{}', 'members': {}", m.group, m.inviter, list(&m.members))
        }
        pb::NoticeMsgType::SignOutGroup => {
            let m: pb::NoticeSignOutGroup = body(bytes);
            by_operator(m.group, &m.operator)
        }
        pb::NoticeMsgType::KickOutGroup => {
            let m: pb::NoticeKickOutGroup = body(bytes);
            format!("{}, 'members': {}", by_operator(m.group, &m.operator), list(&m.members))
        }
        pb::NoticeMsgType::DeleteGroup => {
            let m: pb::NoticeDeleteGroup = body(bytes);
            by_operator(m.group, &m.operator)
        }
        pb::NoticeMsgType::UpdateGroupMuted => {
            let m: pb::NoticeUpdateGroupMuted = body(bytes);
            format!("{}, 'type': {}", by_operator(m.group, &m.operator), m.r#type)
        }
        pb::NoticeMsgType::UpdateGroupMemberMuted => {
            let m: pb::NoticeUpdateGroupMemberMuted = body(bytes);
            format!("{}, 'members': {}", by_operator(m.group, &m.operator), list(&m.members))
        }
        pb::NoticeMsgType::UpdateGroupOwner => {
            let m: pb::NoticeUpdateGroupOwner = body(bytes);
            format!("'group': {}, 'newOwner': '{}'", m.group, m.new_owner)
        }
        pb::NoticeMsgType::MsgRevoked => panic!("never sent"),
    };
    format!("Notice {} {{{fields}}} from {}", notice.r#type, common.from)
}
