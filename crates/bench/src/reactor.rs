//! The loop of one thread: epoll over its connections, one read and one write per connection and turn. Knows no workload.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::actors::connection::Connection;
use crate::proto::FrameView;

const READ_BYTES: usize = 128 * 1024;
/// Sockets handled at once; then whoever else waits for this processor gets it. The loader shares its cores with the server.
const EVENTS_MAX: usize = 64;

/// What a thread's connections are for.
pub(crate) trait Actors {
    /// A frame came on connection `index`; answers go to `out`.
    fn handle_frame(&mut self, index: usize, frame: FrameView<'_>, out: &mut Vec<u8>);
    /// Connection `index` ended.
    fn handle_closed(&mut self, index: usize, why: &anyhow::Error);
}

/// See the module.
pub(crate) struct Reactor {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    dirty: Vec<usize>,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
}

impl Reactor {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot make an epoll")?;
        Ok(Self {
            epoll,
            connections: Vec::new(),
            dirty: Vec::new(),
            events: Vec::with_capacity(EVENTS_MAX),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Opens the next connection and gives its index; `spread` is its place among all threads' connections.
    pub(crate) fn open(&mut self, server: SocketAddr, spread: usize, first: &[u8]) -> anyhow::Result<usize> {
        let mut connection = Connection::start(server, spread)?;
        connection.out.extend_from_slice(first);
        let index = self.connections.len();
        if let Some(stream) = connection.stream() {
            let interest = epoll::EventFlags::IN | epoll::EventFlags::OUT;
            epoll::add(&self.epoll, stream, epoll::EventData::new_u64(index as u64), interest)?;
        }
        self.connections.push(connection);
        Ok(index)
    }

    /// Opens a connection that ended again, under its index.
    pub(crate) fn reopen(
        &mut self,
        index: usize,
        server: SocketAddr,
        spread: usize,
        first: &[u8],
    ) -> anyhow::Result<()> {
        let mut connection = Connection::start(server, spread)?;
        connection.out.extend_from_slice(first);
        if let Some(stream) = connection.stream() {
            let interest = epoll::EventFlags::IN | epoll::EventFlags::OUT;
            epoll::add(&self.epoll, stream, epoll::EventData::new_u64(index as u64), interest)?;
        }
        // It may still stand in the list of those to flush.
        connection.is_dirty = self.connections[index].is_dirty;
        self.connections[index] = connection;
        Ok(())
    }

    /// Where frames for connection `index` are written; they leave at the end of the turn.
    pub(crate) fn out(&mut self, index: usize) -> &mut Vec<u8> {
        let connection = &mut self.connections[index];
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(index);
        }
        &mut connection.out
    }

    /// One turn: writes what was produced, waits at most `timeout`, handles what came.
    pub(crate) fn turn(&mut self, timeout: Duration, actors: &mut impl Actors) -> anyhow::Result<()> {
        self.flush_dirty(actors);
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll failed"),
        }
        let events = std::mem::take(&mut self.events);
        for event in &events {
            let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            let flags = event.flags;
            let readable = epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
            if flags.intersects(readable) {
                let buffer = &mut self.buffer;
                let result =
                    self.connections[index].read(buffer, |frame, out| actors.handle_frame(index, frame, out));
                if let Err(error) = result {
                    self.close(index, &error, actors);
                    continue;
                }
            }
            self.flush(index, actors);
        }
        let is_busy = events.len() == EVENTS_MAX;
        self.events = events;
        self.flush_dirty(actors);
        if is_busy {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Turns until `until` says so or the deadline passes; `true` when it said so.
    pub(crate) fn turn_until<A: Actors>(
        &mut self,
        actors: &mut A,
        deadline: Instant,
        mut until: impl FnMut(&A) -> bool,
    ) -> anyhow::Result<bool> {
        loop {
            if until(actors) {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(false);
            }
            self.turn((deadline - now).min(Duration::from_millis(50)), actors)?;
        }
    }

    fn flush_dirty(&mut self, actors: &mut impl Actors) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for (count, index) in dirty.drain(..).enumerate() {
            self.connections[index].is_dirty = false;
            self.flush(index, actors);
            if count % EVENTS_MAX == EVENTS_MAX - 1 {
                std::thread::yield_now();
            }
        }
        self.dirty = dirty;
    }

    fn flush(&mut self, index: usize, actors: &mut impl Actors) {
        let connection = &mut self.connections[index];
        // While it is being established it says so itself.
        let result = match connection.flush() {
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => return,
            result => result,
        };
        if let Err(error) = result {
            return self.close(index, &error.into(), actors);
        }
        let wants_write = !connection.out.is_empty();
        if wants_write == connection.wants_write {
            return;
        }
        connection.wants_write = wants_write;
        let mut interest = epoll::EventFlags::IN;
        interest.set(epoll::EventFlags::OUT, wants_write);
        if let Some(stream) = connection.stream() {
            let data = epoll::EventData::new_u64(index as u64);
            if let Err(error) = epoll::modify(&self.epoll, stream, data, interest) {
                self.close(index, &error.into(), actors);
            }
        }
    }

    fn close(&mut self, index: usize, why: &anyhow::Error, actors: &mut impl Actors) {
        let connection = &mut self.connections[index];
        if connection.stream().is_some() {
            connection.close();
            actors.handle_closed(index, why);
        }
    }
}
