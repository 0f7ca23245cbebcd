//! How frames lie on a transport (spec 1.1, 1.2): one after the other on TCP, one a message on WebSocket, behind an
//! HTTP upgrade.

use std::borrow::Cow;

use halley_core::session::Transport;
use halley_wire::limits::TXCHAT_FRAME_BYTES_MAX;
use halley_wire::txchat::{Decoded, FrameError, Header, decode, decode_message, put_frame};
use halley_wire::ws::{self, Accept, Decoder, Upgrade, UpgradeParser, encode};

/// The one path that is served, to the byte (spec 1.1, ruling 11).
const PATH: &str = "/sub";

/// WebSocket status: the bytes were not of the protocol.
const PROTOCOL_ERROR: u16 = 1_002;
/// WebSocket status: the login is refused.
const POLICY: u16 = 1_008;
/// WebSocket status: the login could not be decided; the same one may succeed later.
const TRY_AGAIN: u16 = 1_013;

/// The state of a connection's transport.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Frames one after the other.
    Tcp,
    /// A WebSocket whose upgrade is not complete.
    Upgrading(UpgradeParser),
    /// A WebSocket.
    WebSocket(Decoder),
}

/// What the bytes begin with, and how many of them are used up.
pub(crate) enum Step<'a> {
    /// Nothing whole: keep them, and come again with more.
    Incomplete,
    /// Something that needs no answer.
    Nothing(usize),
    /// A frame.
    Frame(Header, Cow<'a, [u8]>, usize),
    /// Something of the transport that [`Framing::answer`] answers.
    Control(Control<'a>, usize),
    /// No frame, and nothing behind it can be one. To be closed, with this farewell if there is one.
    Broken(Option<Control<'static>>),
}

/// What a transport says about itself.
pub(crate) enum Control<'a> {
    /// The upgrade is accepted.
    Accept(Accept),
    /// A ping to answer.
    Ping(&'a [u8]),
    /// The end: answered with the same code, then closed.
    Close(Option<u16>),
}

impl Framing {
    pub(crate) fn new(transport: Transport) -> Self {
        if transport.is_web_socket() { Self::Upgrading(UpgradeParser::new()) } else { Self::Tcp }
    }

    /// Looks at the first thing in `bytes`; a mask is taken off in place.
    pub(crate) fn next<'a>(&mut self, bytes: &'a mut [u8]) -> Step<'a> {
        match self {
            Self::Tcp => match decode(bytes) {
                Ok(Decoded::Complete { frame, consumed }) => {
                    Step::Frame(frame.header, Cow::Borrowed(frame.body), consumed)
                }
                Ok(Decoded::Incomplete { .. }) => Step::Incomplete,
                Err(_) => Step::Broken(None),
            },
            Self::Upgrading(parser) => match parser.parse(bytes, PATH) {
                Ok(Upgrade::Incomplete) => Step::Incomplete,
                Ok(Upgrade::Complete { accept, consumed }) => {
                    let limit = u32::try_from(TXCHAT_FRAME_BYTES_MAX).expect("16404 fits");
                    *self = Self::WebSocket(Decoder::new(limit));
                    Step::Control(Control::Accept(accept), consumed)
                }
                // As the original: closed without an HTTP answer.
                Err(_) => Step::Broken(None),
            },
            Self::WebSocket(decoder) => match decoder.decode(bytes) {
                Ok(step) => web_socket(step),
                Err(error) => Step::Broken(Some(Control::Close(Some(error.close_code())))),
            },
        }
    }

    /// Appends a frame to `out`. `false`: its body has no frame, and nothing was written.
    pub(crate) fn write(&self, header: Header, body: &[u8], out: &mut Vec<u8>) -> bool {
        let before = out.len();
        if matches!(self, Self::WebSocket(_)) {
            encode::put_message_header(out, body.len() + halley_wire::limits::TXCHAT_HEADER_BYTES);
        }
        let written = put_frame(out, header, body);
        if written.is_err() {
            out.truncate(before);
        }
        written.is_ok()
    }

    /// What a refused login is closed with, where the transport has a word for it (D11); on TCP there is none.
    pub(crate) fn refusal(&self, is_temporary: bool) -> Option<Control<'static>> {
        let code = if is_temporary { TRY_AGAIN } else { POLICY };
        matches!(self, Self::WebSocket(_)).then_some(Control::Close(Some(code)))
    }

    /// Appends the answer to `out`; `true` when the connection ends behind it.
    pub(crate) fn answer(control: &Control<'_>, out: &mut Vec<u8>) -> bool {
        match control {
            Control::Accept(accept) => accept.put_response(out),
            Control::Ping(payload) => encode::put_pong(out, payload).expect("a ping's payload fits a pong"),
            Control::Close(code) => {
                encode::put_close(out, *code);
                return true;
            }
        }
        false
    }
}

/// Of a message, the frame (bytes behind it are ignored); of the rest, what has to be done.
fn web_socket(step: ws::Step<'_>) -> Step<'_> {
    match step {
        ws::Step::Incomplete { .. } => Step::Incomplete,
        ws::Step::Fragment { consumed } | ws::Step::Pong { consumed, .. } => Step::Nothing(consumed),
        ws::Step::Ping { payload, consumed } => Step::Control(Control::Ping(payload), consumed),
        ws::Step::Close { code, consumed } => Step::Control(Control::Close(code), consumed),
        ws::Step::Message { payload, consumed } => match frame_of(payload) {
            Ok((header, body)) => Step::Frame(header, body, consumed),
            Err(_) => Step::Broken(Some(Control::Close(Some(PROTOCOL_ERROR)))),
        },
    }
}

fn frame_of(payload: Cow<'_, [u8]>) -> Result<(Header, Cow<'_, [u8]>), FrameError> {
    match payload {
        Cow::Borrowed(payload) => {
            let frame = decode_message(payload)?;
            Ok((frame.header, Cow::Borrowed(frame.body)))
        }
        // Came in pieces, which hardly any client does.
        Cow::Owned(payload) => {
            let frame = decode_message(&payload)?;
            Ok((frame.header, Cow::Owned(frame.body.to_vec())))
        }
    }
}
