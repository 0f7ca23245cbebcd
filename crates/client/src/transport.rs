//! Frames over a socket: TCP as they are, WebSocket one per message; encrypted or not. Buffers; no protocol.

use bytes::BytesMut;
use halley_wire::limits::{TXCHAT_FRAME_BYTES_MAX, WS_HEAD_BYTES_MAX};
use halley_wire::ws::{Decoder, Step, client as ws};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::client::{Direction, Tap};
use crate::encryption::{Encryption, Trust};
use crate::endpoint::Endpoint;
use crate::error::ConnectionError;
use crate::txchat::Frame;

/// A message may be a little more than its frame; twice is plenty.
const MESSAGE_BYTES_MAX: u32 = 2 * TXCHAT_FRAME_BYTES_MAX as u32;
/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

enum Framing {
    Stream,
    WebSocket(Decoder),
}

pub(crate) struct Transport {
    stream: TcpStream,
    encryption: Option<Encryption>,
    framing: Framing,
    input: BytesMut,
    output: Vec<u8>,
    /// What came encrypted, and what waits encrypted.
    came: BytesMut,
    sealed: Vec<u8>,
    tap: Option<Tap>,
}

impl Transport {
    pub(crate) async fn connect(
        endpoint: &Endpoint,
        trust: Option<&Trust>,
        tap: Option<Tap>,
    ) -> Result<Self, ConnectionError> {
        let encryption = match (endpoint.is_encrypted(), trust) {
            (false, _) => None,
            (true, Some(trust)) => Some(Encryption::new(trust, endpoint.authority())?),
            (true, None) => {
                return Err(ConnectionError::Tls("no certificates to trust were given".to_owned()));
            }
        };
        let stream = TcpStream::connect(endpoint.authority()).await?;
        stream.set_nodelay(true)?;
        let mut transport = Self {
            stream,
            encryption,
            framing: Framing::Stream,
            input: BytesMut::new(),
            output: Vec::new(),
            came: BytesMut::new(),
            sealed: Vec::new(),
            tap,
        };
        while transport.encryption.as_ref().is_some_and(Encryption::is_agreeing) {
            transport.flush_all().await?;
            transport.stream.readable().await?;
            let read = transport.read();
            // An alert says why, to both sides.
            let told = transport.flush();
            read?;
            told?;
        }
        if let Some(path) = endpoint.path() {
            transport.upgrade(endpoint.authority(), path).await?;
            transport.framing = Framing::WebSocket(Decoder::new(MESSAGE_BYTES_MAX));
        }
        Ok(transport)
    }

    /// Bytes that wait for the socket.
    pub(crate) fn pending(&self) -> usize {
        self.output.len() + self.sealed.len()
    }

    /// Waits until the socket can be read (if wanted; then `true`) or what is pending can be written.
    pub(crate) async fn ready(&self, wants_input: bool) -> std::io::Result<bool> {
        let interest = match (wants_input, self.pending() == 0) {
            (true, true) => Interest::READABLE,
            (true, false) => Interest::READABLE | Interest::WRITABLE,
            (false, false) => Interest::WRITABLE,
            (false, true) => std::future::pending().await,
        };
        let ready = self.stream.ready(interest).await?;
        Ok(ready.is_readable() || ready.is_read_closed())
    }

    /// Reads what there is; an error may leave complete frames before it in the buffer.
    pub(crate) fn read(&mut self) -> Result<(), ConnectionError> {
        let into = if self.encryption.is_some() { &mut self.came } else { &mut self.input };
        into.reserve(READ_BYTES);
        match self.stream.try_read_buf(into) {
            Ok(0) => return Err(ConnectionError::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return Err(ConnectionError::Closed);
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(encryption) = &mut self.encryption {
            encryption.open(&self.came, &mut self.input)?;
            self.came.clear();
        }
        Ok(())
    }

    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, ConnectionError> {
        let frame = match &mut self.framing {
            Framing::Stream => Frame::decode(&mut self.input)?,
            Framing::WebSocket(decoder) => next_message(decoder, &mut self.input, &mut self.output)?,
        };
        if let (Some(tap), Some(frame)) = (&self.tap, &frame) {
            tap.see(Direction::Received, &bytes_of(frame));
        }
        Ok(frame)
    }

    pub(crate) fn push(&mut self, frame: &Frame) {
        match &self.framing {
            Framing::Stream => frame.encode(&mut self.output),
            Framing::WebSocket(_) => ws::put_message(&mut self.output, mask(), &bytes_of(frame)),
        }
        if let Some(tap) = &self.tap {
            tap.see(Direction::Sent, &bytes_of(frame));
        }
    }

    /// Writes what the socket takes; `true` when that was all.
    pub(crate) fn flush(&mut self) -> std::io::Result<bool> {
        if let Some(encryption) = &mut self.encryption {
            encryption.seal(&mut self.output, &mut self.sealed)?;
        }
        let waiting = if self.encryption.is_some() { &mut self.sealed } else { &mut self.output };
        while !waiting.is_empty() {
            match self.stream.try_write(waiting) {
                Ok(written) => drop(waiting.drain(..written)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn flush_all(&mut self) -> std::io::Result<()> {
        while !self.flush()? {
            self.stream.writable().await?;
        }
        Ok(())
    }

    /// Upgrades the connection; bytes after the answer's head stay in `input`.
    async fn upgrade(&mut self, authority: &str, path: &str) -> Result<(), ConnectionError> {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&mask());
        ws::put_request(&mut self.output, authority, path, key);
        self.flush_all().await?;
        loop {
            let refused =
                |_| ConnectionError::WebSocket("the server did not accept the upgrade: is the path right?");
            if let Some(head_bytes) = ws::check_response(&self.input, key).map_err(refused)? {
                drop(self.input.split_to(head_bytes));
                return Ok(());
            }
            if self.input.len() > WS_HEAD_BYTES_MAX {
                return Err(ConnectionError::WebSocket("the answer to the upgrade is too long"));
            }
            self.stream.readable().await?;
            match self.read() {
                Err(ConnectionError::Closed) => {
                    return Err(ConnectionError::WebSocket("closed instead of upgraded: is the path right?"));
                }
                other => other?,
            }
        }
    }
}

/// The frame of the next data message in `input`; answers to pings go to `output`.
fn next_message(
    decoder: &mut Decoder,
    input: &mut BytesMut,
    output: &mut Vec<u8>,
) -> Result<Option<Frame>, ConnectionError> {
    loop {
        let step = decoder.decode(input).map_err(|_| ConnectionError::WebSocket("a malformed frame"))?;
        let (frame, consumed) = match step {
            Step::Incomplete { .. } => return Ok(None),
            Step::Close { .. } => return Err(ConnectionError::Closed),
            Step::Fragment { consumed } | Step::Pong { consumed, .. } => (None, consumed),
            Step::Ping { payload, consumed } => {
                // What a ping carried always fits into a pong.
                let _fits = ws::put_pong(output, mask(), payload);
                (None, consumed)
            }
            Step::Message { payload, consumed } => {
                let frame = Frame::decode(&mut BytesMut::from(&payload[..]))?;
                (Some(frame.ok_or(ConnectionError::WebSocket("a message that is no frame"))?), consumed)
            }
        };
        drop(input.split_to(consumed));
        if frame.is_some() {
            return Ok(frame);
        }
    }
}

/// Masking protects proxies from chosen bytes and hides nothing: a failing generator must not stop the chat.
fn mask() -> [u8; 4] {
    getrandom::u32().unwrap_or(0x5a17_c39e).to_be_bytes()
}

fn bytes_of(frame: &Frame) -> BytesMut {
    let mut bytes = BytesMut::new();
    frame.encode(&mut bytes);
    bytes
}
