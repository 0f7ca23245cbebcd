//! One partition of the bus: decisions in order, acknowledgements as the disk allows.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use halley_core::command::{InboundSend, Refusal, ReplyTo, SendOutcome};
use halley_core::ids::MsgId;
use halley_core::ports::bus::BusReader;
use halley_core::ports::dedup::DedupKey;
use halley_core::ports::journal::AppendRefused;
use halley_core::record::Record;
use halley_core::ticket::Ticket;

use crate::app_rate::AppRate;
use crate::decide::{Ports, Verdict, dedup_key};
use crate::rate::{RateLimit, RateLimiter};

/// Bounds of a shard.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Sends taken from the bus at once.
    pub batch_max: usize,
    /// Sends that may wait for the disk; beyond it the bus is not read.
    pub pending_max: usize,
    /// Per user.
    pub rate: RateLimit,
    /// Per app, over all shards; 0 is no limit. Whoever makes the shards makes one [`AppRate`] of it.
    pub app_messages_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { batch_max: 256, pending_max: 32_768, rate: RateLimit::default(), app_messages_per_second: 0 }
    }
}

/// See the module. Runs on the thread of its partition's bucket.
pub struct AnswerShard {
    reader: Box<dyn BusReader>,
    ports: Ports,
    config: Config,
    rate: RateLimiter,
    /// Shared with the other shards.
    app_rate: Option<Arc<AppRate>>,
    acks: Acks,
}

/// What waits for the disk, in the order of the appends; so only the head needs to be watched.
struct Acks {
    ports: Ports,
    pending: VecDeque<Pending>,
    /// Appended and not yet known to be durable: repetitions of these wait for the same ticket.
    in_flight: HashMap<DedupKey, (Ticket, MsgId, u64)>,
}

struct Pending {
    ticket: Ticket,
    reply_to: ReplyTo,
    id: MsgId,
    time_ms: u64,
    /// `None` for a repetition.
    appended_at: Option<Instant>,
    dedup: Option<DedupKey>,
}

impl AnswerShard {
    /// A shard that reads this partition.
    #[must_use]
    pub fn new(reader: Box<dyn BusReader>, ports: Ports, config: Config) -> Self {
        let acks = Acks { ports: ports.clone(), pending: VecDeque::new(), in_flight: HashMap::new() };
        Self { reader, rate: RateLimiter::new(config.rate), app_rate: None, ports, config, acks }
    }

    /// Under this limit too.
    #[must_use]
    pub fn limited_by(self, app_rate: Option<Arc<AppRate>>) -> Self {
        Self { app_rate, ..self }
    }

    /// Runs until the bus is closed and everything taken from it is answered, or the journal is lost.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(self.config.batch_max);
        while self.next_batch(&mut batch).await {
            for send in batch.drain(..) {
                let now = self.ports.clock.now().mono;
                self.ports.metrics.stage_queue.observe(now.saturating_duration_since(send.taken_at));
                self.handle(send, now).await;
            }
        }
        poll_fn(|context| self.acks.poll_empty(context)).await;
    }

    /// Fills the batch, acknowledging meanwhile what has become durable. `false` when the bus is closed and empty.
    async fn next_batch(&mut self, batch: &mut Vec<InboundSend>) -> bool {
        poll_fn(|context| {
            self.acks.poll_some(context);
            if self.acks.pending.len() >= self.config.pending_max {
                return Poll::Pending;
            }
            self.reader.poll_batch(batch, self.config.batch_max, context)
        })
        .await
    }

    async fn handle(&mut self, send: InboundSend, now: Instant) {
        let dedup = dedup_key(&send.command);
        let reply_to = send.command.reply_to;
        if let Some((ticket, id, time_ms)) = dedup.and_then(|key| self.acks.in_flight.get(&key)) {
            let (ticket, id, time_ms) = (ticket.clone(), *id, *time_ms);
            self.acks.pending.push_back(Pending {
                ticket,
                reply_to,
                id,
                time_ms,
                appended_at: None,
                dedup: None,
            });
            return;
        }
        if !self.rate.admit(send.command.app, send.command.from, now) {
            return self.acks.refuse(reply_to, Refusal::RateLimited);
        }
        if self.app_rate.as_ref().is_some_and(|rate| !rate.admit(send.command.app, now)) {
            self.ports.metrics.app_rate_limited.inc();
            return self.acks.refuse(reply_to, Refusal::RateLimited);
        }
        let verdict = {
            let mut decision = pin!(self.ports.decide(&send, dedup));
            let acks = &mut self.acks;
            poll_fn(|context| {
                acks.poll_some(context);
                decision.as_mut().poll(context)
            })
            .await
        };
        match verdict {
            Verdict::Refuse(refusal) => self.acks.refuse(reply_to, refusal),
            Verdict::Repetition(known) => {
                self.ports.metrics.repetitions.inc();
                self.acks.reply(reply_to, SendOutcome::Accepted { id: known.id, time_ms: known.time_ms });
            }
            Verdict::Append(record) => match self.append(&record).await {
                Ok(ticket) => self.acks.push(ticket, &send, dedup, now),
                Err(refusal) => self.acks.refuse(reply_to, refusal),
            },
        }
    }

    async fn append(&mut self, record: &Arc<Record>) -> Result<Ticket, Refusal> {
        loop {
            match self.ports.journal.append(record) {
                Ok(ticket) => return Ok(ticket),
                Err(AppendRefused::Full) => {
                    let (acks, journal) = (&mut self.acks, &self.ports.journal);
                    poll_fn(|context| {
                        acks.poll_some(context);
                        journal.poll_ready(context)
                    })
                    .await;
                }
                Err(AppendRefused::DiskFull) => return Err(Refusal::StorageFull),
                Err(AppendRefused::TooLarge) => return Err(Refusal::TooLarge),
                Err(AppendRefused::Lost(_)) => return Err(Refusal::Unavailable),
                Err(_) => return Err(Refusal::Unavailable),
            }
        }
    }
}

impl Acks {
    fn push(&mut self, ticket: Ticket, send: &InboundSend, dedup: Option<DedupKey>, now: Instant) {
        if let Some(key) = dedup {
            self.in_flight.insert(key, (ticket.clone(), send.id, send.time_ms));
        }
        let reply_to = send.command.reply_to;
        let (id, time_ms) = (send.id, send.time_ms);
        self.pending.push_back(Pending { ticket, reply_to, id, time_ms, appended_at: Some(now), dedup });
    }

    /// Answers everything that has become durable; registers for the next.
    fn poll_some(&mut self, context: &mut Context<'_>) {
        let mut now = None;
        while let Some(head) = self.pending.front() {
            match head.ticket.poll_durable(context) {
                Poll::Pending => return,
                // The process ends now. The client repeats after the restart and is answered then.
                Poll::Ready(Err(_lost)) => {
                    self.pending.clear();
                    return;
                }
                Poll::Ready(Ok(_key)) => {}
            }
            let Some(done) = self.pending.pop_front() else {
                return;
            };
            if let Some(key) = done.dedup {
                self.in_flight.remove(&key);
            }
            if let Some(appended_at) = done.appended_at {
                let now = *now.get_or_insert_with(|| self.ports.clock.now().mono);
                self.ports.metrics.stage_commit_wait.observe(now.saturating_duration_since(appended_at));
                self.ports.metrics.messages.inc();
            } else {
                self.ports.metrics.repetitions.inc();
            }
            self.reply(done.reply_to, SendOutcome::Accepted { id: done.id, time_ms: done.time_ms });
        }
    }

    fn poll_empty(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_some(context);
        if self.pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn refuse(&self, reply_to: ReplyTo, refusal: Refusal) {
        self.ports.metrics.refusals.of(refusal).inc();
        self.reply(reply_to, SendOutcome::Refused(refusal));
    }

    fn reply(&self, reply_to: ReplyTo, outcome: SendOutcome) {
        // `false`: the connection is gone or its bucket is swamped; the gateway has counted it, and the client's
        // repetition is answered.
        let _told = self.ports.gateways.reply(reply_to, outcome);
    }
}
