//! Every signal and notice of a group change in the transcript of the original, made by us from the change. A failure
//! means that a client of the original would be told something else.

use bytes::Bytes;
use halley_core::group::{Announced, GroupChange, GroupProfile, Part, ProfileChange, Role, parts};
use halley_core::ids::{AppId, GroupId, MsgId, UserId};
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_wire::limits::TXCHAT_BODY_BYTES_MAX;
use halley_wire::txchat::{Common, Decoded, Pushed, decode};

use super::entry::{Names, Shown};
use super::show_part;

const TRANSCRIPT: &str = include_str!("../../../../wire/tests/golden/txchat_transcript.txt");
const GROUP: GroupId = GroupId(857_195_430_465_769_472);
const A: UserId = UserId(UserId::ALIAS_FIRST.0);
const B: UserId = UserId(UserId::ALIAS_FIRST.0 + 1);
const C: UserId = UserId(UserId::ALIAS_FIRST.0 + 2);

fn name(user: UserId) -> Names {
    Names::Here(match user {
        A => "18XNHZjYn8mZi6enDLVut956qMtx8K2emV".into(),
        B => "19uUTtdBph8MSoXo7tngcDnZq5TpVNxABg".into(),
        C => "19TuEz3grDHuutTN6HQLmX7Wmb66mWnorC".into(),
        _ => return Names::Later,
    })
}

fn message(id: i64, time_ms: u64) -> Message {
    Message {
        id: MsgId(id),
        app: AppId(1),
        conversation: Conversation::Group(GROUP),
        from: UserId::SYSTEM,
        kind: EntryKind::GROUP_CHANGE,
        content: Content::default(),
        ext: Bytes::new(),
        client_id: Bytes::new(),
        time_ms,
        device: Bytes::new(),
    }
}

/// The body of the frame under the first comment that begins like this, with the comment.
fn in_transcript(comment: &str) -> (&'static str, Vec<u8>) {
    let mut lines = TRANSCRIPT.lines();
    let found = lines.find_map(|line| line.strip_prefix("# ").filter(|text| text.starts_with(comment)));
    let frame = lines.next().expect("a frame below its comment");
    let digits: Vec<u8> = frame[4..].bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("is hex") as u8;
    let bytes: Vec<u8> = digits.chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect();
    match decode(&bytes) {
        Ok(Decoded::Complete { frame, .. }) => (found.expect("is there"), frame.body.to_vec()),
        other => panic!("{comment}: {other:?}"),
    }
}

/// What we make of a part under the id and time of the original.
fn made(part: &Part, speaker: UserId, id: i64, time_ms: u64) -> Vec<u8> {
    let announced = Announced { speaker, parts: vec![part.clone()] };
    let mut out = vec![1, 2, 3];
    assert!(matches!(show_part(&message(id, time_ms), &announced, 0, &mut out, name), Shown::Push));
    out
}

fn check(comment: &str, part: &Part, speaker: UserId) {
    let (comment, expected) = in_transcript(comment);
    match Pushed::parse(&expected).expect("an envelope") {
        Pushed::Signal(signal) => {
            let time = comment.split("'time': ").nth(1).and_then(|rest| rest.split('}').next());
            let time = time.and_then(|time| time.parse().ok()).expect("signals have a time");
            assert_eq!(made(part, speaker, signal.sid, time), expected, "{comment}");
        }
        Pushed::Common(notice) => {
            let ours = made(part, speaker, notice.mid, notice.datetime);
            // The original draws the key of a notice; ours follows from its id and is as long.
            let key = Common::parse(&ours).expect("an envelope").seq.to_owned();
            assert_eq!(ours, Common { seq: &key, ..notice.clone() }.to_bytes(), "{comment}");
            assert_eq!(ours.len(), expected.len(), "{comment}");
        }
        other => panic!("{other:?}"),
    }
}

trait ToBytes {
    fn to_bytes(&self) -> Vec<u8>;
}

impl ToBytes for Common<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }
}

#[test]
fn every_change_is_told_as_the_original_told_it() {
    let profile = |set| GroupChange::ProfileSet(set);
    let set = ProfileChange::default;
    let mute = |until_ms| GroupChange::MemberMuted { member: C.0, until_ms };
    let table: &[(GroupChange, UserId, UserId, &[&str])] = &[
        (
            GroupChange::Created { profile: GroupProfile::default(), owner: A.0, members: vec![B.0] },
            A,
            A,
            &[
                "SignInGroup {'uid': ['B', 'A']",
                "Notice 1 {'group': 857195430465769472, 'inviter': 'A', 'members': ['B']}",
            ],
        ),
        (
            GroupChange::MembersAdded { members: vec![C.0] },
            A,
            A,
            &[
                "SignInGroup {'uid': ['C']",
                "Notice 1 {'group': 857195430465769472, 'inviter': 'A', 'members': ['C']}",
            ],
        ),
        (
            profile(ProfileChange { name: Some("G2".into()), ..set() }),
            A,
            A,
            &["UpdateGroupName {", "Notice 0 {"],
        ),
        (
            profile(ProfileChange { avatar: Some("http://x/a".into()), ..set() }),
            A,
            A,
            &["UpdateGroupAvatar {"],
        ),
        (profile(ProfileChange { join_type: Some(1), ..set() }), A, A, &["UpdateGroupJoinType {"]),
        (profile(ProfileChange { friend_type: Some(1), ..set() }), A, A, &["UpdateGroupFriendType {"]),
        (
            profile(ProfileChange { muted: Some(true), ..set() }),
            A,
            A,
            &["UpdateGroupMuteType {", "Notice 5 {"],
        ),
        (
            mute(1_795_315_732_911),
            A,
            A,
            &[
                "UpdateGroupMemberMuteTime {'group': 857195430465769472, 'uid': ['C'], 'muteTime': 1795315732911",
                "Notice 6 {",
            ],
        ),
        (
            mute(0),
            A,
            A,
            &["UpdateGroupMemberMuteTime {'group': 857195430465769472, 'uid': ['C'], 'muteTime': 0"],
        ),
        (
            GroupChange::RoleSet { member: B.0, role: Role::Admin },
            A,
            A,
            &[
                "UpdateGroupMemberType {'group': 857195430465769472, 'uid': 'B', 'type': 1",
                "UpdateGroupMemberMuteTime {'group': 857195430465769472, 'uid': ['B'], 'muteTime': 0, 'time': 1795312135349}",
            ],
        ),
        (
            profile(ProfileChange { owner: Some(B.0), ..set() }),
            A,
            A,
            &[
                "UpdateGroupMemberType {'group': 857195430465769472, 'uid': 'B', 'type': 2",
                "UpdateGroupMemberMuteTime {'group': 857195430465769472, 'uid': ['B'], 'muteTime': 0, 'time': 1795312136569}",
                "UpdateGroupMemberType {'group': 857195430465769472, 'uid': 'A', 'type': 0",
                "Notice 7 {",
            ],
        ),
        (
            GroupChange::MembersRemoved { members: vec![C.0] },
            B,
            B,
            &["Notice 3 {", "SignOutGroup {'uid': ['C']"],
        ),
        (
            GroupChange::MembersRemoved { members: vec![A.0] },
            A,
            B,
            &["SignOutGroup {'uid': ['A']", "Notice 2 {"],
        ),
        (GroupChange::Disbanded, B, B, &["Notice 4 {", "DeleteGroup {"]),
    ];
    for (change, operator, owner, comments) in table {
        let told = parts(change, *operator, *owner);
        assert_eq!(told.len(), comments.len(), "{change:?}");
        for (part, comment) in told.iter().zip(*comments) {
            check(comment, part, *operator);
        }
    }
}

#[test]
fn parts_have_ids_of_their_own_and_a_name_that_is_missing_is_asked_for() {
    let unknown = UserId(UserId::ALIAS_LAST.0);
    let change = GroupChange::MembersAdded { members: vec![C.0, unknown.0] };
    let announced = Announced { speaker: A, parts: parts(&change, A, A) };
    let message = message(8, 5);
    let mut out = Vec::new();
    assert!(
        matches!(show_part(&message, &announced, 0, &mut out, name), Shown::Wants(AppId(1), user) if user == unknown)
    );
    let all = |user| if user == unknown { Names::Here("zoe".into()) } else { name(user) };
    let mut ids = Vec::new();
    for part in 0..2 {
        assert!(matches!(show_part(&message, &announced, part, &mut out, all), Shown::Push));
        match Pushed::parse(&out).expect("an envelope") {
            Pushed::Signal(signal) => ids.push(signal.sid),
            Pushed::Common(notice) => ids.push(notice.mid),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ids, [8, 9]);
    assert!(matches!(show_part(&message, &announced, 2, &mut out, all), Shown::Skip));
}

#[test]
fn the_longest_lists_names_and_numbers_fit_a_frame() {
    let long = "n".repeat(128);
    let names = |_| Names::Here(long.as_str().into());
    for first in [UserId::ALIAS_FIRST.0, i64::MAX - 5_000] {
        let change = GroupChange::MembersAdded { members: (first..first + 5_000).collect() };
        let announced = Announced { speaker: A, parts: parts(&change, A, A) };
        let mut message = message(i64::MAX - 1, u64::MAX);
        message.conversation = Conversation::Group(GroupId(i64::MAX));
        let mut out = Vec::new();
        let mut fullest = 0;
        for part in 0..announced.parts.len() {
            assert!(matches!(show_part(&message, &announced, part as u32, &mut out, names), Shown::Push));
            assert!(out.len() <= TXCHAT_BODY_BYTES_MAX, "{}", out.len());
            fullest = fullest.max(out.len());
        }
        assert!(fullest > TXCHAT_BODY_BYTES_MAX * 9 / 10, "frames are used: {fullest}");
    }
}
