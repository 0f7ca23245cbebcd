//! Bounds that the dialects and their transports put on bytes from outside.
//!
//! Owns numbers only. A bound that an operator may change is a default here and a parameter where it is used.

/// Header of a txchat frame, in bytes (spec 1.2).
pub const TXCHAT_HEADER_BYTES: usize = 20;

/// Largest body of a txchat frame, in bytes (spec 1.2, `MaxBody`).
pub const TXCHAT_BODY_BYTES_MAX: usize = 16_384;

/// Largest txchat frame, header included, in bytes (spec 1.2).
pub const TXCHAT_FRAME_BYTES_MAX: usize = TXCHAT_HEADER_BYTES + TXCHAT_BODY_BYTES_MAX;

/// Largest head of a WebSocket upgrade request or answer, in bytes.
pub const WS_HEAD_BYTES_MAX: usize = 8 * 1024;

/// Most frames that one WebSocket message may be made of (spec 1.1).
pub const WS_FRAGMENTS_MAX: u8 = 100;

/// Largest payload of a WebSocket control frame, in bytes (RFC 6455, 5.5).
pub const WS_CONTROL_BYTES_MAX: usize = 125;

/// Largest header of a WebSocket frame, mask included, in bytes (RFC 6455, 5.2).
pub const WS_FRAME_HEADER_BYTES_MAX: usize = 14;

/// Largest line of a PROXY header of version 1, its end included, in bytes (PROXY protocol, 2.1).
pub const PROXY_LINE_BYTES_MAX: usize = 107;

/// Largest PROXY header, in bytes: addresses, and what load balancers add to them.
pub const PROXY_HEADER_BYTES_MAX: usize = 4_096;
