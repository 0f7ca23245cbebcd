//! The task behind a [`crate::Client`]: gives the session its connection, its input and its time. Decides nothing of the protocol.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::client::{ClientConfig, ClientEvent};
use crate::error::{ConnectError, ConnectionError};
use crate::transport::Transport;
use crate::txchat::{Outcome, Outgoing, SendId, Session, SessionError, SessionEvent};

/// Bytes that may wait for the socket before the session is asked for more.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) enum Command {
    Send { outgoing: Outgoing, answer: oneshot::Sender<Outcome> },
    Reconnect,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Transport, ConnectionError>> + Send>>;

enum Link {
    Down { retry_at: Instant },
    Connecting(Connecting),
    Up(Box<Transport>),
}

/// What made the task move.
enum Step {
    Room(bool),
    Command(Option<Command>),
    Retry,
    Connected(Result<Transport, ConnectionError>),
    SocketReady(std::io::Result<bool>),
    Timeout,
}

pub(crate) struct Driver {
    config: ClientConfig,
    session: Session,
    link: Link,
    backoff: Backoff,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<ClientEvent>,
    events_wanted: bool,
    receipts: HashMap<SendId, oneshot::Sender<Outcome>>,
    /// Why the last connection ended.
    reason: Option<ConnectionError>,
    ended: bool,
}

impl Driver {
    pub(crate) fn new(
        config: ClientConfig,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<ClientEvent>,
    ) -> Self {
        let now = Instant::now();
        Self {
            session: Session::new(config.session.clone(), now.into_std()),
            link: Link::Down { retry_at: now },
            backoff: Backoff::new(config.retry_first, config.retry_longest),
            commands,
            events,
            events_wanted: true,
            receipts: HashMap::new(),
            reason: None,
            ended: false,
            config,
        }
    }

    /// The first login, without a second try.
    pub(crate) async fn establish(&mut self) -> Result<(), ConnectError> {
        let mut stood = false;
        loop {
            self.turn().await;
            if self.session.is_online() {
                return Ok(());
            }
            stood |= matches!(self.link, Link::Up(_));
            if let Some(source) = self.reason.take() {
                let endpoint = self.config.endpoint.to_string();
                return Err(match source {
                    ConnectionError::Closed if stood => ConnectError::LoginRefused { endpoint },
                    source if stood => ConnectError::Failed { endpoint, source },
                    source => ConnectError::Unreachable { endpoint, source },
                });
            }
        }
    }

    /// Everything after the first login; ends when the last handle is dropped, or another device took over.
    pub(crate) async fn run(mut self) {
        while !self.ended {
            self.turn().await;
        }
        while let Some(event) = self.session.poll_event(Instant::now().into_std()) {
            if self.events.send(self.public_event(event)).await.is_err() {
                return;
            }
        }
        if let Some(ConnectionError::Session(error @ SessionError::Superseded { .. })) = &self.reason {
            // An owner that is gone needs no goodbye.
            let _gone = self.events.send(ClientEvent::Ended { reason: error.to_string() }).await;
        }
    }

    async fn turn(&mut self) {
        let step = self.next_step().await;
        self.handle(step);
        self.settle();
    }

    async fn next_step(&mut self) -> Step {
        let has_event = self.session.has_event() && self.events_wanted;
        let has_room = self.session.has_room();
        let wants_input = self.session.wants_input();
        let timeout = self.session.poll_timeout().map(Instant::from_std);
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            permit = self.events.reserve(), if has_event => Step::Room(permit.is_ok()),
            command = self.commands.recv(), if has_room => Step::Command(command),
            step = progress(&mut self.link, wants_input) => step,
            () = sleep_until(timeout.unwrap_or(far)) => Step::Timeout,
        }
    }

    fn handle(&mut self, step: Step) {
        let now = Instant::now();
        match step {
            Step::Room(true) => self.hand_over(now),
            Step::Room(false) => self.events_wanted = false,
            Step::Command(None) => self.ended = true,
            Step::Command(Some(Command::Send { outgoing, answer })) => {
                // There is room: it was asked before the command was taken.
                if let Ok(id) = self.session.send(&outgoing, now.into_std()) {
                    self.receipts.insert(id, answer);
                }
            }
            Step::Command(Some(Command::Reconnect)) => {
                self.backoff.reset();
                self.disconnected(ConnectionError::Closed);
                self.link = Link::Down { retry_at: now };
            }
            Step::Retry => {
                let (endpoint, limit) = (self.config.endpoint.clone(), self.config.connect_timeout);
                let (trust, tap) = (self.config.trust.clone(), self.config.tap.clone());
                self.link = Link::Connecting(Box::pin(async move {
                    let connecting = Transport::connect(&endpoint, trust.as_ref(), tap);
                    tokio::time::timeout(limit, connecting)
                        .await
                        .unwrap_or(Err(ConnectionError::Timeout(limit)))
                }));
            }
            Step::Connected(Ok(transport)) => {
                self.link = Link::Up(Box::new(transport));
                self.session.handle_connected(now.into_std());
            }
            Step::Connected(Err(error)) => self.disconnected(error),
            Step::SocketReady(Ok(true)) => self.read(now),
            Step::SocketReady(Ok(false)) => {}
            Step::SocketReady(Err(error)) => self.disconnected(error.into()),
            Step::Timeout => {
                if let Err(error) = self.session.handle_timeout(now.into_std()) {
                    self.disconnected(error.into());
                }
            }
        }
    }

    fn read(&mut self, now: Instant) {
        let Link::Up(transport) = &mut self.link else {
            return;
        };
        let read = transport.read();
        loop {
            match transport.next_frame() {
                Ok(Some(frame)) => {
                    if let Err(error) = self.session.handle_frame(&frame, now.into_std()) {
                        return self.disconnected(error.into());
                    }
                }
                Ok(None) => break,
                Err(error) => return self.disconnected(error),
            }
        }
        if self.session.is_online() {
            self.backoff.reset();
        }
        if let Err(error) = read {
            self.disconnected(error);
        }
    }

    /// Hands over what the last step produced: answers to their callers, events as far as there is room, frames to the socket.
    fn settle(&mut self) {
        while let Some((id, outcome)) = self.session.poll_outcome() {
            if let Some(answer) = self.receipts.remove(&id) {
                // A caller that no longer waits for its answer is served by dropping it.
                let _unwanted = answer.send(outcome);
            }
        }
        self.hand_over(Instant::now());
        let Link::Up(transport) = &mut self.link else {
            return;
        };
        let flushed = loop {
            while transport.pending() < OUTPUT_BYTES_MAX
                && let Some(frame) = self.session.poll_transmit()
            {
                transport.push(&frame);
            }
            match transport.flush() {
                Ok(true) if transport.pending() == 0 && self.session.has_transmit() => {}
                other => break other,
            }
        };
        if let Err(error) = flushed {
            self.disconnected(error.into());
        }
    }

    fn hand_over(&mut self, now: Instant) {
        while self.session.has_event() {
            if !self.events_wanted {
                self.session.poll_event(now.into_std());
                continue;
            }
            match self.events.clone().try_reserve_owned() {
                Ok(permit) => {
                    if let Some(event) = self.session.poll_event(now.into_std()) {
                        permit.send(self.public_event(event));
                    }
                }
                Err(mpsc::error::TrySendError::Full(_)) => return,
                Err(mpsc::error::TrySendError::Closed(_)) => self.events_wanted = false,
            }
        }
    }

    fn public_event(&self, event: SessionEvent) -> ClientEvent {
        match event {
            SessionEvent::Online => ClientEvent::Connected,
            SessionEvent::Offline => {
                let reason = self.reason.as_ref().map_or_else(String::new, ToString::to_string);
                ClientEvent::Disconnected { reason }
            }
            SessionEvent::Message(message) => ClientEvent::Message(message),
            SessionEvent::Signal(signal) => ClientEvent::Signal(signal),
        }
    }

    fn disconnected(&mut self, error: ConnectionError) {
        self.ended |= matches!(error, ConnectionError::Session(SessionError::Superseded { .. }));
        let random = getrandom::u32().unwrap_or(u32::MAX / 2);
        self.link = Link::Down { retry_at: Instant::now() + self.backoff.next_delay(random) };
        self.reason = Some(error);
        self.session.handle_disconnected();
    }
}

/// Waits for the link; what it waits on lives in the link, so being dropped half-way loses nothing.
async fn progress(link: &mut Link, wants_input: bool) -> Step {
    match link {
        Link::Down { retry_at } => {
            sleep_until(*retry_at).await;
            Step::Retry
        }
        Link::Connecting(connecting) => Step::Connected(connecting.await),
        Link::Up(transport) => Step::SocketReady(transport.ready(wants_input).await),
    }
}
