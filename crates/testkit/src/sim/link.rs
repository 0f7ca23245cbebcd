//! One connection, and what went over it in both directions.

use bytes::BytesMut;
use halley_client::txchat::{Frame, op};
use halley_comet::driver::sim::SimClient;
use halley_wire::txchat::Pushed;
use halley_wire::txchat::pb::SignalType;

/// What came and went between one life of the server and its clients. Complete frames only.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Wire {
    /// Logins that reached the server's socket.
    pub(super) logins: u64,
    /// Their answers, as they left it.
    pub(super) login_answers: u64,
    /// Sends that reached the server's socket.
    pub(super) sends: u64,
    /// Answers to sends that left the server's socket, whether a client got them or not.
    pub(super) answers: u64,
    /// Pushes that left it, the first of each sequence of each connection.
    pub(super) pushes: u64,
    /// The others: sent again.
    pub(super) resends: u64,
    /// Acknowledgements of pushes that reached the server's socket.
    pub(super) acks: u64,
    /// Connections that ended other than by the client, or not at all, in good order.
    pub(super) broken: u64,
}

/// A client's end of a connection.
pub(super) struct Link {
    socket: SimClient,
    /// Written by the client, not yet at the server.
    up: Vec<u8>,
    /// As the server is given it, to be counted.
    up_seen: BytesMut,
    down_seen: BytesMut,
    last_push: i32,
    /// Ids of the messages, signals and notices pushed, each sequence once.
    pushed: Vec<i64>,
    /// What the client has got and not decoded.
    input: BytesMut,
    /// The network has given up; nothing arrives at either side.
    is_cut: bool,
}

impl Link {
    pub(super) fn new(socket: SimClient) -> Self {
        Self {
            socket,
            up: Vec::new(),
            up_seen: BytesMut::new(),
            down_seen: BytesMut::new(),
            last_push: 0,
            pushed: Vec::new(),
            input: BytesMut::new(),
            is_cut: false,
        }
    }

    /// The client writes.
    pub(super) fn write(&mut self, frame: &Frame) {
        frame.encode(&mut self.up);
    }

    /// Bytes on their way up.
    pub(super) fn unsent(&self) -> usize {
        if self.is_cut { 0 } else { self.up.len() }
    }

    /// So many of the bytes on their way up arrive.
    pub(super) fn carry_up(&mut self, bytes_max: usize, wire: &mut Wire) {
        if self.is_cut || self.socket.is_closed() {
            self.up.clear();
            return;
        }
        let count = self.up.len().min(bytes_max);
        if count == 0 {
            return;
        }
        let bytes: Vec<u8> = self.up.drain(..count).collect();
        self.up_seen.extend_from_slice(&bytes);
        self.socket.write(&bytes);
        while let Ok(Some(frame)) = Frame::decode(&mut self.up_seen) {
            match frame.op {
                op::AUTH => wire.logins += 1,
                op::SEND_MSG => wire.sends += 1,
                op::RECEIVE_MSG_REPLY => wire.acks += 1,
                _ => {}
            }
        }
    }

    /// At most so many bytes come down; answers how many did.
    pub(super) fn carry_down(&mut self, bytes_max: usize, wire: &mut Wire) -> usize {
        let bytes = self.take_down(bytes_max, wire);
        self.input.extend_from_slice(&bytes);
        bytes.len()
    }

    /// What is on its way down is lost; it is counted all the same.
    pub(super) fn lose_down(&mut self, wire: &mut Wire) {
        let _lost = self.take_down(usize::MAX, wire);
    }

    fn take_down(&mut self, bytes_max: usize, wire: &mut Wire) -> Vec<u8> {
        let bytes = self.socket.read_up_to(bytes_max);
        self.down_seen.extend_from_slice(&bytes);
        while let Ok(Some(frame)) = Frame::decode(&mut self.down_seen) {
            match frame.op {
                op::AUTH_REPLY => wire.login_answers += 1,
                op::SEND_MSG_REPLY => wire.answers += 1,
                // A connection's first pushes have ascending sequences.
                op::RECEIVE_MSG if frame.seq > self.last_push => {
                    self.last_push = frame.seq;
                    wire.pushes += 1;
                    self.pushed.extend(match Pushed::parse(&frame.body) {
                        Ok(Pushed::Common(common)) => Some(common.mid),
                        // The logins of other devices are pushes too, and in no inbox.
                        Ok(Pushed::Signal(signal)) if signal.kind == SignalType::EndpointLogin as i32 => None,
                        Ok(Pushed::Signal(signal)) => Some(signal.sid),
                        _ => Some(0),
                    });
                }
                op::RECEIVE_MSG => wire.resends += 1,
                _ => {}
            }
        }
        bytes
    }

    /// The next frame for the client; `Err` when the server sent what is none.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, String> {
        Frame::decode(&mut self.input).map_err(|error| error.to_string())
    }

    /// The network gives up: what was on its way is lost on both sides.
    pub(super) fn cut(&mut self, wire: &mut Wire) {
        self.lose_down(wire);
        self.up.clear();
        self.socket.cut();
        self.is_cut = true;
    }

    /// Ids of what left the server for this client, in order.
    pub(super) fn pushed(&self) -> &[i64] {
        &self.pushed
    }

    /// The client says that it sends nothing more.
    pub(super) fn end(&self) {
        self.socket.end();
    }

    /// The server has closed it, and everything it said has come.
    pub(super) fn is_over(&self) -> bool {
        self.socket.is_closed()
    }
}
