//! One user's device talking txchat: login, outbox, inbox, heartbeats. A pure state machine.
//!
//! The driver tells it what happened (`handle_*`), asks what to write ([`Session::poll_transmit`]), what to tell the caller
//! ([`Session::poll_event`], [`Session::poll_outcome`]) and when to wake ([`Session::poll_timeout`]). It outlives connections: the driver
//! reports each start and end.

use std::collections::VecDeque;
use std::time::Instant;

use super::codec::{self, Envelope, Frame, op};
use super::config::{Login, SessionConfig};
use super::event::{Outcome, Outgoing, SendId, SessionEvent};
use super::inbox::{Inbox, PushName};
use super::outbox::{Outbox, OutboxFull};

/// Why the connection cannot go on; the driver closes it and reports [`Session::handle_disconnected`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    /// Another phone of this user has logged in since: reconnecting would throw it out, so the client stops.
    #[error("another device of this user ({device_name:?}) has logged in since")]
    Superseded {
        /// The other device's name.
        device_name: String,
    },
    /// The login was not answered in time. Lost nothing; connect again.
    #[error("the login was not answered in time")]
    LoginTimeout,
    /// Nothing was heard although heartbeats were sent. Lost nothing; connect again.
    #[error("nothing was heard from the server for too long")]
    Silent,
    /// The server sent something that is not txchat. Lost nothing; connecting again may help.
    #[error("the server sent what is not txchat: {0}")]
    Malformed(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Offline,
    LoggingIn { deadline: Instant },
    Online,
}

/// See the module.
pub struct Session {
    config: SessionConfig,
    state: State,
    /// The last header number used; never starts again, so that an answer can never be taken for another send's.
    seq: i32,
    was_online: bool,
    outbox: Outbox,
    inbox: Inbox,
    transmit: VecDeque<Frame>,
    outcomes: VecDeque<(SendId, Outcome)>,
    heartbeat_due: Instant,
    heard: Instant,
}

impl Session {
    /// A session that is not connected.
    #[must_use]
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        Self {
            state: State::Offline,
            seq: 0,
            was_online: false,
            outbox: Outbox::new(config.outbox_max, config.in_flight_max, config.resend_after),
            inbox: Inbox::new(config.pending_max, config.seen_max, config.acks),
            transmit: VecDeque::new(),
            outcomes: VecDeque::new(),
            heartbeat_due: now,
            heard: now,
            config,
        }
    }

    /// Takes a message for sending, connected or not. It is repeated until [`Session::poll_outcome`] names it.
    ///
    /// # Errors
    /// [`OutboxFull`] when too many wait for their answer; nothing was taken then.
    pub fn send(&mut self, outgoing: &Outgoing, now: Instant) -> Result<SendId, OutboxFull> {
        let seq = self.seq.wrapping_add(1);
        let id = self.outbox.push(outgoing, seq)?;
        self.seq = seq;
        self.fill_window(now);
        Ok(id)
    }

    /// Whether [`Session::send`] would take one more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outbox.has_room()
    }

    /// Sends without an answer.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.outbox.len()
    }

    /// Whether the login of the current connection was accepted.
    #[must_use]
    pub fn is_online(&self) -> bool {
        self.state == State::Online
    }

    /// Whether more input should be read: not when the caller has too many events to take.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.inbox.has_room()
    }

    /// A connection stands: the login goes out.
    pub fn handle_connected(&mut self, now: Instant) {
        self.forget_connection();
        self.state = State::LoggingIn { deadline: now + self.config.login_timeout };
        self.heard = now;
        let seq = self.next_seq();
        let login: Option<&Login> = self.config.login.as_ref();
        self.transmit.push_back(codec::encode_auth(
            &self.config.app,
            &self.config.token,
            login,
            self.was_online,
            seq,
        ));
    }

    /// The connection ended, however it did.
    pub fn handle_disconnected(&mut self) {
        if self.state != State::Offline {
            self.forget_connection();
            self.inbox.note(SessionEvent::Offline);
        }
    }

    /// A frame came.
    ///
    /// # Errors
    /// [`SessionError`] when the connection must be closed.
    pub fn handle_frame(&mut self, frame: &Frame, now: Instant) -> Result<(), SessionError> {
        if self.state == State::Offline {
            return Ok(());
        }
        self.heard = now;
        match frame.op {
            op::AUTH_REPLY => self.handle_auth_reply(frame, now),
            op::SEND_MSG_REPLY => self.handle_answer(frame, now),
            op::RECEIVE_MSG => self.handle_push(frame, now),
            // A heartbeat's answer has done its work by being heard; other numbers are from a newer server.
            _ => Ok(()),
        }
    }

    fn handle_auth_reply(&mut self, frame: &Frame, now: Instant) -> Result<(), SessionError> {
        if !matches!(self.state, State::LoggingIn { .. }) {
            return Ok(());
        }
        if !frame.body.is_empty() {
            let device_name = codec::decode_endpoint_login(&frame.body).unwrap_or_default();
            return Err(SessionError::Superseded { device_name });
        }
        self.state = State::Online;
        self.was_online = true;
        self.heartbeat_due = now + self.config.heartbeat_interval;
        self.inbox.note(SessionEvent::Online);
        self.fill_window(now);
        Ok(())
    }

    fn handle_answer(&mut self, frame: &Frame, now: Instant) -> Result<(), SessionError> {
        let Some(Envelope::Ack { message_id, time_ms, code }) = codec::decode_envelope(&frame.body)? else {
            return Err(SessionError::Malformed("an answer to a send that is no acknowledgement"));
        };
        // Not found: a repetition's second answer.
        if let Some(id) = self.outbox.answered(frame.ack) {
            let outcome = if message_id == 0 {
                Outcome::Refused { code }
            } else {
                Outcome::Acknowledged { message_id, time_ms }
            };
            self.outcomes.push_back((id, outcome));
            self.fill_window(now);
        }
        Ok(())
    }

    fn handle_push(&mut self, frame: &Frame, now: Instant) -> Result<(), SessionError> {
        match codec::decode_envelope(&frame.body)? {
            Some(Envelope::Message(message)) => {
                let name = PushName::Message(message.message_id);
                self.inbox.push(frame.seq, name, now, || SessionEvent::Message(message));
            }
            Some(Envelope::Signal(signal)) => {
                let name = if signal.signal_id == 0 {
                    PushName::Nameless
                } else {
                    PushName::Signal(signal.signal_id)
                };
                self.inbox.push(frame.seq, name, now, || SessionEvent::Signal(signal));
            }
            Some(Envelope::Ack { .. }) => {
                return Err(SessionError::Malformed("an acknowledgement as a push"));
            }
            // From a newer server: not for us, and it must not come again and again.
            None => self.inbox.discard(frame.seq, now),
        }
        self.queue_acks(now);
        Ok(())
    }

    /// Time has passed.
    ///
    /// # Errors
    /// [`SessionError`] when the connection must be closed.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        match self.state {
            State::Offline => return Ok(()),
            State::LoggingIn { deadline } if now >= deadline => return Err(SessionError::LoginTimeout),
            State::LoggingIn { .. } => {}
            State::Online => {
                // Silence counts only while we listen: with a full queue it is we who do not read.
                if self.wants_input() && now >= self.silence_deadline() {
                    return Err(SessionError::Silent);
                }
                if now >= self.heartbeat_due {
                    self.heartbeat_due = now + self.config.heartbeat_interval;
                    let seq = self.next_seq();
                    self.transmit.push_back(Frame::new(op::HEARTBEAT, seq, 0));
                }
            }
        }
        self.fill_window(now);
        self.queue_acks(now);
        Ok(())
    }

    /// When [`Session::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = match self.state {
            State::Offline => return None,
            State::LoggingIn { deadline } => deadline,
            State::Online if self.wants_input() => self.heartbeat_due.min(self.silence_deadline()),
            State::Online => self.heartbeat_due,
        };
        let resend = if self.is_online() { self.outbox.next_due() } else { None };
        [Some(state), resend, self.inbox.next_due()].into_iter().flatten().min()
    }

    /// The next frame to write.
    pub fn poll_transmit(&mut self) -> Option<Frame> {
        self.transmit.pop_front()
    }

    /// Whether a frame waits to be written.
    #[must_use]
    pub fn has_transmit(&self) -> bool {
        !self.transmit.is_empty()
    }

    /// Whether an event waits to be taken.
    #[must_use]
    pub fn has_event(&self) -> bool {
        self.inbox.has_event()
    }

    /// The next event. Taking a push is what acknowledges it.
    pub fn poll_event(&mut self, now: Instant) -> Option<SessionEvent> {
        // Time spent in a full queue is not the server's silence.
        if !self.wants_input() {
            self.heard = now;
        }
        let event = self.inbox.take(now);
        self.queue_acks(now);
        event
    }

    /// The next send that has its answer: each is named once.
    pub fn poll_outcome(&mut self) -> Option<(SendId, Outcome)> {
        self.outcomes.pop_front()
    }

    fn silence_deadline(&self) -> Instant {
        self.heard + self.config.silence_max.max(self.config.heartbeat_interval * 2)
    }

    fn fill_window(&mut self, now: Instant) {
        if self.state == State::Online {
            let transmit = &mut self.transmit;
            self.outbox.transmit(now, |frame| transmit.push_back(frame));
        }
    }

    fn queue_acks(&mut self, now: Instant) {
        if self.state == State::Offline {
            return;
        }
        while let Some(push_seq) = self.inbox.pop_due(now) {
            let seq = self.next_seq();
            self.transmit.push_back(Frame::new(op::RECEIVE_MSG_REPLY, seq, push_seq));
        }
    }

    fn forget_connection(&mut self) {
        self.state = State::Offline;
        self.transmit.clear();
        self.outbox.forget_connection();
        self.inbox.forget_connection();
    }

    fn next_seq(&mut self) -> i32 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }
}
