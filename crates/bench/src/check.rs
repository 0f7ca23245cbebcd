//! One sender's messages to one receiver: each must be acknowledged once, delivered once and echoed once to the sender's own
//! connection, in order. Pure; one entry in memory per message that is not complete yet.

use std::collections::VecDeque;

use serde::Serialize;

const ACKED: u8 = 1;
const DELIVERED: u8 = 2;
const ECHOED: u8 = 4;
const COMPLETE: u8 = ACKED | DELIVERED | ECHOED;
/// Refused: neither delivery nor echo may come.
const REFUSED: u8 = 8;

/// What was counted; sums over flows and threads.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Tally {
    /// Messages sent.
    pub(crate) sent: u64,
    /// Answered as durable.
    pub(crate) acked: u64,
    /// Of these, within the measured time.
    pub(crate) acked_measured: u64,
    /// Answered with a refusal.
    pub(crate) refused: u64,
    /// First arrivals at the receiver.
    pub(crate) delivered: u64,
    /// First arrivals at the sender's own connection.
    pub(crate) echoed: u64,
    /// Not answered when the run ended.
    pub(crate) never_acked: u64,
    /// Acknowledged, and not at the receiver when the run ended.
    pub(crate) lost: u64,
    /// Acknowledged, and not back at the sender when the run ended.
    pub(crate) echo_lost: u64,
    /// Answered more than once.
    pub(crate) acked_twice: u64,
    /// Came again under a new push number.
    pub(crate) doubled: u64,
    /// Came after a later one of the same sender.
    pub(crate) out_of_order: u64,
    /// Answers and messages that nobody sent, or at the wrong user, or refused and delivered all the same.
    pub(crate) impossible: u64,
    /// Pushes repeated under the same number, which the protocol allows.
    pub(crate) resent: u64,
    /// Signals received.
    pub(crate) signals: u64,
    /// Pushes that are not of this run.
    pub(crate) foreign: u64,
    /// Connections that ended before the run did.
    pub(crate) closed: u64,
}

impl Tally {
    /// Adds another.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acked += other.acked;
        self.acked_measured += other.acked_measured;
        self.refused += other.refused;
        self.delivered += other.delivered;
        self.echoed += other.echoed;
        self.never_acked += other.never_acked;
        self.lost += other.lost;
        self.echo_lost += other.echo_lost;
        self.acked_twice += other.acked_twice;
        self.doubled += other.doubled;
        self.out_of_order += other.out_of_order;
        self.impossible += other.impossible;
        self.resent += other.resent;
        self.signals += other.signals;
        self.foreign += other.foreign;
        self.closed += other.closed;
    }

    /// What must not be, in words; empty when all is well.
    pub(crate) fn problems(&self) -> Vec<String> {
        [
            (self.never_acked, "never answered"),
            (self.refused, "refused"),
            (self.lost, "acknowledged and not delivered"),
            (self.echo_lost, "acknowledged and not echoed to the sender"),
            (self.acked_twice, "answered twice"),
            (self.doubled, "delivered twice"),
            (self.out_of_order, "out of order"),
            (self.impossible, "that nobody should have received"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} messages {what}"))
        .chain((self.closed > 0).then(|| format!("{} connections ended early", self.closed)))
        .collect()
    }
}

struct Entry {
    /// When it was due, nanoseconds of the run.
    due_ns: u64,
    state: u8,
}

/// Which copy of a message arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum View {
    /// At the receiver.
    Receiver,
    /// At the sender's own connection.
    Sender,
}

/// One order for all members of a group: whoever sees a message first writes it down, the others are held against it.
pub(crate) struct Order {
    /// (sender, number) of each place.
    places: Vec<(u32, u64)>,
    /// Members that have seen each place.
    seen: Vec<usize>,
    /// How many places each member has seen.
    at: Vec<usize>,
    /// Places that all members have seen, from the first on.
    complete: usize,
}

impl Order {
    pub(crate) fn new(members: usize) -> Self {
        Self { places: Vec::new(), seen: Vec::new(), at: vec![0; members], complete: 0 }
    }

    /// A message arrived at a member.
    pub(crate) fn arrived(&mut self, member: usize, message: (u32, u64), tally: &mut Tally) {
        let place = self.at[member];
        match self.places.get(place) {
            Some(expected) if *expected == message => {}
            Some(_) if self.places[..place].contains(&message) => {
                tally.doubled += 1;
                return;
            }
            Some(_) => {
                tally.out_of_order += 1;
                return;
            }
            None if self.places.contains(&message) => {
                tally.doubled += 1;
                return;
            }
            None => {
                self.places.push(message);
                self.seen.push(0);
            }
        }
        tally.delivered += 1;
        self.at[member] += 1;
        self.seen[place] += 1;
        while self.seen.get(self.complete).is_some_and(|seen| *seen == self.at.len()) {
            self.complete += 1;
        }
    }

    /// Messages that have reached everybody.
    pub(crate) fn complete(&self) -> u64 {
        self.complete as u64
    }

    /// Deliveries that are missing when so many messages were acknowledged.
    pub(crate) fn missing(&self, acked: u64) -> u64 {
        let at = self.at.iter().map(|at| *at as u64);
        at.map(|at| acked.saturating_sub(at)).sum()
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Ledger {
    /// The number of the first entry.
    base: u64,
    entries: VecDeque<Entry>,
    in_flight: usize,
    /// One more than the highest number that arrived, at the receiver and at the sender.
    highest: [u64; 2],
}

impl Ledger {
    /// Messages sent so far; the next has this number.
    pub(crate) fn next_number(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Messages without an answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether nothing is expected any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.entries.is_empty()
    }

    /// A message goes out that was due at `due_ns`; its number is [`Ledger::next_number`].
    pub(crate) fn sent(&mut self, due_ns: u64, tally: &mut Tally) {
        self.entries.push_back(Entry { due_ns, state: 0 });
        self.in_flight += 1;
        tally.sent += 1;
    }

    /// The answer to `number`; when it was due, if this is its first acknowledgement.
    pub(crate) fn answered(&mut self, number: u64, is_refusal: bool, tally: &mut Tally) -> Option<u64> {
        if number >= self.next_number() {
            tally.impossible += 1;
            return None;
        }
        let Some(entry) = self.entry(number).filter(|entry| entry.state & (ACKED | REFUSED) == 0) else {
            tally.acked_twice += 1;
            return None;
        };
        let due_ns = entry.due_ns;
        if is_refusal {
            if entry.state == 0 {
                entry.state = COMPLETE | REFUSED;
            } else {
                entry.state = COMPLETE | REFUSED;
                tally.impossible += 1;
            }
            tally.refused += 1;
        } else {
            entry.state |= ACKED;
            tally.acked += 1;
        }
        self.in_flight -= 1;
        self.forget_complete();
        (!is_refusal).then_some(due_ns)
    }

    /// Message `number` arrived; when it was due, if for the first time there.
    pub(crate) fn arrived(&mut self, number: u64, view: View, tally: &mut Tally) -> Option<u64> {
        if number >= self.next_number() {
            tally.impossible += 1;
            return None;
        }
        let (flag, place) = match view {
            View::Receiver => (DELIVERED, 0),
            View::Sender => (ECHOED, 1),
        };
        let highest = self.highest[place];
        let Some(entry) = self.entry(number).filter(|entry| entry.state & flag == 0) else {
            tally.doubled += 1;
            return None;
        };
        entry.state |= flag;
        let due_ns = entry.due_ns;
        match view {
            View::Receiver => tally.delivered += 1,
            View::Sender => tally.echoed += 1,
        }
        if number < highest {
            tally.out_of_order += 1;
        }
        self.highest[place] = highest.max(number + 1);
        self.forget_complete();
        Some(due_ns)
    }

    /// The run has ended: what is missing.
    pub(crate) fn close(&self, tally: &mut Tally) {
        for entry in &self.entries {
            if entry.state & REFUSED != 0 {
                continue;
            }
            if entry.state & ACKED == 0 {
                tally.never_acked += 1;
                continue;
            }
            tally.lost += u64::from(entry.state & DELIVERED == 0);
            tally.echo_lost += u64::from(entry.state & ECHOED == 0);
        }
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let index = usize::try_from(number.checked_sub(self.base)?).ok()?;
        self.entries.get_mut(index)
    }

    fn forget_complete(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.state & COMPLETE == COMPLETE) {
            self.entries.pop_front();
            self.base += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_sent() -> (Ledger, Tally) {
        let (mut ledger, mut tally) = (Ledger::default(), Tally::default());
        (0..3).for_each(|due| ledger.sent(due, &mut tally));
        (ledger, tally)
    }

    fn complete(ledger: &mut Ledger, number: u64, tally: &mut Tally) {
        assert_eq!(ledger.answered(number, false, tally), Some(number));
        ledger.arrived(number, View::Sender, tally);
        ledger.arrived(number, View::Receiver, tally);
    }

    #[test]
    fn a_flawless_flow_has_no_problems() {
        let (mut ledger, mut tally) = three_sent();
        (0..3).for_each(|number| complete(&mut ledger, number, &mut tally));
        assert!(ledger.is_settled() && ledger.in_flight() == 0);
        ledger.close(&mut tally);
        assert_eq!(tally.problems(), [""; 0]);
    }

    #[test]
    fn every_flaw_is_counted() {
        let (mut ledger, mut tally) = three_sent();
        complete(&mut ledger, 2, &mut tally);
        complete(&mut ledger, 0, &mut tally);
        ledger.arrived(0, View::Receiver, &mut tally);
        ledger.answered(0, false, &mut tally);
        ledger.arrived(9, View::Receiver, &mut tally);
        ledger.answered(1, false, &mut tally);
        ledger.close(&mut tally);
        assert_eq!((tally.doubled, tally.acked_twice, tally.impossible), (1, 1, 1));
        assert_eq!((tally.lost, tally.echo_lost, tally.never_acked), (1, 1, 0));
        assert_eq!(tally.out_of_order, 2, "at the receiver and at the sender");
        assert_eq!(tally.problems().len(), 6);
    }

    #[test]
    fn all_members_must_see_one_order() {
        let (mut order, mut tally) = (Order::new(2), Tally::default());
        for message in [(1, 0), (2, 0), (1, 1)] {
            order.arrived(0, message, &mut tally);
        }
        order.arrived(1, (1, 0), &mut tally);
        assert_eq!((order.complete(), order.missing(3)), (1, 2));
        order.arrived(1, (1, 1), &mut tally);
        order.arrived(1, (1, 0), &mut tally);
        order.arrived(0, (2, 0), &mut tally);
        assert_eq!((tally.out_of_order, tally.doubled, tally.delivered), (1, 2, 4));
        order.arrived(1, (2, 0), &mut tally);
        order.arrived(1, (1, 1), &mut tally);
        assert_eq!((order.complete(), order.missing(3)), (3, 0));
    }

    #[test]
    fn a_refused_message_that_arrives_is_impossible() {
        let (mut ledger, mut tally) = three_sent();
        ledger.arrived(0, View::Receiver, &mut tally);
        assert_eq!(ledger.answered(0, true, &mut tally), None);
        assert_eq!(ledger.answered(1, true, &mut tally), None);
        assert_eq!((tally.refused, tally.impossible), (2, 1));
        ledger.answered(2, false, &mut tally);
        ledger.arrived(1, View::Receiver, &mut tally);
        ledger.close(&mut tally);
        assert_eq!((tally.doubled, tally.lost), (1, 1));
    }
}
