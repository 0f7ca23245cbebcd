//! The handle: what a program that talks holds on to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::driver::{Command, Driver};
use crate::encryption::Trust;
use crate::endpoint::Endpoint;
use crate::error::{ConnectError, SendError};
use crate::txchat::codec::{FRAME_BYTES_MAX, HEADER_BYTES, encode_send};
use crate::txchat::{Message, Outcome, Outgoing, SessionConfig, Signal, Target};

/// Which way bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// To the server.
    Sent,
    /// From the server.
    Received,
}

/// Is shown every raw frame, before it is interpreted (tests); called on the client's task, so it must be quick.
#[derive(Clone)]
pub struct Tap(Arc<See>);

type See = dyn Fn(Direction, &[u8]) + Send + Sync;

impl Tap {
    /// A tap that calls this.
    pub fn new(see: impl Fn(Direction, &[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(crate) fn see(&self, direction: Direction, frame: &[u8]) {
        (self.0)(direction, frame);
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where.
    pub endpoint: Endpoint,
    /// Whose certificates are trusted; `tls://` and `wss://` need it.
    pub trust: Option<Trust>,
    /// As whom, and the protocol's timings.
    pub session: SessionConfig,
    /// A connection must stand within this.
    pub connect_timeout: Duration,
    /// The first wait before connecting again, jittered.
    pub retry_first: Duration,
    /// The longest wait before connecting again, jittered.
    pub retry_longest: Duration,
    /// Events that may wait for the caller; beyond it the client stops acknowledging, then reading.
    pub events_max: usize,
    /// Sees raw frames.
    pub tap: Option<Tap>,
}

impl ClientConfig {
    /// The usual waits and bounds.
    #[must_use]
    pub fn new(endpoint: Endpoint, session: SessionConfig) -> Self {
        Self {
            endpoint,
            trust: None,
            session,
            connect_timeout: Duration::from_secs(5),
            retry_first: Duration::from_millis(200),
            retry_longest: Duration::from_secs(10),
            events_max: 256,
            tap: None,
        }
    }
}

/// What a client tells its owner, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientEvent {
    /// Logged in, again if it was before.
    Connected,
    /// The connection ended; the client connects again by itself and loses nothing.
    Disconnected {
        /// Why.
        reason: String,
    },
    /// A message.
    Message(Message),
    /// A signal.
    Signal(Signal),
    /// The client has ended and will not connect again: another device took the user over.
    Ended {
        /// Why.
        reason: String,
    },
}

/// The events of a client. Dropping it makes the client acknowledge and discard what comes.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<ClientEvent>);

impl Events {
    /// The next event; `None` when the client has ended and everything was taken.
    pub async fn recv(&mut self) -> Option<ClientEvent> {
        self.0.recv().await
    }
}

/// The promise of an answer to one send.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Outcome>);

impl Receipt {
    /// Waits for the answer, however many connections that takes.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the client ended first: whether the message was stored is then unknown, and a repetition under
    /// the same client id is harmless.
    pub async fn answer(self) -> Result<Outcome, SendError> {
        self.0.await.map_err(|_| SendError::Closed)
    }
}

/// A logged-in user's device. Clones share the connection, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    /// Makes client ids unlike those of any other run.
    id_prefix: Arc<str>,
    id_next: Arc<AtomicU64>,
}

impl Client {
    /// Connects and logs in; afterwards the client reconnects by itself. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`] when the first login does not succeed; nothing runs then.
    pub async fn connect(config: ClientConfig) -> Result<(Self, Events), ConnectError> {
        let (commands, command_queue) = mpsc::channel(config.session.outbox_max.clamp(1, 64));
        let (event_queue, events) = mpsc::channel(config.events_max.max(1));
        let mut driver = Driver::new(config, command_queue, event_queue);
        driver.establish().await?;
        tokio::spawn(driver.run());
        let prefix = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        let client = Self {
            commands,
            id_prefix: format!("{prefix:016x}").into(),
            id_next: Arc::new(AtomicU64::new(1)),
        };
        Ok((client, Events(events)))
    }

    /// A client id that no other message has.
    #[must_use]
    pub fn new_client_id(&self) -> String {
        format!("{}-{}", self.id_prefix, self.id_next.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a text under a new client id; see [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_text(&self, target: Target, text: &str) -> Result<Receipt, SendError> {
        self.send(Outgoing::text(target, text, self.new_client_id())).await
    }

    /// Takes a message for sending, waiting while the outbox is full. It is repeated until the [`Receipt`] has its answer, over
    /// reconnects too. Sends of one caller keep their order.
    ///
    /// # Errors
    /// [`SendError`] when it was not taken.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Receipt, SendError> {
        if outgoing.client_id.is_empty() {
            return Err(SendError::NoClientId);
        }
        let bytes = HEADER_BYTES + encode_send(&outgoing, 0).body.len();
        if bytes > FRAME_BYTES_MAX {
            return Err(SendError::TooLong { bytes, bytes_max: FRAME_BYTES_MAX });
        }
        let (answer, receipt) = oneshot::channel();
        self.commands.send(Command::Send { outgoing, answer }).await.map_err(|_| SendError::Closed)?;
        Ok(Receipt(receipt))
    }

    /// Drops the connection and connects again at once (tests; a phone that changed networks).
    ///
    /// # Errors
    /// [`SendError::Closed`] when the client has ended.
    pub async fn reconnect(&self) -> Result<(), SendError> {
        self.commands.send(Command::Reconnect).await.map_err(|_| SendError::Closed)
    }
}
