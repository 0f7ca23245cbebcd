//! TCP: listeners that share a port, nonblocking streams.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// Connections the kernel holds ready for one listener.
const BACKLOG: i32 = 4_096;

/// A nonblocking listener; several may share one port (`SO_REUSEPORT`), the kernel spreads connections over them.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    local: SocketAddr,
}

/// A connection that was accepted: nonblocking, without Nagle's delay.
#[derive(Debug)]
pub struct Accepted {
    /// The socket.
    pub socket: OwnedFd,
    /// The peer.
    pub remote: SocketAddr,
}

impl Listener {
    /// Binds and listens. Port 0 takes a free one, see [`Listener::local_addr`]; `[::]` serves IPv4 too.
    ///
    /// # Errors
    /// When the address is taken by somebody else, not ours, or privileged.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&fd, true)?;
        sockopt::set_socket_reuseport(&fd, true)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&fd, false)?;
        }
        net::bind(&fd, &address)?;
        net::listen(&fd, BACKLOG)?;
        let local = SocketAddr::try_from(net::getsockname(&fd)?)?;
        Ok(Self { fd, local })
    }

    /// Binds `count` (at least 1) listeners to one address; with port 0 all get the same free port.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub fn bind_shared(address: SocketAddr, count: usize) -> io::Result<Vec<Self>> {
        let first = Self::bind(address)?;
        let address = first.local;
        let mut listeners = vec![first];
        while listeners.len() < count {
            listeners.push(Self::bind(address)?);
        }
        Ok(listeners)
    }

    /// Where it listens, with the port that was given.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Takes the next connection, `None` when there is none. One that was reset while it waited is skipped.
    ///
    /// # Errors
    /// See [`is_descriptor_shortage`]; anything else concerns the listener itself.
    pub fn accept(&self) -> io::Result<Option<Accepted>> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            match net::acceptfrom_with(&self.fd, flags) {
                Ok((socket, remote)) => {
                    // Fails only on a connection that is gone already; the first read tells.
                    let _ = sockopt::set_tcp_nodelay(&socket, true);
                    let remote = remote.and_then(|remote| SocketAddr::try_from(remote).ok());
                    let remote =
                        remote.unwrap_or_else(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
                    return Ok(Some(Accepted { socket, remote }));
                }
                Err(Errno::AGAIN) => return Ok(None),
                // The last ones are pending errors of the new connection, which Linux hands to accept.
                Err(
                    Errno::INTR
                    | Errno::CONNABORTED
                    | Errno::PROTO
                    | Errno::NETDOWN
                    | Errno::HOSTDOWN
                    | Errno::HOSTUNREACH
                    | Errno::NETUNREACH
                    | Errno::OPNOTSUPP
                    | Errno::NOPROTOOPT,
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether an accept failed for want of descriptors or memory: it will succeed once something was closed, and until
/// then trying again at once would spin.
#[must_use]
pub fn is_descriptor_shortage(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// A descriptor to hold in reserve, so that one connection can be taken and closed when no other is left.
///
/// # Errors
/// When there is none left.
pub fn spare_descriptor() -> io::Result<OwnedFd> {
    let fd = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(fd)
}

/// Reads what there is, at most `into.len()` bytes: 0 at the end of the stream. `None` when there is nothing yet.
///
/// # Errors
/// When the connection failed.
pub fn read(socket: impl AsFd, into: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match net::recv(socket.as_fd(), &mut *into, RecvFlags::empty()) {
            Ok((length, _)) => return Ok(Some(length)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes what the socket takes now and answers how much that was.
///
/// # Errors
/// When the connection failed.
pub fn write(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match net::send(socket.as_fd(), bytes, SendFlags::NOSIGNAL) {
            Ok(length) => return Ok(length),
            Err(Errno::AGAIN) => return Ok(0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn wait_for<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
        for _ in 0..100_000 {
            if let Some(value) = attempt() {
                return value;
            }
            std::thread::yield_now();
        }
        panic!("did not happen");
    }

    #[test]
    fn listeners_share_the_port_that_was_given_for_port_zero() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listeners) = Listener::bind_shared(address.parse().expect("an address"), 3) else {
                assert_eq!(address, "[::1]:0", "only IPv6 may be missing");
                continue;
            };
            assert!(listeners.iter().all(|listener| listener.local_addr() == listeners[0].local_addr()));
            let _clients: Vec<_> =
                (0..20).map(|_| TcpStream::connect(listeners[0].local_addr()).expect("connects")).collect();
            let mut accepted = 0;
            wait_for(|| {
                for listener in &listeners {
                    while listener.accept().expect("accepts").is_some() {
                        accepted += 1;
                    }
                }
                (accepted == 20).then_some(())
            });
        }
    }

    #[test]
    fn a_stream_never_blocks_and_tells_its_end() {
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address")).expect("binds");
        let client = TcpStream::connect(listener.local_addr()).expect("connects");
        let accepted = wait_for(|| listener.accept().expect("accepts"));
        assert_eq!(accepted.remote, client.local_addr().expect("connected"));
        let mut buffer = [0; 8];
        assert_eq!(read(&accepted.socket, &mut buffer).expect("reads"), None);
        let chunk = vec![7; 1 << 20];
        let mut written = 0;
        while written < 64 << 20 {
            let taken = write(&accepted.socket, &chunk).expect("writes");
            written += taken;
            if taken < chunk.len() {
                break;
            }
        }
        assert!(written < 64 << 20, "a full socket takes no more");
        drop(client);
        let ended = wait_for(|| match read(&accepted.socket, &mut buffer) {
            Ok(None) => None,
            Ok(Some(length)) => Some(length == 0),
            Err(_) => Some(true),
        });
        assert!(ended);
    }
}
