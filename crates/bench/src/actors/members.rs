//! The members of one group, all online, some of them speaking; and the private conversation beside them.

use std::time::Duration;

use anyhow::bail;
use halley_client::txchat::{Target, op, refusal_text};

use super::beside::{Beside, seq_of};
use crate::args::GroupArgs;
use crate::check::{Order, Tally};
use crate::measure::latency::Latencies;
use crate::proto::{FrameView, Push, Template, is_login_accepted, put_empty, read_answer, read_push};
use crate::reactor::{Actors, Reactor};
use crate::workloads::LoopTime;

/// Connections `0..members` are the members, the first `senders` of them speak; the two behind them are [`Beside`].
pub(crate) struct Members {
    run: u32,
    members: usize,
    rate: Option<f64>,
    window: u64,
    ack_delay_ns: u64,
    templates: Vec<Template>,
    /// When message `number` of a sender was due.
    due: Vec<Vec<u64>>,
    order: Order,
    sent: u64,
    answered: u64,
    /// Acknowledgements of pushes that have not gone yet.
    acks: Vec<(usize, i32)>,
    acks_due_ns: u64,
    last_push: Vec<i32>,
    load_from_ns: u64,
    end_ns: u64,
    now_ns: u64,
    clock: Option<LoopTime>,
    pub(crate) beside: Beside,
    pub(crate) logged_in: usize,
    pub(crate) tally: Tally,
    pub(crate) delivered_measured: u64,
    pub(crate) ack: Latencies,
    pub(crate) delivery: Latencies,
    pub(crate) first_error: Option<String>,
}

impl Members {
    pub(crate) fn new(run: u32, args: &GroupArgs, group: &str, beside: Beside) -> Self {
        let target = Target::Group(group.to_owned());
        let template =
            |sender: usize| Template::new(run, u32::try_from(sender).unwrap_or(u32::MAX), &target, args.size);
        Self {
            run,
            members: args.members,
            rate: args.rate,
            window: args.window,
            ack_delay_ns: u64::try_from(args.ack_delay.as_nanos()).unwrap_or(u64::MAX),
            templates: (0..args.senders).map(template).collect(),
            due: vec![Vec::new(); args.senders],
            order: Order::new(args.members),
            sent: 0,
            answered: 0,
            acks: Vec::new(),
            acks_due_ns: u64::MAX,
            last_push: vec![0; args.members + 2],
            load_from_ns: u64::MAX,
            end_ns: 0,
            now_ns: 0,
            clock: None,
            beside,
            logged_in: 0,
            tally: Tally::default(),
            delivered_measured: 0,
            ack: Latencies::new(),
            delivery: Latencies::new(),
            first_error: None,
        }
    }

    /// The run's time starts.
    pub(crate) fn start(&mut self, time: LoopTime) {
        (self.load_from_ns, self.end_ns) = (time.load_from_ns, time.end_ns);
        self.beside.start(&time);
        self.clock = Some(time);
    }

    /// Nanoseconds of the run.
    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.as_ref().map_or(0, LoopTime::now_ns)
    }

    /// A connection that ends before the run ends it.
    pub(crate) fn fail_early(&self) -> anyhow::Result<()> {
        match &self.first_error {
            Some(error) if self.tally.closed > 0 => bail!("{error}"),
            _ => Ok(()),
        }
    }

    /// Sends what is due, acknowledgements included; answers how long nothing more is.
    pub(crate) fn send_due(&mut self, reactor: &mut Reactor) -> Duration {
        let now_ns = self.now_ns();
        self.now_ns = now_ns;
        if self.beside.next_due_ns() <= now_ns {
            self.beside.put_due(now_ns, reactor.out(self.beside.sender));
        }
        while let Some(due_ns) = self.next_due_ns().filter(|due_ns| *due_ns <= now_ns) {
            let sender = usize::try_from(self.sent).unwrap_or(0) % self.templates.len();
            let number = self.due[sender].len() as u64;
            self.templates[sender].write(reactor.out(sender), number, seq_of(number));
            self.due[sender].push(due_ns);
            self.sent += 1;
            self.tally.sent += 1;
        }
        if self.acks_due_ns <= now_ns {
            self.flush_acks(reactor);
        }
        let next =
            self.next_due_ns().unwrap_or(u64::MAX).min(self.beside.next_due_ns()).min(self.acks_due_ns);
        Duration::from_nanos(next.saturating_sub(self.now_ns()))
    }

    /// When the next message is due; in a closed window at once when there is room.
    fn next_due_ns(&self) -> Option<u64> {
        let due_ns = match self.rate {
            #[expect(clippy::cast_sign_loss, reason = "the rate is positive")]
            Some(rate) => self.load_from_ns.saturating_add((self.sent as f64 * 1e9 / rate) as u64),
            None if self.sent - self.order.complete() < self.window => self.now_ns.max(self.load_from_ns),
            None => return None,
        };
        (due_ns < self.end_ns).then_some(due_ns)
    }

    /// Acknowledges what has come.
    pub(crate) fn flush_acks(&mut self, reactor: &mut Reactor) {
        for (index, seq) in self.acks.drain(..) {
            put_empty(reactor.out(index), op::RECEIVE_MSG_REPLY, seq, seq);
        }
        self.acks_due_ns = u64::MAX;
    }

    /// Whether everything sent is answered and has reached everybody.
    pub(crate) fn is_settled(&self) -> bool {
        self.answered == self.sent && self.order.complete() == self.sent && self.beside.is_settled()
    }

    /// The run has ended: counts what is missing.
    pub(crate) fn close(&mut self) {
        self.tally.never_acked += self.sent - self.answered;
        self.tally.lost += self.order.missing(self.tally.acked);
    }

    /// For people who wait.
    pub(crate) fn line(&self) -> String {
        format!(
            "{:>4} s  group messages {}  answered {}  reached all {}",
            self.now_ns() / 1_000_000_000,
            self.sent,
            self.answered,
            self.order.complete()
        )
    }

    fn handle_answer(&mut self, index: usize, frame: FrameView<'_>) {
        let Some(answer) = read_answer(frame.body) else {
            self.tally.impossible += 1;
            return;
        };
        if let Err(code) = answer {
            let said = || format!("a message was refused: {} (code {code})", refusal_text(code));
            self.first_error.get_or_insert_with(said);
        }
        let now_ns = self.now_ns();
        if index == self.beside.sender {
            return self.beside.handle_answer(frame.ack, answer.is_err(), now_ns);
        }
        let number = usize::try_from(frame.ack - 1).unwrap_or(usize::MAX);
        let Some(due_ns) = self.due.get(index).and_then(|due| due.get(number)) else {
            self.tally.impossible += 1;
            return;
        };
        self.answered += 1;
        if answer.is_err() {
            self.tally.refused += 1;
            return;
        }
        self.tally.acked += 1;
        self.tally.acked_measured += u64::from(now_ns < self.end_ns);
        self.ack.record_ns(now_ns.saturating_sub(*due_ns));
    }

    fn handle_push(&mut self, index: usize, frame: FrameView<'_>) {
        if self.acks_due_ns == u64::MAX {
            self.acks_due_ns = self.now_ns().saturating_add(self.ack_delay_ns);
        }
        self.acks.push((index, frame.seq));
        let last_push = &mut self.last_push[index];
        if frame.seq <= *last_push {
            self.tally.resent += 1;
            return;
        }
        *last_push = frame.seq;
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
        let now_ns = self.now_ns();
        let flow = usize::try_from(mark.flow).unwrap_or(usize::MAX);
        if flow == self.beside.sender && index >= self.members {
            return self.beside.handle_push(index, mark, now_ns);
        }
        let number = usize::try_from(mark.number).unwrap_or(usize::MAX);
        let due_ns = self.due.get(flow).and_then(|due| due.get(number));
        let Some(due_ns) = due_ns.filter(|_| index < self.members) else {
            self.tally.impossible += 1;
            return;
        };
        self.delivery.record_ns(now_ns.saturating_sub(*due_ns));
        self.delivered_measured += u64::from(now_ns < self.end_ns);
        self.order.arrived(index, (mark.flow, mark.number), &mut self.tally);
    }
}

impl Actors for Members {
    fn handle_frame(&mut self, index: usize, frame: FrameView<'_>, _out: &mut Vec<u8>) {
        match frame.op {
            op::SEND_MSG_REPLY => self.handle_answer(index, frame),
            op::RECEIVE_MSG => self.handle_push(index, frame),
            op::AUTH_REPLY if is_login_accepted(&frame) => self.logged_in += 1,
            _ => {}
        }
    }

    fn handle_closed(&mut self, _index: usize, why: &anyhow::Error) {
        self.tally.closed += 1;
        let said = || format!("a connection ended (are the users members, does the app exist?): {why:#}");
        self.first_error.get_or_insert_with(said);
    }
}
