//! The end of service, and the commands of other threads.

use std::time::Instant;

use halley_core::session::KickReason;
use tokio::sync::oneshot;

use super::command::Command;
use super::conn::CloseReason;
use super::core::Bucket;
use super::slots::Token;
use super::tick::Tick;
use crate::gateway::DrainReport;

/// A bucket that is ending.
pub(crate) struct Drain {
    deadline: Tick,
    report: DrainReport,
    /// Who asked; more than one may.
    done: Vec<oneshot::Sender<DrainReport>>,
    over: bool,
}

impl Drain {
    /// When it ends by force, if it has not ended.
    pub(crate) fn due(&self) -> Option<Tick> {
        (!self.over).then_some(self.deadline)
    }
}

impl<S> Bucket<S> {
    /// Takes a command of another thread.
    pub(crate) fn command(&mut self, command: Command<S>) {
        match command {
            Command::Reply { conn, client_seq, outcome, at } => self.reply(conn, client_seq, outcome, at),
            Command::Session { conn, answer } => {
                let conn = self.conns.find(Token::of_conn(conn)).and_then(|slot| self.conns.get(slot));
                // Nobody waits any more when this fails.
                let _ = answer.send(conn.and_then(|conn| conn.session()).map(|session| session.info.clone()));
            }
            Command::Push { conn, what, answer } => {
                let _ = answer.send(self.push_transient(conn, &what));
            }
            Command::Broadcast { app, what, answer } => {
                let _ = answer.send(self.broadcast(app, &what));
            }
            Command::Kick { conn, reason } => {
                if let Some(slot) = self.conns.find(Token::of_conn(conn)) {
                    tracing::debug!(%conn, ?reason, "kicked");
                    let reason = match reason {
                        KickReason::DeviceForgotten => CloseReason::Forgotten,
                        _ => CloseReason::Kicked,
                    };
                    self.finish(slot, reason);
                }
            }
            Command::Adopt(conn) => self.adopt(*conn),
            Command::Drain { deadline, done } => self.begin_drain(deadline, done),
        }
    }

    /// Whether new connections are still taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Whether it has ended: every connection is closed, and who asked was told.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.over)
    }

    fn begin_drain(&mut self, deadline: Instant, done: oneshot::Sender<DrainReport>) {
        let deadline = Tick::at(self.start, deadline);
        let drain = self.drain.get_or_insert_with(|| Drain {
            deadline,
            report: DrainReport::default(),
            done: Vec::new(),
            over: false,
        });
        drain.deadline = drain.deadline.min(deadline);
        drain.done.push(done);
        self.work.asking.clear();
        self.work.confirming.clear();
        self.work.behind.clear();
        self.receipts.hurry();
    }

    /// Closes what owes nothing any more, and everything once the deadline has come.
    pub(crate) fn drain_step(&mut self) {
        let Some(deadline) = self.drain.as_ref().map(|drain| drain.deadline) else {
            return;
        };
        let force = deadline <= self.tick;
        let mut step = DrainReport::default();
        for slot in self.conns.taken() {
            let Some(conn) = self.conns.get(slot) else { continue };
            let unanswered = conn.session().map_or(0, |session| session.unanswered);
            let owes =
                conn.session().is_some_and(|session| self.receipts.owes(session.info.app, session.info.user));
            if conn.pending() == 0 && conn.held.is_none() && unanswered == 0 && !owes {
                step.clean += 1;
            } else if force {
                step.forced += 1;
            } else {
                continue;
            }
            self.close(slot, CloseReason::Shutdown);
        }
        let empty = self.conns.len() == 0;
        let Some(drain) = &mut self.drain else { return };
        drain.report.clean += step.clean;
        drain.report.forced += step.forced;
        if empty {
            drain.over = true;
            for done in drain.done.drain(..) {
                // Nobody may be waiting any more; then nobody wants to know.
                let _ = done.send(drain.report);
            }
        }
    }
}
