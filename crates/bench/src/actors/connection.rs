//! One lean connection: a socket, what of the last read is incomplete, what the socket has not taken yet.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

use crate::proto::FrameView;

/// Connections from one source address before the next is used: ports are about 28,000 per address.
const PER_SOURCE: usize = 10_000;

/// See the module.
pub(crate) struct Connection {
    stream: Option<TcpStream>,
    carry: Vec<u8>,
    /// Frames to write; flushed once per turn of the loop.
    pub(crate) out: Vec<u8>,
    pub(crate) is_dirty: bool,
    pub(crate) wants_write: bool,
}

impl Connection {
    /// Starts connecting; whether it succeeds shows when the socket becomes ready. To loopback, many connections are spread over
    /// 127.0.0.x.
    pub(crate) fn start(server: SocketAddr, index: usize) -> anyhow::Result<Self> {
        let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None).context(
            "cannot open a socket: is the limit of open files (ulimit -n) above the number of connections?",
        )?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let source = index / PER_SOURCE;
        if source > 0 && server.is_ipv4() && server.ip().is_loopback() {
            let last = u8::try_from(1 + source).context("too many connections for 127.0.0.x")?;
            bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
        }
        match connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot connect to {server}")),
        }
        let stream = Some(TcpStream::from(socket));
        Ok(Self { stream, carry: Vec::new(), out: Vec::new(), is_dirty: false, wants_write: true })
    }

    pub(crate) fn stream(&self) -> Option<&TcpStream> {
        self.stream.as_ref()
    }

    pub(crate) fn close(&mut self) {
        self.stream = None;
        self.carry = Vec::new();
        self.out = Vec::new();
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self) -> std::io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let mut written = 0;
        while written < self.out.len() {
            match stream.write(&self.out[written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..written);
        if self.out.is_empty() && self.out.capacity() > 64 * 1024 {
            self.out = Vec::new();
        }
        Ok(())
    }

    /// Reads once into `buffer` and shows every complete frame; frames are written to `out` by `handle`.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut handle: impl FnMut(FrameView<'_>, &mut Vec<u8>),
    ) -> anyhow::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        let bytes = match stream.read(buffer) {
            Ok(0) => anyhow::bail!("closed by the server"),
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let out = &mut self.out;
        if self.carry.is_empty() {
            let used = split_all(&buffer[..bytes], |frame| handle(frame, out))?;
            self.carry.extend_from_slice(&buffer[used..bytes]);
        } else {
            self.carry.extend_from_slice(&buffer[..bytes]);
            let used = split_all(&self.carry, |frame| handle(frame, out))?;
            self.carry.drain(..used);
        }
        if self.carry.is_empty() {
            self.carry = Vec::new();
        }
        Ok(())
    }
}

fn split_all(input: &[u8], mut handle: impl FnMut(FrameView<'_>)) -> anyhow::Result<usize> {
    let mut used = 0;
    while let Some((frame, length)) = FrameView::split(&input[used..])? {
        handle(frame);
        used += length;
    }
    Ok(used)
}
