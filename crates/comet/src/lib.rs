//! The gateway role: everything that holds a client socket.
mod bucket;
mod config;
pub mod driver;
mod edge;
mod gateway;
mod ports;
pub use bucket::{Bucket, Completed, Deferred, Io, ReadOutcome, SocketReady, Token};
pub use config::{Config, ConfigError};
pub use gateway::{BucketSeat, CallHook, DrainReport, Gateway, GatewayParts};
pub use ports::Ports;
