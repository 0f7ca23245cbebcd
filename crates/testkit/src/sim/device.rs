//! One device of one user: a real client session, its connection, and what it said.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use halley_client::txchat::{
    Login, Outcome, Outgoing, SendId, Session, SessionConfig, SessionEvent, is_refusal_temporary, op,
};
use halley_comet::driver::sim::SimClient;
use halley_wire::txchat::pb::{MsgType, SignalReceived, SignalType, SignalUpdateGroupName};
use prost::Message as _;

use super::link::{Link, Wire};
use super::server::APP;
use super::trace::Trace;
use crate::ledger::{DeviceName, Ledger};
use crate::rng::Rng;

/// A client connects again after at most this long.
const RECONNECT_MS_MAX: u64 = 400;

/// See the module.
pub(super) struct Device {
    pub(super) name: DeviceName,
    pub(super) session: Session,
    pub(super) link: Option<Link>,
    /// When it connects, if it is not connected.
    pub(super) connect_at: Instant,
    /// Its acknowledgements of pushes are lost until then.
    pub(super) acks_lost_until: Option<Instant>,
    /// The client finds out only now that its connection is dead.
    pub(super) notices_at: Option<Instant>,
    sends: BTreeMap<SendId, String>,
    /// The group's last name that it was told: names are numbers that increase.
    pub(super) told: u64,
    /// Acknowledged just now: client ids.
    pub(super) acknowledged: Vec<String>,
    /// Refused just now, for a reason that passes: client ids and codes.
    pub(super) refused: Vec<(String, i32)>,
    /// What was refused is said again then.
    pub(super) again: Vec<(Instant, Outgoing)>,
}

impl Device {
    pub(super) fn new(name: DeviceName, now: Instant) -> Self {
        let login = Login { uuid: name.device.clone(), ..Login::default() };
        let config = SessionConfig::new(APP, &name.user, Some(login));
        Self {
            session: Session::new(config, now),
            name,
            link: None,
            connect_at: now,
            acks_lost_until: None,
            notices_at: None,
            sends: BTreeMap::new(),
            told: 0,
            acknowledged: Vec::new(),
            refused: Vec::new(),
            again: Vec::new(),
        }
    }

    /// Takes over a connection that stands.
    pub(super) fn connected(&mut self, socket: SimClient, now: Instant) {
        self.link = Some(Link::new(socket));
        self.notices_at = None;
        self.session.handle_connected(now);
    }

    /// Gives up its connection; answers what is left of it.
    pub(super) fn disconnect(&mut self, now: Instant, rng: &mut Rng) -> Option<Link> {
        let link = self.link.take()?;
        self.notices_at = None;
        self.session.handle_disconnected();
        self.connect_at = now + Duration::from_millis(rng.below(RECONNECT_MS_MAX));
        Some(link)
    }

    /// Says something, for the first time or again.
    pub(super) fn say(&mut self, outgoing: &Outgoing, now: Instant, ledger: &Ledger) {
        match self.session.send(outgoing, now) {
            Ok(id) => {
                self.sends.insert(id, outgoing.client_id.clone());
            }
            Err(error) => ledger.is_wrong(format!("{:?} could not send: {error}", self.name)),
        }
    }

    /// Says again what it is time for.
    pub(super) fn say_again(&mut self, now: Instant, ledger: &Ledger) {
        let due = self.again.iter().take_while(|(at, _)| *at <= now).count();
        for (_, outgoing) in self.again.drain(..due).collect::<Vec<_>>() {
            self.say(&outgoing, now, ledger);
        }
    }

    /// Lets the session do what it can: frames that came, time that passed, what it wants to write and to tell.
    /// `false`: the connection must be given up.
    pub(super) fn work(&mut self, now: Instant, ledger: &Ledger, trace: &mut Trace) -> bool {
        let mut holds = true;
        if let Some(link) = &mut self.link {
            loop {
                match link.next_frame() {
                    Ok(Some(frame)) => {
                        trace.note(b'f', u64::from(frame.op.unsigned_abs()));
                        trace.bytes(&frame.body);
                        if let Err(error) = self.session.handle_frame(&frame, now) {
                            ledger.is_wrong(format!("{:?}: {error}", self.name));
                            holds = false;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        ledger.is_wrong(format!("{:?} was sent what is no frame: {error}", self.name));
                        holds = false;
                        break;
                    }
                }
            }
        }
        if self.session.poll_timeout().is_some_and(|due| due <= now) {
            // Silence and an unanswered login end a connection; both are the network's doing here.
            holds &= self.session.handle_timeout(now).is_ok();
        }
        self.take_events(now, ledger);
        self.write(now);
        holds
    }

    fn take_events(&mut self, now: Instant, ledger: &Ledger) {
        while let Some(event) = self.session.poll_event(now) {
            match event {
                // What a notice says, its signal says as well.
                SessionEvent::Message(message) if message.kind == i32::from(MsgType::Notice) => {}
                SessionEvent::Message(message) => {
                    ledger.shown(&self.name, &message.client_id, message.message_id);
                }
                SessionEvent::Signal(signal) if signal.kind == i32::from(SignalType::Received) => {
                    match SignalReceived::decode(&signal.body[..]) {
                        Ok(receipt) => ledger.received(&self.name, receipt.logs),
                        Err(error) => ledger.is_wrong(format!("a receipt is not decodable: {error}")),
                    }
                }
                SessionEvent::Signal(signal) if signal.kind == i32::from(SignalType::UpdateGroupName) => {
                    self.take_name(&signal.body, ledger);
                }
                _ => {}
            }
        }
        while let Some((id, outcome)) = self.session.poll_outcome() {
            let Some(client_id) = self.sends.remove(&id) else {
                ledger.is_wrong(format!("{:?} was answered for a send that it did not make", self.name));
                continue;
            };
            match outcome {
                Outcome::Acknowledged { message_id, .. } => {
                    ledger.acknowledged(&client_id, message_id);
                    self.acknowledged.push(client_id);
                }
                Outcome::Refused { code } if is_refusal_temporary(code) => {
                    self.refused.push((client_id, code));
                }
                Outcome::Refused { code } => ledger.is_wrong(format!("{client_id} was refused with {code}")),
            }
        }
    }

    /// The group has another name.
    fn take_name(&mut self, body: &[u8], ledger: &Ledger) {
        let name = SignalUpdateGroupName::decode(body).ok().and_then(|body| body.name.parse().ok());
        match name {
            Some(name) if name > self.told => self.told = name,
            _ => ledger.is_wrong(format!("{:?} was told {name:?} after {}", self.name, self.told)),
        }
    }

    fn write(&mut self, now: Instant) {
        if self.acks_lost_until.is_some_and(|until| until <= now) {
            self.acks_lost_until = None;
        }
        while let Some(frame) = self.session.poll_transmit() {
            let is_lost = frame.op == op::RECEIVE_MSG_REPLY && self.acks_lost_until.is_some();
            if let Some(link) = self.link.as_mut().filter(|_| !is_lost) {
                link.write(&frame);
            }
        }
    }

    /// Bytes travel, at most so many in each direction. `true`: some did.
    pub(super) fn carry(&mut self, up_max: usize, down_max: usize, wire: &mut Wire) -> bool {
        let Some(link) = &mut self.link else { return false };
        let went_up = link.unsent() > 0 && up_max > 0;
        link.carry_up(up_max, wire);
        link.carry_down(down_max, wire) > 0 || went_up
    }

    /// When it wants to be woken.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.link.is_none() {
            return Some(self.connect_at);
        }
        let again = self.again.first().map(|(at, _)| *at);
        [self.session.poll_timeout(), self.notices_at, again].into_iter().flatten().min()
    }
}
