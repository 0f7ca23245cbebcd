//! Method: the session against a model of the server over a network that loses, doubles and reorders frames and cuts connections,
//! driven by a random script on a simulated clock; afterwards the network is kind until everything is quiet.
//! Failure means: a send was answered twice, never or wrongly; an event was shown twice or lost; a queue grew beyond its bound.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use halley_client::txchat::{
    AckPolicy, Frame, Login, Outcome, Outgoing, Session, SessionConfig, SessionEvent, Target, op,
};
use proptest::prelude::*;

const RTO: Duration = Duration::from_secs(2);

/// What the server knows; survives connections.
#[derive(Default)]
struct Server {
    by_client_id: HashMap<String, i64>,
    next_mid: i64,
    /// Pushes that the client has not acknowledged on any connection, by mid.
    unacknowledged: BTreeMap<i64, String>,
    pushed_total: HashSet<i64>,
    authenticated: bool,
    next_push_seq: i32,
    on_wire: HashMap<i32, (i64, Instant)>,
}

impl Server {
    fn reset_connection(&mut self) {
        self.authenticated = false;
        self.next_push_seq = 0;
        self.on_wire.clear();
    }

    fn handle(&mut self, frame: &Frame) -> Option<Frame> {
        match frame.op {
            op::AUTH => {
                self.authenticated = true;
                Some(Frame::new(op::AUTH_REPLY, frame.seq, 0))
            }
            _ if !self.authenticated => None,
            op::HEARTBEAT => Some(Frame::new(op::HEARTBEAT_REPLY, frame.seq, 0)),
            op::SEND_MSG => {
                let sent = support::sent(&frame.body);
                if sent.text.starts_with("refuse") {
                    return Some(support::answer(frame.seq, 0, 0, 7));
                }
                let next = self.next_mid + 1;
                let mid = *self.by_client_id.entry(sent.client_id.clone()).or_insert(next);
                if mid == next {
                    self.next_mid = next;
                    self.say(mid, &sent.client_id);
                }
                Some(support::answer(frame.seq, mid, 1_000 + mid, 0))
            }
            op::RECEIVE_MSG_REPLY => {
                if let Some((mid, _)) = self.on_wire.remove(&frame.ack) {
                    self.unacknowledged.remove(&mid);
                }
                None
            }
            other => panic!("a client sent op {other}"),
        }
    }

    fn say(&mut self, mid: i64, client_id: &str) {
        self.unacknowledged.insert(mid, client_id.to_owned());
        self.pushed_total.insert(mid);
    }

    fn pushes(&mut self, now: Instant) -> Vec<Frame> {
        if !self.authenticated {
            return Vec::new();
        }
        let on_wire: HashSet<i64> = self.on_wire.values().map(|(mid, _)| *mid).collect();
        for mid in self.unacknowledged.keys().filter(|mid| !on_wire.contains(mid)) {
            self.next_push_seq += 1;
            self.on_wire.insert(self.next_push_seq, (*mid, now - RTO));
        }
        let mut due: Vec<_> = self.on_wire.iter_mut().filter(|(_, (_, sent))| now >= *sent + RTO).collect();
        due.sort_by_key(|(seq, _)| **seq);
        due.into_iter()
            .map(|(seq, (mid, sent))| {
                *sent = now;
                support::push(*seq, *mid, "a", "b", &self.unacknowledged[mid], "t")
            })
            .collect()
    }
}

#[derive(Clone, Debug)]
enum Action {
    Send(bool),
    ServerSays,
    /// Move a frame to the server, taking it from this place of the queue, keeping a copy, or losing it.
    ToServer {
        place: usize,
        copy: bool,
        lose: bool,
    },
    ToClient {
        place: usize,
        copy: bool,
        lose: bool,
    },
    Pass(u64),
    Take,
    Cut,
}

fn action() -> impl Strategy<Value = Action> {
    let carry = || (0usize..4, prop::bool::weighted(0.15), prop::bool::weighted(0.15));
    prop_oneof![
        3 => prop::bool::weighted(0.1).prop_map(Action::Send),
        2 => Just(Action::ServerSays),
        6 => carry().prop_map(|(place, copy, lose)| Action::ToServer { place, copy, lose }),
        6 => carry().prop_map(|(place, copy, lose)| Action::ToClient { place, copy, lose }),
        3 => (1u64..3_000).prop_map(Action::Pass),
        4 => Just(Action::Take),
        1 => Just(Action::Cut),
    ]
}

struct World {
    now: Instant,
    session: Session,
    server: Server,
    up: Vec<Frame>,
    down: Vec<Frame>,
    next_client_id: u64,
    sends: HashMap<u64, (String, bool)>,
    outcomes: HashMap<u64, Outcome>,
    shown: HashSet<i64>,
}

impl World {
    fn new(acks: AckPolicy) -> Self {
        let now = Instant::now();
        let mut config = SessionConfig::new("demo", "t", Some(Login::default()));
        config.outbox_max = 12;
        config.in_flight_max = 4;
        config.pending_max = 6;
        config.acks = acks;
        let mut session = Session::new(config, now);
        session.handle_connected(now);
        Self {
            now,
            session,
            server: Server::default(),
            up: Vec::new(),
            down: Vec::new(),
            next_client_id: 0,
            sends: HashMap::new(),
            outcomes: HashMap::new(),
            shown: HashSet::new(),
        }
    }

    fn reconnect(&mut self) {
        self.session.handle_disconnected();
        self.up.clear();
        self.down.clear();
        self.server.reset_connection();
        self.session.handle_connected(self.now);
    }

    fn settle(&mut self) {
        self.up.extend(std::iter::from_fn(|| self.session.poll_transmit()));
        while let Some((id, outcome)) = self.session.poll_outcome() {
            assert!(self.outcomes.insert(id.0, outcome).is_none(), "{id:?} answered twice");
        }
        self.down.extend(self.server.pushes(self.now));
    }

    fn carry_to_server(&mut self, place: usize, copy: bool, lose: bool) {
        if self.up.is_empty() {
            return;
        }
        let place = place % self.up.len();
        let frame = if copy { self.up[place].clone() } else { self.up.remove(place) };
        if !lose && let Some(answer) = self.server.handle(&frame) {
            self.down.push(answer);
        }
    }

    fn carry_to_client(&mut self, place: usize, copy: bool, lose: bool) {
        if self.down.is_empty() || !self.session.wants_input() {
            return;
        }
        let place = place % self.down.len();
        let frame = if copy { self.down[place].clone() } else { self.down.remove(place) };
        if !lose && self.session.handle_frame(&frame, self.now).is_err() {
            self.reconnect();
        }
    }

    fn take(&mut self) {
        match self.session.poll_event(self.now) {
            Some(SessionEvent::Message(message)) => {
                assert!(self.shown.insert(message.message_id), "message {} shown twice", message.message_id);
            }
            Some(SessionEvent::Signal(_)) => panic!("nobody sent a signal"),
            Some(SessionEvent::Online | SessionEvent::Offline) | None => {}
        }
    }

    fn act(&mut self, action: &Action) {
        match *action {
            Action::Send(refuse) => {
                self.next_client_id += 1;
                let client_id = format!("c-{}", self.next_client_id);
                let text = if refuse { "refuse" } else { "hello" };
                let outgoing = Outgoing::text(Target::User("b".into()), text, client_id.clone());
                let room = self.session.has_room();
                match self.session.send(&outgoing, self.now) {
                    Ok(id) => assert!(self.sends.insert(id.0, (client_id, refuse)).is_none() && room),
                    Err(full) => assert!(full.0 == 12 && !room),
                }
            }
            Action::ServerSays => {
                self.server.next_mid += 1;
                let mid = self.server.next_mid;
                self.server.say(mid, "other");
            }
            Action::ToServer { place, copy, lose } => self.carry_to_server(place, copy, lose),
            Action::ToClient { place, copy, lose } => self.carry_to_client(place, copy, lose),
            Action::Pass(ms) => {
                self.now += Duration::from_millis(ms);
                if self.session.handle_timeout(self.now).is_err() {
                    self.reconnect();
                }
            }
            Action::Take => self.take(),
            Action::Cut => self.reconnect(),
        }
        self.settle();
        assert!(self.session.unanswered() <= 12);
    }

    fn run_until_quiet(&mut self) {
        for _ in 0..2_000 {
            let quiet = self.session.unanswered() == 0
                && self.server.unacknowledged.is_empty()
                && !self.session.has_event();
            if quiet {
                return;
            }
            while !self.up.is_empty() {
                self.carry_to_server(0, false, false);
                self.settle();
            }
            while !self.down.is_empty() && self.session.wants_input() {
                self.carry_to_client(0, false, false);
                self.settle();
            }
            while self.session.has_event() {
                self.take();
                self.settle();
            }
            self.act(&Action::Pass(100));
        }
        panic!(
            "not quiet: {} unanswered, {} not acknowledged",
            self.session.unanswered(),
            self.server.unacknowledged.len()
        );
    }
}

fn check(acks: AckPolicy, script: &[Action]) {
    let mut world = World::new(acks);
    world.settle();
    for action in script {
        world.act(action);
    }
    world.run_until_quiet();
    assert_eq!(world.outcomes.len(), world.sends.len(), "a send without an answer");
    for (id, (client_id, refused)) in &world.sends {
        let expected = if *refused {
            Outcome::Refused { code: 7 }
        } else {
            let mid = world.server.by_client_id[client_id];
            Outcome::Acknowledged { message_id: mid, time_ms: (1_000 + mid).cast_unsigned() }
        };
        assert_eq!(world.outcomes[id], expected);
    }
    assert_eq!(world.shown, world.server.pushed_total, "shown and pushed differ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_send_is_answered_once_and_no_event_comes_twice(script in prop::collection::vec(action(), 1..250)) {
        check(AckPolicy::Immediately, &script);
    }

    #[test]
    fn delayed_acknowledgements_change_nothing(script in prop::collection::vec(action(), 1..150)) {
        check(AckPolicy::After(Duration::from_millis(700)), &script);
    }
}
