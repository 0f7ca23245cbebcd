//! The txchat dialect, client side, without I/O: frames in, frames out, time as an argument.

pub mod codec;
mod config;
mod event;
mod inbox;
mod outbox;
mod session;

pub use codec::{Frame, MSG_TEXT, encode_text, op, text_of};
pub use config::{AckPolicy, Device, Login, SessionConfig};
pub use event::{Message, Outcome, Outgoing, SendId, SessionEvent, Signal, Target, refusal_text};
pub use halley_wire::txchat::refusal_code::is_temporary as is_refusal_temporary;
pub use outbox::OutboxFull;
pub use session::{Session, SessionError};
