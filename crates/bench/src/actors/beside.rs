//! A private conversation at a steady rate beside some load: its latencies before the load and during it.

use crate::check::{Ledger, Tally, View};
use crate::measure::latency::Latencies;
use crate::proto::{Mark, Template};
use crate::report::BesideCost;
use crate::target::User;
use crate::workloads::LoopTime;

/// See the module. The sender is connection `sender`, the receiver the one after it.
pub(crate) struct Beside {
    pub(crate) sender: usize,
    rate: f64,
    template: Template,
    ledger: Ledger,
    scheduled: u64,
    load_from_ns: u64,
    end_ns: u64,
    pub(crate) tally: Tally,
    /// Before the load, and during it.
    ack: [Latencies; 2],
    delivery: [Latencies; 2],
}

impl Beside {
    /// Users `sender` and `sender + 1`, so many messages a second.
    pub(crate) fn new(run: u32, users: &[User], sender: usize, rate: f64, text_bytes: usize) -> Self {
        let flow = u32::try_from(sender).unwrap_or(u32::MAX);
        Self {
            sender,
            rate,
            template: Template::to_user(run, flow, &users[sender + 1].id, text_bytes),
            ledger: Ledger::default(),
            scheduled: 0,
            load_from_ns: 0,
            end_ns: 0,
            tally: Tally::default(),
            ack: [Latencies::new(), Latencies::new()],
            delivery: [Latencies::new(), Latencies::new()],
        }
    }

    /// The run's time starts.
    pub(crate) fn start(&mut self, time: &LoopTime) {
        (self.load_from_ns, self.end_ns) = (time.load_from_ns, time.end_ns);
    }

    /// When the next message is due; `u64::MAX` when there is none.
    pub(crate) fn next_due_ns(&self) -> u64 {
        #[expect(clippy::cast_sign_loss, reason = "the rate is positive")]
        let due = (self.scheduled as f64 * 1e9 / self.rate.max(1e-3)) as u64;
        if due < self.end_ns { due } else { u64::MAX }
    }

    /// Appends what is due now.
    pub(crate) fn put_due(&mut self, now_ns: u64, out: &mut Vec<u8>) {
        while self.next_due_ns() <= now_ns {
            let due_ns = self.next_due_ns();
            self.scheduled += 1;
            let number = self.ledger.next_number();
            self.template.write(out, number, seq_of(number));
            self.ledger.sent(due_ns, &mut self.tally);
        }
    }

    /// An answer to the sender.
    pub(crate) fn handle_answer(&mut self, ack: i32, is_refusal: bool, now_ns: u64) {
        let number = u64::try_from(i64::from(ack) - 1).unwrap_or(u64::MAX);
        if let Some(due_ns) = self.ledger.answered(number, is_refusal, &mut self.tally) {
            self.ack[self.part(due_ns)].record_ns(now_ns.saturating_sub(due_ns));
        }
    }

    /// One of its messages arrived at connection `index`.
    pub(crate) fn handle_push(&mut self, index: usize, mark: Mark, now_ns: u64) {
        let view = if index == self.sender { View::Sender } else { View::Receiver };
        let due_ns = self.ledger.arrived(mark.number, view, &mut self.tally);
        if let Some(due_ns) = due_ns.filter(|_| view == View::Receiver) {
            self.delivery[self.part(due_ns)].record_ns(now_ns.saturating_sub(due_ns));
        }
    }

    /// Whether everything is answered and has arrived.
    pub(crate) fn is_settled(&self) -> bool {
        self.ledger.is_settled()
    }

    /// The run has ended: counts what is missing, and says what the load has cost.
    pub(crate) fn close(&mut self) -> BesideCost {
        self.ledger.close(&mut self.tally);
        let [ack_before, ack_during] = self.ack.each_ref().map(Latencies::percentiles);
        let [delivery_before, delivery_during] = self.delivery.each_ref().map(Latencies::percentiles);
        BesideCost { ack_before, ack_during, delivery_before, delivery_during }
    }

    fn part(&self, due_ns: u64) -> usize {
        usize::from(due_ns >= self.load_from_ns)
    }
}

/// Numbers from 1 on, as the original's tools count.
pub(crate) fn seq_of(number: u64) -> i32 {
    i32::try_from(number + 1).unwrap_or(i32::MAX)
}
