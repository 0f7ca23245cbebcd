//! What was received: which pushes wait for the caller, which are remembered, which acknowledgements are owed.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::time::Instant;

use super::config::AckPolicy;
use super::event::SessionEvent;

/// The last `max` of something; older ones are forgotten.
struct Recent<T> {
    known: HashSet<T>,
    order: VecDeque<T>,
    max: usize,
}

impl<T: Copy + Eq + Hash> Recent<T> {
    fn new(max: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), max: max.max(1) }
    }

    fn contains(&self, value: T) -> bool {
        self.known.contains(&value)
    }

    fn insert(&mut self, value: T) -> bool {
        if !self.known.insert(value) {
            return false;
        }
        if self.order.len() == self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(value);
        true
    }

    fn clear(&mut self) {
        self.known.clear();
        self.order.clear();
    }
}

/// The name under which a push is known over connections: messages by their id, signals by theirs. Ids of both come from one
/// generator, but nothing promises it, so the kind is part of the name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum PushName {
    Message(i64),
    Signal(i64),
    /// A signal without an id: known by its connection's number only.
    Nameless,
}

struct Pending {
    event: SessionEvent,
    /// A push: its name, the generation of its connection and the number to acknowledge there.
    push: Option<(PushName, u64, i32)>,
}

pub(super) struct Inbox {
    pending: VecDeque<Pending>,
    pending_max: usize,
    names: Recent<PushName>,
    /// Numbers of this connection that were taken by the caller, and those that still wait for it.
    taken: Recent<i32>,
    waiting: HashSet<i32>,
    /// A counter of connections: an acknowledgement is not carried over to the next one.
    generation: u64,
    owed: VecDeque<(Instant, i32)>,
    policy: AckPolicy,
}

impl Inbox {
    pub(super) fn new(pending_max: usize, seen_max: usize, policy: AckPolicy) -> Self {
        Self {
            pending: VecDeque::new(),
            pending_max: pending_max.max(2),
            names: Recent::new(seen_max),
            taken: Recent::new(seen_max),
            waiting: HashSet::new(),
            generation: 0,
            owed: VecDeque::new(),
            policy,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < self.pending_max
    }

    pub(super) fn has_event(&self) -> bool {
        !self.pending.is_empty()
    }

    /// A connection ended. What waits for the caller stays; what is owed to the old connection is void.
    pub(super) fn forget_connection(&mut self) {
        self.generation += 1;
        self.taken.clear();
        self.waiting.clear();
        self.owed.clear();
    }

    /// A state change, which nobody acknowledges. It is left out when the caller is so far behind that the queue is full:
    /// the next change tells it.
    pub(super) fn note(&mut self, event: SessionEvent) {
        if self.has_room() {
            self.pending.push_back(Pending { event, push: None });
        }
    }

    /// A push with this number came; `event` is made only if it is new.
    pub(super) fn push(
        &mut self,
        seq: i32,
        name: PushName,
        now: Instant,
        event: impl FnOnce() -> SessionEvent,
    ) {
        if self.waiting.contains(&seq) {
            return;
        }
        let known = self.taken.contains(seq) || (name != PushName::Nameless && self.names.contains(name));
        if known {
            self.handle_repeated(seq, name, now);
            return;
        }
        if name != PushName::Nameless {
            self.names.insert(name);
        }
        self.waiting.insert(seq);
        self.pending.push_back(Pending { event: event(), push: Some((name, self.generation, seq)) });
    }

    /// A push that nobody can show is acknowledged and forgotten.
    pub(super) fn discard(&mut self, seq: i32, now: Instant) {
        self.taken.insert(seq);
        self.owe(seq, now);
    }

    /// Known under this or another number: acknowledged under this one, now or when the caller has taken it.
    fn handle_repeated(&mut self, seq: i32, name: PushName, now: Instant) {
        let generation = self.generation;
        let from_before = self.pending.iter_mut().filter_map(|pending| pending.push.as_mut());
        if let Some(push) = from_before.into_iter().find(|push| push.0 == name && push.1 != generation) {
            *push = (name, generation, seq);
            self.waiting.insert(seq);
            return;
        }
        self.taken.insert(seq);
        self.owe(seq, now);
    }

    /// The next event; taking a push makes its acknowledgement owed.
    pub(super) fn take(&mut self, now: Instant) -> Option<SessionEvent> {
        let pending = self.pending.pop_front()?;
        if let Some((_, generation, seq)) = pending.push
            && generation == self.generation
        {
            self.waiting.remove(&seq);
            self.taken.insert(seq);
            self.owe(seq, now);
        }
        Some(pending.event)
    }

    fn owe(&mut self, seq: i32, now: Instant) {
        match self.policy {
            AckPolicy::Immediately => self.owed.push_back((now, seq)),
            AckPolicy::After(delay) => self.owed.push_back((now + delay, seq)),
            AckPolicy::Never => {}
        }
    }

    /// The next acknowledgement that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<i32> {
        if self.owed.front()?.0 > now {
            return None;
        }
        self.owed.pop_front().map(|(_, seq)| seq)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.owed.front().map(|(due, _)| *due)
    }
}
