//! An entry of a timeline as this dialect shows it: the body of a ReceiveMsg frame (spec 2.2, 2.5).

use std::borrow::Cow;
use std::str;
use std::sync::Arc;

use halley_core::event::{Login, Revocation, receipt_ids};
use halley_core::ids::{AppId, UserId};
use halley_core::message::{Conversation, EntryKind, Message};
use halley_wire::limits::TXCHAT_BODY_BYTES_MAX;
use halley_wire::txchat::pb::{SignalReceived, SignalRevoke, SignalType};
use halley_wire::txchat::{Common, Signal};
use prost::Message as _;

/// A name, where one is needed.
pub(crate) enum Names {
    /// This one.
    Here(Arc<str>),
    /// It must be asked for.
    Later,
}

/// What becomes of an entry.
pub(crate) enum Shown {
    /// Its body is in the buffer.
    Push,
    /// This dialect cannot show it.
    Skip,
    /// A name is missing: of this user.
    Wants(AppId, UserId),
}

/// Writes the body of an entry into `out` (emptied first), asking `name` for the ids of users that are not their
/// numbers.
pub(crate) fn show(message: &Message, out: &mut Vec<u8>, name: impl FnMut(UserId) -> Names) -> Shown {
    out.clear();
    let shown = match message.kind {
        EntryKind::MESSAGE => common(message, out, name),
        EntryKind::SIGNAL => {
            signal(message, message.content.kind, &message.content.bytes, out);
            Shown::Push
        }
        EntryKind::RECEIPT => {
            let logs = receipt_ids(&message.content.bytes).map(|id| id.0).collect();
            let body = SignalReceived { logs }.encode_to_vec();
            signal(message, SignalType::Received as i32, &body, out);
            Shown::Push
        }
        EntryKind::LOGIN => login(message, out),
        EntryKind::REVOCATION => revocation(message, out, name),
        // A message that was revoked before it was read is not shown; its revocation is.
        _ => Shown::Skip,
    };
    if out.len() > TXCHAT_BODY_BYTES_MAX {
        // Answer refuses what would outgrow a frame (ruling 5); another way in must have let it pass.
        tracing::warn!(id = %message.id, bytes = out.len(), "an entry is too large for a frame and is not shown");
        return Shown::Skip;
    }
    shown
}

fn common(message: &Message, out: &mut Vec<u8>, mut name: impl FnMut(UserId) -> Names) -> Shown {
    let mut number = |user: UserId, at: &mut Number| {
        if user == UserId::SYSTEM {
            return Some(Name::Nobody);
        }
        // An id that is its number needs nobody to be asked.
        if user.is_alias() {
            match name(user) {
                Names::Here(name) => Some(Name::Other(name)),
                Names::Later => None,
            }
        } else {
            Some(Name::Number(at.write(user.0)))
        }
    };
    let (mut from_digits, mut target_digits) = (Number::default(), Number::default());
    let Some(from) = number(message.from, &mut from_digits) else {
        return Shown::Wants(message.app, message.from);
    };
    let (channel_type, target) = match message.conversation {
        Conversation::User(user) => match number(user, &mut target_digits) {
            Some(target) => (0, target),
            None => return Shown::Wants(message.app, user),
        },
        Conversation::Group(group) => (1, Name::Number(target_digits.write(group.0))),
        // Said to everybody: it names nobody.
        Conversation::System => (0, Name::Nobody),
    };
    let message = Common {
        channel_type,
        mid: message.id.0,
        // Another dialect's ids need not be text.
        seq: str::from_utf8(&message.client_id).unwrap_or_default(),
        from: from.as_str(&from_digits),
        target: target.as_str(&target_digits),
        msg_type: message.content.kind,
        msg: &message.content.bytes,
        datetime: message.time_ms,
        source: None,
        reference: None,
        unknown: Cow::Borrowed(&message.ext),
    };
    message.put(out);
    Shown::Push
}

fn revocation(message: &Message, out: &mut Vec<u8>, mut name: impl FnMut(UserId) -> Names) -> Shown {
    let Some(revocation) = Revocation::decode(&message.content.bytes) else {
        return Shown::Skip;
    };
    let operator = revocation.operator();
    let operator = if operator.is_alias() {
        match name(operator) {
            Names::Here(name) => name.to_string(),
            Names::Later => return Shown::Wants(message.app, operator),
        }
    } else {
        operator.to_string()
    };
    let body = SignalRevoke { mid: revocation.message, operator, self_: revocation.by_sender };
    signal(message, SignalType::Revoke as i32, &body.encode_to_vec(), out);
    Shown::Push
}

fn signal(message: &Message, kind: i32, body: &[u8], out: &mut Vec<u8>) {
    let signal = Signal {
        kind,
        body,
        sid: message.id.0,
        // What is in a timeline is stored for offline delivery.
        reliable: true,
    };
    signal.put(out);
}

/// A login of one of the user's devices: signal EndpointLogin, which is not kept for offline delivery.
fn login(message: &Message, out: &mut Vec<u8>) -> Shown {
    let Some(login) = Login::decode(&message.content.bytes) else { return Shown::Skip };
    let signal = Signal {
        kind: SignalType::EndpointLogin as i32,
        body: &super::login::endpoint_login(&login),
        sid: message.id.0,
        reliable: false,
    };
    signal.put(out);
    Shown::Push
}

/// An id as clients know it.
enum Name {
    /// The system's, which is empty: the field is absent.
    Nobody,
    /// So many digits of a [`Number`].
    Number(usize),
    Other(Arc<str>),
}

impl Name {
    fn as_str<'a>(&'a self, digits: &'a Number) -> &'a str {
        match self {
            Self::Nobody => "",
            Self::Number(length) => digits.text(*length),
            Self::Other(name) => name,
        }
    }
}

/// A decimal number on the stack.
#[derive(Default)]
struct Number([u8; 20]);

impl Number {
    /// Writes a number, and answers how many characters it has.
    fn write(&mut self, number: i64) -> usize {
        let mut rest = number.unsigned_abs();
        let mut at = self.0.len();
        loop {
            at -= 1;
            self.0[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                return self.0.len() - at;
            }
        }
    }

    fn text(&self, length: usize) -> &str {
        str::from_utf8(&self.0[self.0.len() - length..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use halley_core::ids::{GroupId, MsgId};
    use halley_core::message::Content;

    use super::*;

    fn message(kind: EntryKind, conversation: Conversation) -> Message {
        Message {
            id: MsgId(77),
            app: AppId(1),
            conversation,
            from: UserId(7),
            kind,
            content: Content { kind: 1, bytes: Bytes::from_static(b"hi") },
            ext: Bytes::from_static(&[0x4a, 0x00]),
            client_id: Bytes::from_static(b"c"),
            time_ms: 5,
            device: Bytes::new(),
        }
    }

    fn nobody(_: UserId) -> Names {
        Names::Later
    }

    #[test]
    fn a_message_is_shown_with_its_stamps_and_its_own_part() {
        let mut out = Vec::new();
        let group = message(EntryKind::MESSAGE, Conversation::Group(GroupId(i64::MAX)));
        assert!(matches!(show(&group, &mut out, nobody), Shown::Push));
        let shown = Common::parse(&out).expect("is an envelope");
        assert_eq!((shown.channel_type, shown.mid, shown.from), (1, 77, "7"));
        assert_eq!((shown.target, shown.datetime), ("9223372036854775807", 5));
        assert!(shown.source.is_some(), "what only the dialect knows comes back");
    }

    #[test]
    fn a_name_that_is_no_number_is_asked_for() {
        let mut out = Vec::new();
        let private = message(EntryKind::MESSAGE, Conversation::User(UserId::ALIAS_FIRST));
        let shown = show(&private, &mut out, nobody);
        assert!(matches!(shown, Shown::Wants(AppId(1), UserId::ALIAS_FIRST)));
        let shown = show(&private, &mut out, |_| Names::Here("bob".into()));
        assert!(matches!(shown, Shown::Push));
        assert_eq!(Common::parse(&out).expect("is an envelope").target, "bob");
    }

    #[test]
    fn the_system_has_no_name() {
        let mut out = Vec::new();
        for (conversation, target) in [(Conversation::User(UserId(9)), "9"), (Conversation::System, "")] {
            let mut said = message(EntryKind::MESSAGE, conversation);
            said.from = UserId::SYSTEM;
            said.content.kind = 0;
            assert!(matches!(show(&said, &mut out, nobody), Shown::Push));
            let shown = Common::parse(&out).expect("is an envelope");
            assert_eq!((shown.from, shown.target, shown.msg_type, shown.mid), ("", target, 0, 77));
        }
    }

    #[test]
    fn what_the_dialect_cannot_show_is_skipped_and_signals_are_shown() {
        let mut out = Vec::new();
        for kind in [EntryKind::GROUP_CHANGE, EntryKind::REVOKED, EntryKind(999)] {
            let entry = message(kind, Conversation::User(UserId(1)));
            assert!(matches!(show(&entry, &mut out, nobody), Shown::Skip));
        }
        let signal = message(EntryKind::SIGNAL, Conversation::System);
        assert!(matches!(show(&signal, &mut out, nobody), Shown::Push));
        let shown = Signal::parse(&out).expect("is an envelope");
        assert_eq!((shown.kind, shown.body, shown.sid, shown.reliable), (1, &b"hi"[..], 77, true));
    }

    /// The transcript's "A revokes a private message", but for its frame header.
    #[test]
    fn a_revocation_is_the_signal_that_the_original_sends() {
        let expected = "08021240080112300880a0809cecd6d7f20b12223138584e485a6a596e386d5a6936656e444c567574393536714d\
                        7478384b32656d5618011880a080fcfbd6d7f20b2001";
        let alice = UserId::ALIAS_FIRST;
        let revocation =
            Revocation { message: 857_195_443_140_956_160, key: 9, operator: alice.0, by_sender: true };
        let entry = Message {
            id: MsgId(857_195_447_368_814_592),
            from: alice,
            content: Content { kind: 0, bytes: revocation.encode() },
            ..message(EntryKind::REVOCATION, Conversation::User(UserId(1)))
        };
        let mut out = Vec::new();
        assert!(matches!(show(&entry, &mut out, nobody), Shown::Wants(AppId(1), UserId::ALIAS_FIRST)));
        let name = |_| Names::Here("18XNHZjYn8mZi6enDLVut956qMtx8K2emV".into());
        assert!(matches!(show(&entry, &mut out, name), Shown::Push));
        let shown: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(shown, expected);
        let newer = Message { content: Content::default(), ..entry };
        assert!(matches!(show(&newer, &mut out, nobody), Shown::Skip));
    }

    #[test]
    fn a_login_is_the_signal_of_the_original_byte_for_byte() {
        let mut entry = message(EntryKind::LOGIN, Conversation::User(UserId(7)));
        let mut login = Login {
            uuid: "uuid-a".to_owned(),
            platform: 0,
            name: "PixelA".to_owned(),
            time_ms: 1_795_312_107_322,
        };
        entry.id = MsgId(857_195_391_798_480_896);
        entry.content.bytes = login.encode();
        let mut out = Vec::new();
        assert!(matches!(show(&entry, &mut out, nobody), Shown::Push));
        let golden = "08021225080e12170a06757569642d611a06506978656c4120bafec287a0341880a080faacd5d7f20b";
        assert_eq!(hex(&out), golden);
        // And that of B, on iOS.
        login = Login {
            uuid: "uuid-b".to_owned(),
            platform: 1,
            name: "iB".to_owned(),
            time_ms: 1_795_312_108_630,
        };
        entry.id = MsgId(857_195_397_276_241_920);
        entry.content.bytes = login.encode();
        assert!(matches!(show(&entry, &mut out, nobody), Shown::Push));
        let golden = "08021223080e12150a06757569642d6210011a02694220d688c387a0341880a080aec1d5d7f20b";
        assert_eq!(hex(&out), golden);
        entry.content.bytes = Bytes::from_static(b"{}");
        assert!(matches!(show(&entry, &mut out, nobody), Shown::Skip));
    }

    #[test]
    fn the_refusal_of_a_reconnect_is_the_body_of_the_original() {
        let newer = Login {
            uuid: "uuid-b2".to_owned(),
            platform: 0,
            name: "Two".to_owned(),
            time_ms: 1_795_312_160_816,
        };
        let golden = "0a07757569642d62321a0354776f20b0a0c687a034";
        assert_eq!(hex(&super::super::login::endpoint_login(&newer)), golden);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
