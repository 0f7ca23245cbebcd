//! The operations of a frame (spec 1.3).

use std::fmt;

/// Operation of a frame: any `i32`, the known ones named (spec 1.3).
///
/// A newtype and not an enum: peers send unknown numbers, and no number has two spellings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Op(pub i32);

impl Op {
    /// No operation (spec 1.3).
    pub const UNDEFINED: Self = Self(0);
    /// Client: authenticate; body [`super::pb::AuthMsg`] (spec 1.3, 1.4).
    pub const AUTH: Self = Self(1);
    /// Server: empty body = accepted, else a bare [`super::pb::SignalEndpointLogin`]; echoes `seq` and `ack` (spec 1.3).
    pub const AUTH_REPLY: Self = Self(2);
    /// Client: keep-alive, body ignored (spec 1.3, 1.5).
    pub const HEARTBEAT: Self = Self(3);
    /// Server: four zero bytes; echoes `seq` and `ack` (spec 1.3).
    pub const HEARTBEAT_REPLY: Self = Self(4);
    /// Client: documented, never handled in any special way (spec 1.3).
    pub const DISCONNECT: Self = Self(5);
    /// Never sent (spec 1.3).
    pub const DISCONNECT_REPLY: Self = Self(6);
    /// Client: a message; body an envelope with a `Common` (spec 1.3, 1.6).
    pub const SEND_MSG: Self = Self(7);
    /// Server: answer to a message; body an envelope with a `CommonAck`; `seq` = `ack` = the request's `seq` (spec 1.3).
    pub const SEND_MSG_REPLY: Self = Self(8);
    /// Server: a pushed message or signal; `seq` counts per connection from 1, `ack` means nothing (spec 1.3, 1.7).
    pub const RECEIVE_MSG: Self = Self(9);
    /// Client: confirms a push; `ack` = its `seq`, body ignored (spec 1.3, 1.7).
    pub const RECEIVE_MSG_REPLY: Self = Self(10);
    /// Internal to the original (spec 1.3).
    pub const PROTO_READY: Self = Self(11);
    /// Internal to the original (spec 1.3).
    pub const PROTO_FINISH: Self = Self(12);
    /// Internal to the original (spec 1.3).
    pub const RAW: Self = Self(13);
    /// Client: body [`super::pb::SyncMsg`] (spec 1.3).
    pub const SYNC_MSG_REQ: Self = Self(14);
    /// Server: the request's body, `seq` and `ack` again (spec 1.3).
    pub const SYNC_MSG_REPLY: Self = Self(15);
    /// Internal mark of a resend, on the wire it is op 9 (spec 1.3).
    pub const RE_PUSH: Self = Self(16);

    /// The spec's name, or `None` for a number that it does not list (spec 1.3).
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "Undefined",
            1 => "Auth",
            2 => "AuthReply",
            3 => "Heartbeat",
            4 => "HeartbeatReply",
            5 => "Disconnect",
            6 => "DisconnectReply",
            7 => "SendMsg",
            8 => "SendMsgReply",
            9 => "ReceiveMsg",
            10 => "ReceiveMsgReply",
            11 => "ProtoReady",
            12 => "ProtoFinish",
            13 => "Raw",
            14 => "SyncMsgReq",
            15 => "SyncMsgReply",
            16 => "RePush",
            _ => return None,
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "op {}", self.0),
        }
    }
}
