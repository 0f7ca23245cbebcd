//! Sockets in memory.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use halley_core::ids::BucketId;
use parking_lot::Mutex;

use crate::bucket::{Io, ReadOutcome, SocketReady, Token};

/// What a simulated socket takes before its client reads.
const SEND_BUFFER_BYTES: usize = 64 << 10;

/// One connection.
struct Pipe {
    /// To the server.
    up: VecDeque<u8>,
    /// To the client.
    down: VecDeque<u8>,
    down_bytes_max: usize,
    /// The client sends nothing more.
    up_ended: bool,
    /// The connection is gone, without a goodbye.
    cut: bool,
    /// The server has closed it.
    closed: bool,
    watcher: Option<(BucketId, Token)>,
    /// The server found it full.
    full: bool,
}

#[derive(Default)]
struct State {
    pipes: Vec<Pipe>,
    ready: VecDeque<(BucketId, SocketReady)>,
    /// For torn writes; 0 tears nothing.
    tear: u64,
}

/// All simulated connections.
#[derive(Clone, Default)]
pub(super) struct SimNet(Arc<Mutex<State>>);

/// The server's end; closed when it is dropped.
pub struct SimSocket {
    net: SimNet,
    id: usize,
}

/// The client's end, scripted by the test. Dropping it does nothing; see [`SimClient::cut`].
#[derive(Clone)]
pub struct SimClient {
    net: SimNet,
    id: usize,
}

impl std::fmt::Debug for SimSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SimSocket").field(&self.id).finish()
    }
}

impl std::fmt::Debug for SimClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SimClient").field(&self.id).finish()
    }
}

impl SimNet {
    /// With a seed other than 0, writes of the server are torn at seeded places.
    pub(super) fn tear_writes(&self, seed: u64) {
        self.0.lock().tear = seed;
    }

    pub(super) fn connect(&self) -> (SimSocket, SimClient) {
        let mut state = self.0.lock();
        let id = state.pipes.len();
        state.pipes.push(Pipe {
            up: VecDeque::new(),
            down: VecDeque::new(),
            down_bytes_max: SEND_BUFFER_BYTES,
            up_ended: false,
            cut: false,
            closed: false,
            watcher: None,
            full: false,
        });
        drop(state);
        let socket = SimSocket { net: self.clone(), id };
        let client = SimClient { net: self.clone(), id };
        (socket, client)
    }

    /// The next readiness for this bucket.
    pub(super) fn next_ready(&self, bucket: BucketId) -> Option<SocketReady> {
        let mut state = self.0.lock();
        let index = state.ready.iter().position(|(of, _)| *of == bucket)?;
        state.ready.remove(index).map(|(_, ready)| ready)
    }

    fn change<T>(&self, id: usize, change: impl FnOnce(&mut Pipe) -> T) -> T {
        change(&mut self.0.lock().pipes[id])
    }

    /// Changes a connection and reports what became possible.
    fn report<T>(&self, id: usize, change: impl FnOnce(&mut Pipe) -> T) -> T {
        let mut state = self.0.lock();
        let pipe = &mut state.pipes[id];
        let value = change(pipe);
        let Some((bucket, token)) = pipe.watcher else { return value };
        let has_room = pipe.down.len() < pipe.down_bytes_max;
        let ready = SocketReady {
            token,
            readable: !pipe.up.is_empty() || pipe.up_ended || pipe.cut,
            ended: pipe.up_ended || pipe.cut,
            writable: has_room,
            hung_up: pipe.cut,
        };
        pipe.full &= !has_room;
        state.ready.push_back((bucket, ready));
        value
    }
}

/// What a bucket is lent for its turn.
pub(super) struct SimIo(pub(super) BucketId);

impl Io<SimSocket> for SimIo {
    fn read(&mut self, socket: &SimSocket, into: &mut [u8]) -> io::Result<ReadOutcome> {
        socket.net.change(socket.id, |pipe| {
            if pipe.cut {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let length = pipe.up.len().min(into.len());
            for (to, from) in into.iter_mut().zip(pipe.up.drain(..length)) {
                *to = from;
            }
            Ok(match length {
                0 if pipe.up_ended => ReadOutcome::End,
                0 => ReadOutcome::Nothing,
                length => ReadOutcome::Bytes(length),
            })
        })
    }

    fn write(&mut self, socket: &SimSocket, bytes: &[u8]) -> io::Result<usize> {
        let mut state = socket.net.0.lock();
        let mut tear = state.tear;
        let pipe = &mut state.pipes[socket.id];
        if pipe.cut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = pipe.down_bytes_max.saturating_sub(pipe.down.len());
        let mut taken = room.min(bytes.len());
        if tear != 0 && taken > 1 {
            tear = xorshift(tear);
            if tear.is_multiple_of(4) {
                taken = 1 + (tear >> 8) as usize % (taken - 1);
            }
        }
        pipe.down.extend(&bytes[..taken]);
        pipe.full = taken < bytes.len();
        state.tear = tear;
        drop(state);
        if taken < room && taken < bytes.len() {
            // Torn, not full: there is room, and that is reported.
            socket.net.report(socket.id, |_| ());
        }
        Ok(taken)
    }

    fn register(&mut self, socket: &SimSocket, token: Token) -> io::Result<()> {
        let watcher = Some((self.0, token));
        socket.net.report(socket.id, |pipe| pipe.watcher = watcher);
        Ok(())
    }

    fn deregister(&mut self, socket: &SimSocket) -> io::Result<()> {
        let mut state = socket.net.0.lock();
        let watcher = state.pipes[socket.id].watcher.take();
        if let Some((bucket, token)) = watcher {
            // Tokens are a bucket's own: another bucket may have the same one.
            state.ready.retain(|(of, ready)| *of != bucket || ready.token != token);
        }
        Ok(())
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.net.change(self.id, |pipe| {
            pipe.closed = true;
            pipe.watcher = None;
        });
    }
}

impl SimClient {
    /// Sends bytes.
    pub fn write(&self, bytes: &[u8]) {
        self.net.report(self.id, |pipe| pipe.up.extend(bytes));
    }

    /// Takes what the server has sent.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        self.read_up_to(usize::MAX)
    }

    /// Takes at most so many bytes of it.
    #[must_use]
    pub fn read_up_to(&self, bytes_max: usize) -> Vec<u8> {
        let (bytes, was_full) = self.net.change(self.id, |pipe| {
            let length = pipe.down.len().min(bytes_max);
            let bytes: Vec<u8> = pipe.down.drain(..length).collect();
            (bytes, pipe.full)
        });
        if was_full && !bytes.is_empty() {
            self.net.report(self.id, |_| ());
        }
        bytes
    }

    /// How much the network takes from the server before the client reads; 0 is a client that reads nothing more.
    pub fn set_room(&self, bytes: usize) {
        self.net.report(self.id, |pipe| pipe.down_bytes_max = bytes);
    }

    /// Ends the client's side; it can still read.
    pub fn end(&self) {
        self.net.report(self.id, |pipe| pipe.up_ended = true);
    }

    /// Cuts the connection: what was on its way is lost on both sides.
    pub fn cut(&self) {
        self.net.report(self.id, |pipe| {
            pipe.cut = true;
            pipe.up.clear();
            pipe.down.clear();
        });
    }

    /// Whether the server has closed the connection.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.net.change(self.id, |pipe| pipe.closed)
    }

    /// Bytes that have come and were not taken.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.net.change(self.id, |pipe| pipe.down.len())
    }

    /// Bytes the server has not read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.net.change(self.id, |pipe| pipe.up.len())
    }
}

pub(super) fn xorshift(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}
