//! One connection's encryption.

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError};
use rustls::{Error, HandshakeKind};

use super::server::ServerTls;

/// Encrypted bytes that may wait for the rest of a record or of a handshake message: more than the largest client hello
/// that is taken, which is 64 KiB.
const INPUT_BYTES_MAX: usize = 72 << 10;
/// What encryption adds to a record of TLS 1.2 or 1.3, at most; and what a record holds.
const RECORD_OVERHEAD: usize = 32;
const RECORD_BYTES: usize = 16 << 10;
/// Room for what TLS says on its own account behind the data: an alert, a change of keys.
const MARGIN: usize = 128;

/// Why nothing more comes from the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    /// It said that it ends.
    Ended,
    /// What it sent is no TLS, cannot be agreed on, or was tampered with.
    Broken,
}

/// See the module.
pub(crate) struct TlsStream {
    connection: UnbufferedServerConnection,
    /// Encrypted bytes that are not a whole record or handshake message. The connection remembers places in them, so it
    /// is shown them each time, also when it is only to encrypt.
    input: Vec<u8>,
    /// Encrypted bytes that are not sent yet, from `output_at` on.
    output: Vec<u8>,
    output_at: usize,
    established: Option<HandshakeKind>,
    over: Option<Over>,
}

impl TlsStream {
    pub(crate) fn new(tls: &ServerTls) -> Result<Self, Error> {
        let connection = UnbufferedServerConnection::new(tls.config())?;
        Ok(Self {
            connection,
            input: Vec::new(),
            output: Vec::new(),
            output_at: 0,
            established: None,
            over: None,
        })
    }

    /// How the handshake went, once it has.
    pub(crate) fn established(&self) -> Option<HandshakeKind> {
        self.established
    }

    /// Why nothing more will come.
    pub(crate) fn over(&self) -> Option<Over> {
        self.over
    }

    /// Encrypted bytes that wait for the socket.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.output[self.output_at..]
    }

    /// The socket took so many of them.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.output_at += bytes;
    }

    /// Encrypted bytes and how many of them are sent; for whoever tidies them.
    pub(crate) fn output_mut(&mut self) -> (&mut Vec<u8>, &mut usize) {
        (&mut self.output, &mut self.output_at)
    }

    /// Takes bytes from the socket and appends what the client said to `plain`.
    pub(crate) fn open(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) {
        if self.over.is_some() {
            return;
        }
        if self.input.is_empty() {
            let used = self.process(bytes, plain);
            self.input.extend_from_slice(&bytes[used..]);
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(bytes);
            let used = self.process(&mut input, plain);
            input.drain(..used);
            input.shrink_to_fit();
            self.input = input;
        }
        if self.over.is_some() {
            self.input = Vec::new();
        } else if self.input.len() > INPUT_BYTES_MAX {
            self.over = Some(Over::Broken);
        }
    }

    /// Encrypts what is to be sent. `false`: it cannot be. Behind an alert nothing may be sent: it is dropped, as with a
    /// connection that is cut.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> bool {
        if self.over == Some(Over::Broken) {
            return true;
        }
        let records = plain.len() / RECORD_BYTES + 1;
        let room = plain.len() + records * RECORD_OVERHEAD + MARGIN;
        let sealed = |mut traffic: Traffic<'_>, output: &mut Vec<u8>| {
            put(output, room, |out| traffic.encrypt(plain, out).map_err(too_small_to_encrypt))
        };
        self.write(sealed)
    }

    /// The word that the stream ends here and was not cut, if it can be said: behind everything else.
    pub(crate) fn farewell(mut self) -> Option<Vec<u8>> {
        if self.established().is_none() || !self.unsent().is_empty() || self.over == Some(Over::Broken) {
            return None;
        }
        self.output.clear();
        let closed = |mut traffic: Traffic<'_>, output: &mut Vec<u8>| {
            put(output, MARGIN, |out| traffic.queue_close_notify(out).map_err(too_small_to_encrypt))
        };
        self.write(closed).then_some(self.output)
    }

    /// Handles what `bytes` begins with, and answers how much is used up.
    fn process(&mut self, bytes: &mut [u8], plain: &mut Vec<u8>) -> usize {
        let mut at = 0;
        loop {
            let status = self.connection.process_tls_records(&mut bytes[at..]);
            at += status.discard;
            match status.state {
                Ok(ConnectionState::WriteTraffic(_)) => {
                    if self.established.is_none() && !self.connection.is_handshaking() {
                        self.established = self.connection.handshake_kind();
                    }
                    return at;
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        plain.extend_from_slice(record.payload);
                        at += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    if !put(&mut self.output, MARGIN, |out| data.encode(out).map_err(too_small_to_encode)) {
                        self.over = Some(Over::Broken);
                        return at;
                    }
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::BlockedHandshake) => return at,
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.over = Some(Over::Ended);
                    return at;
                }
                // Early data is not offered, so there is none; nor are there states we do not know.
                Ok(_) => {
                    self.over = Some(Over::Broken);
                    return at;
                }
                Err(error) => {
                    tracing::debug!(%error, "TLS is over");
                    self.over = Some(Over::Broken);
                    self.put_alert(&mut bytes[at..]);
                    return at;
                }
            }
        }
    }

    /// Says what was wrong, as far as the protocol has words for it. The connection is not asked anything after that: it
    /// takes a second error for a mistake of ours.
    fn put_alert(&mut self, bytes: &mut [u8]) {
        let status = self.connection.process_tls_records(bytes);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state {
            put(&mut self.output, MARGIN, |out| data.encode(out).map_err(too_small_to_encode));
        }
    }

    /// Lets `write` say something to the client, behind what TLS itself has to say. `false`: it could not.
    fn write(&mut self, write: impl FnOnce(Traffic<'_>, &mut Vec<u8>) -> bool) -> bool {
        loop {
            let status = self.connection.process_tls_records(&mut self.input);
            let used = status.discard;
            match status.state {
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    let written = write(traffic, &mut self.output);
                    self.input.drain(..used);
                    return written;
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    if !put(&mut self.output, MARGIN, |out| data.encode(out).map_err(too_small_to_encode)) {
                        return false;
                    }
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return false,
            }
            self.input.drain(..used);
        }
    }
}

type Traffic<'c> = rustls::unbuffered::WriteTraffic<'c, rustls::server::ServerConnectionData>;

/// Why nothing was written.
enum NotPut {
    /// So much room is needed.
    TooSmall(usize),
    Impossible,
}

/// Appends what `write` writes into the room it gets.
fn put(output: &mut Vec<u8>, room: usize, mut write: impl FnMut(&mut [u8]) -> Result<usize, NotPut>) -> bool {
    let start = output.len();
    output.resize(start + room, 0);
    let mut written = write(&mut output[start..]);
    if let Err(NotPut::TooSmall(needed)) = written {
        output.resize(start + needed, 0);
        written = write(&mut output[start..]);
    }
    output.truncate(start + written.as_ref().map_or(0, |length| *length));
    written.is_ok()
}

fn too_small_to_encode(error: EncodeError) -> NotPut {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
            NotPut::TooSmall(required_size)
        }
        EncodeError::AlreadyEncoded => NotPut::Impossible,
    }
}

fn too_small_to_encrypt(error: EncryptError) -> NotPut {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
            NotPut::TooSmall(required_size)
        }
        EncryptError::EncryptExhausted => NotPut::Impossible,
    }
}
