//! Whether this process can serve: what `/readyz` answers.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

/// One reason why a process is not ready.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct NotReady {
    /// For programs: `starting`, `journal_lost`, `journal_damaged`, `stopping`, ...
    pub reason: &'static str,
    /// For people: what to do.
    pub message: String,
}

/// Ready when there is no reason not to be. Shared: every part of the process may set and clear its own reasons.
#[derive(Debug)]
pub struct Readiness {
    reasons: Mutex<BTreeMap<&'static str, String>>,
}

impl Readiness {
    /// Of a process that is starting: not ready, with the reason `starting`, until that is cleared.
    #[must_use]
    pub fn starting() -> Self {
        let starting = ("starting", "the server is starting".to_owned());
        Self { reasons: Mutex::new(BTreeMap::from([starting])) }
    }

    /// Not ready, for this reason; replaces the message of the same reason.
    pub fn set(&self, reason: &'static str, message: impl Into<String>) {
        self.reasons.lock().insert(reason, message.into());
    }

    /// This reason is gone; no effect when it was not there.
    pub fn clear(&self, reason: &'static str) {
        self.reasons.lock().remove(reason);
    }

    /// Why not, in the order of the reasons' names; empty when ready.
    #[must_use]
    pub fn reasons(&self) -> Vec<NotReady> {
        let reasons = self.reasons.lock();
        reasons.iter().map(|(reason, message)| NotReady { reason, message: message.clone() }).collect()
    }
}
