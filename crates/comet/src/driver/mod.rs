//! What gives a bucket its sockets and its time: the operating system ([`epoll`]), or a test ([`sim`]).

pub mod epoll;
pub mod sim;
