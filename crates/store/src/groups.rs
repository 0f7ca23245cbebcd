//! Group changes: from the journal into the accounts, in order.

use std::sync::Arc;

use halley_core::ids::LogSeq;
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{GroupProgress, GroupState, JournaledChange};
use halley_core::ports::index::Watermark;
use halley_core::reply::Reply;
use halley_core::tail::{Tail, TailRecord};
use parking_lot::Mutex;

/// Applies group changes from the tail. Called by the materializer as it goes, and by whoever made a change and waits
/// for it to be in force.
pub struct GroupApplier {
    tail: Arc<Tail>,
    state: Arc<dyn GroupState>,
    /// Held while changes are applied, so that they are applied in order.
    applied: Mutex<LogSeq>,
}

const BATCH_RECORDS_MAX: usize = 4_096;

impl GroupApplier {
    /// Goes on from where the state stands.
    #[must_use]
    pub fn new(tail: Arc<Tail>, state: Arc<dyn GroupState>) -> Self {
        let applied = Mutex::new(state.applied().seq);
        Self { tail, state, applied }
    }

    /// Applies what these records, contiguous and ascending, change; what has been applied already is skipped.
    ///
    /// # Errors
    /// When the state could not take the changes; nothing of this batch counts as applied then.
    pub fn apply(&self, records: &[TailRecord]) -> Result<(), PortError> {
        self.apply_locked(&mut self.applied.lock(), records)
    }

    fn apply_locked(&self, applied: &mut LogSeq, records: &[TailRecord]) -> Result<(), PortError> {
        let Some(last) = records.last().filter(|last| last.seq > *applied) else {
            return Ok(());
        };
        let fresh = records.iter().filter(|record| record.seq > *applied);
        let changes: Vec<JournaledChange> =
            fresh.filter_map(|record| JournaledChange::of(&record.entry)).collect();
        let up_to = Watermark { seq: last.seq, key: last.entry.key, position: last.position };
        self.state.apply(&changes, up_to)?;
        *applied = last.seq;
        Ok(())
    }

    fn reach_now(&self, key: SyncKey) -> Result<(), PortError> {
        let mut applied = self.applied.lock();
        while applied.0 < key.place() {
            // What is not applied is not indexed, so the tail still has it.
            let records = self.tail.read_after(*applied, BATCH_RECORDS_MAX).unwrap_or_default();
            if records.is_empty() {
                let why = format!("change {key:?} is not in the tail");
                return Err(PortError::Unavailable { what: "group changes", why });
            }
            self.apply_locked(&mut applied, &records)?;
        }
        Ok(())
    }
}

impl GroupProgress for GroupApplier {
    fn reach(&self, key: SyncKey) -> Reply<Result<(), PortError>> {
        Reply::Ready(self.reach_now(key))
    }
}
