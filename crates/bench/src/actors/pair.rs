//! Two users who talk to each other, and all pairs of a thread: what each frame means to the flows between them.

use std::time::Instant;

use halley_client::txchat::{op, refusal_text};

use crate::check::{Ledger, Tally, View};
use crate::measure::latency::Latencies;
use crate::proto::{FrameView, Push, Template, is_login_accepted, put_empty, read_answer, read_push};
use crate::reactor::Actors;
use crate::target::User;

/// Messages from one connection to its pair's other.
struct Flow {
    ledger: Ledger,
    template: Template,
    /// Messages of the schedule that were sent (open loop).
    scheduled: u64,
}

#[derive(Default)]
struct Peer {
    logged_in: bool,
    closed: bool,
    /// The last push number: a lower or equal one is a repetition.
    last_push: i32,
}

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Unacknowledged messages of one sender.
    pub(crate) window: usize,
    /// Nanoseconds between two messages of one sender, in the open loop.
    pub(crate) interval_ns: Option<f64>,
    /// Messages of one sender in all.
    pub(crate) messages_max: u64,
    /// Nothing is sent before or from `end` on; measured is what was due from `measure_from` on.
    pub(crate) measure_from_ns: u64,
    pub(crate) end_ns: u64,
}

/// All pairs of a thread. Connection `2 p` is the sender of pair `p`; with `both`, `2 p + 1` sends too.
pub(crate) struct Pairs {
    run: u32,
    /// By connection; `None` for one that only receives.
    flows: Vec<Option<Flow>>,
    peers: Vec<Peer>,
    plan: Plan,
    epoch: Instant,
    pub(crate) logged_in: usize,
    pub(crate) tally: Tally,
    pub(crate) ack: Latencies,
    pub(crate) delivery: Latencies,
    pub(crate) first_error: Option<String>,
}

impl Pairs {
    pub(crate) fn new(run: u32, users: &[User], text_bytes: usize, both: bool, plan: Plan) -> Self {
        let flow = |index: usize| {
            let target = &users[index ^ 1].id;
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let template = Template::to_user(run, number, target, text_bytes);
            (both || index.is_multiple_of(2)).then(|| Flow {
                ledger: Ledger::default(),
                template,
                scheduled: 0,
            })
        };
        Self {
            run,
            flows: (0..users.len()).map(flow).collect(),
            peers: users.iter().map(|_| Peer::default()).collect(),
            plan,
            epoch: Instant::now(),
            logged_in: 0,
            tally: Tally::default(),
            ack: Latencies::new(),
            delivery: Latencies::new(),
            first_error: None,
        }
    }

    /// The run's time starts.
    pub(crate) fn start(&mut self, epoch: Instant) {
        self.epoch = epoch;
    }

    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Connections that ended.
    pub(crate) fn closed(&self) -> usize {
        usize::try_from(self.tally.closed).unwrap_or(usize::MAX)
    }

    /// Whether everything sent is answered, delivered and echoed.
    pub(crate) fn is_settled(&self) -> bool {
        self.flows.iter().flatten().all(|flow| flow.ledger.is_settled())
    }

    /// Sends what sender `index` may send now.
    pub(crate) fn send_due(&mut self, index: usize, now_ns: u64, out: &mut Vec<u8>) {
        let plan = self.plan;
        let Some(flow) = &mut self.flows[index] else {
            return;
        };
        if now_ns >= plan.end_ns || self.peers[index].closed {
            return;
        }
        while flow.ledger.in_flight() < plan.window && flow.ledger.next_number() < plan.messages_max {
            let due_ns = match plan.interval_ns {
                None => now_ns,
                Some(interval) => {
                    let due_ns = due_ns(flow.scheduled, interval, index, self.peers.len());
                    if due_ns > now_ns {
                        return;
                    }
                    flow.scheduled += 1;
                    due_ns
                }
            };
            let number = flow.ledger.next_number();
            // The header number tells which message an answer is for; it is unique within 2^31 of a sender.
            flow.template.write(out, number, number_to_seq(number));
            flow.ledger.sent(due_ns, &mut self.tally);
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The run has ended: counts what is missing.
    pub(crate) fn close(&mut self) {
        for flow in self.flows.iter().flatten() {
            flow.ledger.close(&mut self.tally);
        }
    }

    fn handle_answer(&mut self, index: usize, frame: FrameView<'_>, out: &mut Vec<u8>) {
        let (Some(flow), Some(answer)) = (&mut self.flows[index], read_answer(frame.body)) else {
            self.tally.impossible += 1;
            return;
        };
        if let Err(code) = answer {
            self.first_error.get_or_insert_with(|| {
                format!("a message was refused: {} (code {code})", refusal_text(code))
            });
        }
        let number = seq_to_number(frame.ack, flow.ledger.next_number());
        let due_ns = flow.ledger.answered(number, answer.is_err(), &mut self.tally);
        let now_ns = self.now_ns();
        if let Some(due_ns) = due_ns {
            if (self.plan.measure_from_ns..self.plan.end_ns).contains(&now_ns) {
                self.tally.acked_measured += 1;
            }
            if due_ns >= self.plan.measure_from_ns {
                self.ack.record_ns(now_ns.saturating_sub(due_ns));
            }
        }
        self.send_due(index, now_ns, out);
    }

    fn handle_push(&mut self, index: usize, frame: FrameView<'_>, out: &mut Vec<u8>) {
        put_empty(out, op::RECEIVE_MSG_REPLY, frame.seq, frame.seq);
        let peer = &mut self.peers[index];
        if frame.seq <= peer.last_push {
            self.tally.resent += 1;
            return;
        }
        peer.last_push = frame.seq;
        let mark = match read_push(frame.body) {
            Some(Push::Bench(mark)) if mark.run == self.run => mark,
            Some(Push::Signal) => {
                self.tally.signals += 1;
                return;
            }
            Some(Push::Bench(_) | Push::Foreign) => {
                self.tally.foreign += 1;
                return;
            }
            None => {
                self.tally.impossible += 1;
                return;
            }
        };
        let sender = usize::try_from(mark.flow).unwrap_or(usize::MAX);
        let view = if sender == index { View::Sender } else { View::Receiver };
        let Some(Some(flow)) = self.flows.get_mut(sender).filter(|_| sender | 1 == index | 1) else {
            self.tally.impossible += 1;
            return;
        };
        let due_ns = flow.ledger.arrived(mark.number, view, &mut self.tally);
        if let Some(due_ns) =
            due_ns.filter(|due_ns| view == View::Receiver && *due_ns >= self.plan.measure_from_ns)
        {
            let now_ns = self.now_ns();
            self.delivery.record_ns(now_ns.saturating_sub(due_ns));
        }
    }
}

impl Actors for Pairs {
    fn handle_frame(&mut self, index: usize, frame: FrameView<'_>, out: &mut Vec<u8>) {
        match frame.op {
            op::SEND_MSG_REPLY => self.handle_answer(index, frame, out),
            op::RECEIVE_MSG => self.handle_push(index, frame, out),
            op::AUTH_REPLY if is_login_accepted(&frame) => {
                let again = std::mem::replace(&mut self.peers[index].logged_in, true);
                self.logged_in += usize::from(!again);
            }
            _ => {}
        }
    }

    fn handle_closed(&mut self, index: usize, why: &anyhow::Error) {
        let peer = &mut self.peers[index];
        peer.closed = true;
        self.tally.closed += 1;
        let hint = if peer.logged_in {
            ""
        } else {
            " during the login (does the app exist, does it allow dev authentication?)"
        };
        self.first_error.get_or_insert_with(|| format!("a connection ended{hint}: {why:#}"));
    }
}

/// When message `number` of sender `index` is due: senders are spread evenly over the interval.
pub(crate) fn due_ns(number: u64, interval_ns: f64, index: usize, senders: usize) -> u64 {
    let phase = index as f64 / senders.max(1) as f64;
    #[expect(clippy::cast_sign_loss, reason = "both factors are positive")]
    let due_ns = ((number as f64 + phase) * interval_ns) as u64;
    due_ns
}

/// Numbers from 1 on, as the original's tools count.
fn number_to_seq(number: u64) -> i32 {
    ((number as u32) & 0x7fff_ffff).wrapping_add(1).cast_signed()
}

/// The newest number below `next` that has this header number; `next` when there is none.
fn seq_to_number(seq: i32, next: u64) -> u64 {
    let low = u64::from(seq.wrapping_sub(1).cast_unsigned());
    let lap = 1 << 31;
    if low >= lap {
        return next;
    }
    let candidate = (next & !(lap - 1)) | low;
    if candidate < next { candidate } else { candidate.checked_sub(lap).unwrap_or(next) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_numbers_find_their_message_again() {
        for number in [0, 1, (1 << 31) - 1, 1 << 31, (1 << 31) + 5] {
            assert_eq!(seq_to_number(number_to_seq(number), number + 3), number);
        }
        assert_eq!(seq_to_number(9, 3), 3, "was not sent");
        assert_eq!(seq_to_number(-4, 3), 3);
    }
}
