//! A client's message (spec 2.1, 2.2), translated.
//!
//! `ext` is what only this dialect knows: the fields `source`, `reference` and unknown ones of `Common`, as
//! [`halley_wire::txchat::Common::put_ext`] writes them; a receiver gets the same bytes again.

use bytes::Bytes;
use halley_core::command::Target;
use halley_core::ids::{GroupId, UserId};
use halley_core::message::Content;
use halley_wire::txchat::SendRef;

/// What a client wants sent.
pub(crate) struct NewSend {
    pub(crate) target: Target,
    pub(crate) content: Content,
    pub(crate) ext: Bytes,
    pub(crate) client_id: Bytes,
}

/// Reads the body of a SendMsg frame; `None` when it is no envelope(common) to a user or a group.
pub(crate) fn send(body: &[u8]) -> Option<NewSend> {
    // One copy of the frame's body, which content and client id share.
    let body = Bytes::copy_from_slice(body);
    let sent = SendRef::parse(&body).ok()?;
    let target = match sent.channel_type {
        0 => user_target(sent.target),
        1 => group_target(sent.target),
        _ => return None,
    };
    let mut ext = Vec::new();
    sent.put_ext(&mut ext);
    Some(NewSend {
        target,
        content: Content { kind: sent.msg_type, bytes: body.slice_ref(sent.msg) },
        ext: ext.into(),
        client_id: body.slice_ref(sent.seq.as_bytes()),
    })
}

fn user_target(id: &str) -> Target {
    match UserId::from_decimal(id) {
        Some(user) => Target::User(user),
        None => Target::UserNamed(id.into()),
    }
}

fn group_target(id: &str) -> Target {
    GroupId::from_decimal(id).map_or(Target::NoGroup, Target::Group)
}

#[cfg(test)]
mod tests {
    use halley_wire::txchat::Common;

    use super::*;

    fn common(channel_type: i32, target: &str) -> Vec<u8> {
        let mut body = Vec::new();
        let message = Common {
            channel_type,
            seq: "c-1",
            target,
            msg_type: 1,
            msg: b"hello",
            unknown: (&[0x4a, 0x02, 0x08, 0x01, 0xa0, 0x06, 0x07][..]).into(),
            ..Common::default()
        };
        message.put(&mut body);
        body
    }

    #[test]
    fn a_message_is_taken_apart_and_its_own_part_kept_byte_for_byte() {
        let sent = send(&common(0, "42")).expect("is an envelope");
        assert_eq!(sent.target, Target::User(UserId(42)));
        assert_eq!((sent.content.kind, &sent.content.bytes[..]), (1, &b"hello"[..]));
        assert_eq!(&sent.client_id[..], b"c-1");
        assert_eq!(&sent.ext[..], [0x4a, 0x02, 0x08, 0x01, 0xa0, 0x06, 0x07]);
    }

    #[test]
    fn targets_are_told_apart_and_no_group_id_ends_anything() {
        let target = |channel, id| send(&common(channel, id)).map(|sent| sent.target);
        assert_eq!(target(0, "bob"), Some(Target::UserNamed("bob".into())));
        assert_eq!(target(0, "007"), Some(Target::UserNamed("007".into())));
        assert_eq!(target(1, "9"), Some(Target::Group(GroupId(9))));
        assert_eq!(target(1, "abc"), Some(Target::NoGroup));
        assert_eq!(target(1, ""), Some(Target::NoGroup));
        assert_eq!(target(1, "99999999999999999999"), Some(Target::NoGroup));
        assert_eq!(target(2, "9"), None);
        assert!(send(b"\x08\x02").is_none(), "clients send no signals");
        assert!(send(b"\xff").is_none());
    }
}
