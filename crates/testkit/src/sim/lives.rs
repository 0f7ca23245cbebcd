//! The counters of each life of the server, against what clients and sockets saw of it.
//!
//! Of every pair of numbers one is what the server counted, the others are what went into and came out of its sockets. What
//! happened between two sockets lies between what came out and what went in; when no connection of that life was broken
//! and the process was not killed, nothing can be between, and all three are equal.

use std::collections::HashSet;

use anyhow::Result;
use halley_core::metrics::Metrics;
use halley_core::ports::timelines::Timelines;
use halley_core::timeline::TimelineId;

use super::link::Wire;
use super::reader::Reader;
use super::trace::Trace;
use crate::rng::Rng;

/// How a life of the process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Killed, or without power.
    Killed,
    /// It drained and closed its store.
    Clean,
    /// It runs, and has nothing left to do.
    AtRest,
}

/// One life.
pub(super) struct Life<'a> {
    pub(super) metrics: &'a Metrics,
    pub(super) wire: Wire,
    /// Messages that were stored when it began.
    pub(super) stored_before: u64,
}

/// Distinct messages in these timelines.
pub(super) fn stored(timelines: &dyn Timelines, of: &[TimelineId]) -> Result<u64> {
    let mut ids = HashSet::new();
    for timeline in of {
        let mut reader = Reader::new(*timeline);
        reader.read_on(timelines, &mut Rng::new(1), &mut Trace::new())?;
        ids.extend(reader.listed.into_iter().map(|(_, listed)| listed.message_id));
    }
    Ok(ids.len() as u64)
}

impl Life<'_> {
    /// What does not add up.
    pub(super) fn check(&self, end: End, stored_after: u64, wrong: &mut Vec<String>) {
        let (metrics, wire) = (self.metrics, &self.wire);
        let refused: u64 = metrics.refusals.values().iter().map(|(_, count)| count).sum();
        let undelivered = metrics.drops.reply_without_connection.get() + metrics.drops.reply_queue_full.get();
        let decided = metrics.messages.get() + metrics.repetitions.get() + refused;
        let pushed = metrics.pushes.get() + metrics.resends.get();
        let is_exact = end == End::AtRest && wire.broken == 0;
        let mut between = |what: &str, out: u64, counted: u64, into: u64| {
            let holds =
                if is_exact { out == counted && counted == into } else { out <= counted && counted <= into };
            if !holds {
                let bounds = if is_exact { "equal" } else { "between" };
                wrong.push(format!(
                    "{what}: {out} came out, {counted} counted, {into} went in; should be {bounds}"
                ));
            }
        };
        between("logins", wire.login_answers, metrics.logins.get(), wire.logins);
        between("answers to sends", wire.answers + undelivered, decided, wire.sends);
        between("pushes", wire.pushes, metrics.pushes.get(), if is_exact { wire.pushes } else { u64::MAX });
        between(
            "resends",
            wire.resends,
            metrics.resends.get(),
            if is_exact { wire.resends } else { u64::MAX },
        );
        between("all pushes", wire.pushes + wire.resends, pushed, if is_exact { pushed } else { u64::MAX });
        let acks = metrics.push_acks.get() + metrics.drops.ack_unknown.get();
        between("acknowledgements of pushes", if is_exact { wire.acks } else { 0 }, acks, wire.acks);
        if metrics.push_acks.get() > metrics.pushes.get() {
            wrong.push("more pushes were acknowledged than made".to_owned());
        }
        if is_exact && (metrics.push_acks.get() != metrics.pushes.get() || undelivered != 0) {
            let (acks, pushes) = (metrics.push_acks.get(), metrics.pushes.get());
            wrong.push(format!(
                "at rest, {acks} of {pushes} pushes are acknowledged, {undelivered} answers dropped"
            ));
        }
        self.check_stored(end, stored_after, wrong);
        for (reason, count) in metrics.drops.values() {
            // The transient ones are the logins of other devices, which nobody promised to a session that is busy.
            let may_happen = [
                "reply_without_connection",
                "reply_queue_full",
                "ack_unknown",
                "transient_window_full",
                "transient_queue_full",
            ]
            .contains(&reason);
            if count > 0 && !may_happen {
                wrong.push(format!("{count} were dropped: {reason}"));
            }
        }
    }

    fn check_stored(&self, end: End, stored_after: u64, wrong: &mut Vec<String>) {
        let messages = self.metrics.messages.get();
        let Some(new) = stored_after.checked_sub(self.stored_before) else {
            wrong.push(format!("LOST: {} messages were stored, now {stored_after}", self.stored_before));
            return;
        };
        if new < messages {
            wrong.push(format!(
                "LOST: {messages} messages counted as durable in a life, {new} more are stored"
            ));
        }
        // Killed between the disk and the count, it has stored more than it counted, and not more than it was sent.
        if new > messages && (end != End::Killed || new > self.wire.sends) {
            wrong.push(format!(
                "{new} more messages are stored, {messages} counted, {} sent",
                self.wire.sends
            ));
        }
    }
}
