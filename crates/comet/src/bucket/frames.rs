//! What each operation of a client does (spec 1.3).

use super::conn::CloseReason;
use super::core::Bucket;
use halley_wire::txchat::{Header, Op};

impl<S> Bucket<S> {
    /// A frame before authentication: everything but Auth is ignored (spec 1.4).
    pub(crate) fn handle_first_frame(&mut self, slot: u32, header: Header, body: &[u8]) {
        if header.op == Op::AUTH {
            self.handle_auth(slot, header, body);
        } else {
            self.metrics().drops.frame_before_auth.inc();
        }
    }

    /// A frame of a session. What clients may not send is ignored, never forwarded or echoed (D2).
    pub(crate) fn handle_frame(&mut self, slot: u32, header: Header, body: &[u8]) {
        match header.op {
            Op::SEND_MSG => self.handle_send(slot, header, body),
            Op::RECEIVE_MSG_REPLY => self.handle_push_ack(slot, header.ack),
            Op::HEARTBEAT => {
                let reply = Header { op: Op::HEARTBEAT_REPLY, ..header };
                self.send_frame(slot, reply, &[0; 4]);
            }
            Op::SYNC_MSG_REQ => {
                let reply = Header { op: Op::SYNC_MSG_REPLY, ..header };
                self.send_frame(slot, reply, body);
            }
            Op::DISCONNECT => self.finish(slot, CloseReason::Client),
            _ => {
                self.metrics().drops.frame_op_ignored.inc();
            }
        }
    }
}
