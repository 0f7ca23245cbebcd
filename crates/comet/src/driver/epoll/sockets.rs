//! A bucket's sockets: descriptors in an edge-triggered epoll.

use std::io;
use std::os::fd::OwnedFd;

use halley_sys::{Interest, Poller};

use crate::bucket::{Io, ReadOutcome, Token};

/// The poller, lent to the bucket for a turn.
pub(super) struct Sockets<'a>(pub(super) &'a Poller);

impl Io<OwnedFd> for Sockets<'_> {
    fn read(&mut self, socket: &OwnedFd, into: &mut [u8]) -> io::Result<ReadOutcome> {
        Ok(match halley_sys::read(socket, into)? {
            None => ReadOutcome::Nothing,
            Some(0) => ReadOutcome::End,
            Some(length) => ReadOutcome::Bytes(length),
        })
    }

    fn write(&mut self, socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
        halley_sys::write(socket, bytes)
    }

    fn register(&mut self, socket: &OwnedFd, token: Token) -> io::Result<()> {
        self.0.add(socket, token.to_bits(), Interest::ReadWrite)
    }

    fn deregister(&mut self, socket: &OwnedFd) -> io::Result<()> {
        self.0.delete(socket)
    }
}
