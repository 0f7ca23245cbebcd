//! Readiness: an edge-triggered epoll.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// What to be told about a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Bytes or connections to take.
    Read,
    /// Bytes to take, room for bytes, and the peer's end.
    ReadWrite,
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Read => EventFlags::IN | EventFlags::ET,
            Self::ReadWrite => EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET,
        }
    }
}

/// What became possible on a descriptor since it was last exhausted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// Who: the token it was added with.
    pub token: u64,
    /// There may be bytes, or their end.
    pub readable: bool,
    /// The peer has ended its stream: behind the bytes there is the end, and it is not reported again.
    pub ended: bool,
    /// There may be room.
    pub writable: bool,
    /// The connection is gone in both directions, or has failed.
    pub hung_up: bool,
}

/// An edge-triggered epoll: a descriptor is reported when it *becomes* ready, so the caller remembers readiness until
/// a read or write says "would block". A closed descriptor leaves it by itself.
pub struct Poller {
    fd: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    /// A poller that reports at most `batch` (at least 1) descriptors a wait.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new(batch: usize) -> io::Result<Self> {
        Ok(Self { fd: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(batch.max(1)) })
    }

    /// Begins to report `source` under `token`. What is ready already is reported too.
    ///
    /// # Errors
    /// When it is registered already, or memory or the user's watch limit is exhausted.
    pub fn add(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        epoll::add(&self.fd, source, EventData::new_u64(token), interest.flags())?;
        Ok(())
    }

    /// Changes token or interest; what is ready is reported anew.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn modify(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        epoll::modify(&self.fd, source, EventData::new_u64(token), interest.flags())?;
        Ok(())
    }

    /// Stops reporting `source`, which stays open.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn delete(&self, source: impl AsFd) -> io::Result<()> {
        epoll::delete(&self.fd, source)?;
        Ok(())
    }

    /// Calls `report` with what is ready now, without waiting. Answers whether the batch was full: then there may
    /// be more.
    ///
    /// # Errors
    /// When the epoll itself fails, which a correct program never sees.
    pub fn poll(&mut self, mut report: impl FnMut(Readiness)) -> io::Result<bool> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.events.clear();
        match epoll::wait(&self.fd, spare_capacity(&mut self.events), Some(&zero)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let flags = event.flags;
            report(Readiness {
                token: event.data.u64(),
                readable: flags.intersects(EventFlags::IN | EventFlags::RDHUP),
                ended: flags.contains(EventFlags::RDHUP),
                writable: flags.contains(EventFlags::OUT),
                hung_up: flags.intersects(EventFlags::HUP | EventFlags::ERR),
            });
        }
        Ok(self.events.len() == self.events.capacity())
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("fd", &self.fd).finish_non_exhaustive()
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Poller {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (server, _) = listener.accept().expect("accepts");
        server.set_nonblocking(true).expect("is a socket");
        (client, server)
    }

    fn wait_readable(poller: &mut Poller) -> Vec<Readiness> {
        for _ in 0..1_000 {
            let mut seen = Vec::new();
            poller.poll(|readiness| seen.push(readiness)).expect("polls");
            if seen.iter().any(|readiness| readiness.readable) {
                return seen;
            }
            std::thread::yield_now();
        }
        panic!("nothing became readable");
    }

    #[test]
    fn an_edge_is_reported_once_and_a_new_token_reports_it_again() {
        let (mut client, server) = pair();
        let mut poller = Poller::new(4).expect("opens");
        poller.add(&server, 7, Interest::ReadWrite).expect("adds");
        client.write_all(b"x").expect("writes");
        assert!(wait_readable(&mut poller).iter().all(|readiness| readiness.token == 7));
        let mut again = 0;
        poller.poll(|_| again += 1).expect("polls");
        assert_eq!(again, 0);
        poller.modify(&server, 8, Interest::ReadWrite).expect("modifies");
        assert_eq!(wait_readable(&mut poller)[0].token, 8);
        poller.delete(&server).expect("deletes");
        client.write_all(b"y").expect("writes");
        poller.poll(|_| again += 1).expect("polls");
        assert_eq!(again, 0);
    }
}
