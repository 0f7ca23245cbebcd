//! The txchat dialect: 20-byte frames with protobuf bodies (spec 1 and 2).
//!
//! [`frame`] is the frame of both transports, [`envelope`] the hot envelopes written by hand, [`pb`] every protobuf
//! message as generated from `proto/txchat/`. What an operation means, who may send it and when is not decided here.

pub mod envelope;
pub mod frame;
mod frame_decode;
mod op;
#[rustfmt::skip]
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    reason = "generated: `cargo run -p halley-xtask -- codegen`"
)]
#[path = "../gen/halley.txchat.rs"]
pub mod pb;

pub mod refusal_code;

pub use envelope::{
    Ack, AckBytes, Common, Envelope, EnvelopeError, Parts, Pushed, SendRef, Signal, Stamp, stamped_len,
};
pub use frame::{
    BodyTooLarge, Frame, FrameRef, Header, encode_empty, encode_header, encode_heartbeat_reply, put_frame,
};
pub use frame_decode::{Decoded, FrameError, decode, decode_message};
pub use op::Op;
