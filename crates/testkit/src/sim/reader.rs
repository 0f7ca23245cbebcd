//! Readers of timelines (promise 4): each goes on from where it stands, and what it was once given must stay.

use std::collections::HashSet;

use anyhow::{Result, bail, ensure};
use halley_core::group::Announced;
use halley_core::key::SyncKey;
use halley_core::message::EntryKind;
use halley_core::msg_id::nth_of_block;
use halley_core::ports::accounts::JournaledChange;
use halley_core::ports::timelines::{Direction, TimelineRange, Timelines};
use halley_core::timeline::TimelineId;

use super::server::at_once;
use super::trace::Trace;
use crate::ledger::Listed;
use crate::rng::Rng;

/// Reads one timeline forwards.
pub(super) struct Reader {
    timeline: TimelineId,
    at: SyncKey,
    /// The messages.
    pub(super) listed: Vec<(SyncKey, Listed)>,
    /// Ids of all that a client is shown of it: of a group change that is told, those of its parts.
    pub(super) shown: Vec<i64>,
    /// The group changes that stand in it.
    pub(super) changes: Vec<JournaledChange>,
    known: HashSet<String>,
    /// Acknowledged to somebody and due in this timeline: they must be in the next read.
    due: Vec<String>,
}

impl Reader {
    pub(super) fn new(timeline: TimelineId) -> Self {
        Self {
            timeline,
            at: SyncKey::START,
            listed: Vec::new(),
            shown: Vec::new(),
            changes: Vec::new(),
            known: HashSet::new(),
            due: Vec::new(),
        }
    }

    /// Somebody has been acknowledged: from now on a read contains it.
    pub(super) fn is_due(&mut self, client_id: &str) {
        if !self.known.contains(client_id) {
            self.due.push(client_id.to_owned());
        }
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// With what contradicts the promises.
    pub(super) fn read_on(
        &mut self,
        timelines: &dyn Timelines,
        rng: &mut Rng,
        trace: &mut Trace,
    ) -> Result<()> {
        let head = at_once(timelines.head(self.timeline))??;
        loop {
            let range = TimelineRange {
                timeline: self.timeline,
                from: self.at,
                direction: Direction::After,
                entries_max: 1 + usize::try_from(rng.below(40))?,
                bytes_max: *rng.one_of(&[1, 2_000, 1 << 20]),
            };
            let page = at_once(timelines.read(range))??;
            for entry in &page.entries {
                ensure!(
                    entry.key > self.at,
                    "{:?}: {:?} was read behind {:?}",
                    self.timeline,
                    entry.key,
                    self.at
                );
                self.at = entry.key;
                let message = &entry.record.message;
                if message.kind != EntryKind::MESSAGE {
                    if message.kind == EntryKind::RECEIPT {
                        self.shown.push(message.id.0);
                        continue;
                    }
                    let parts = Announced::of(message).map_or(0, |announced| announced.parts.len());
                    let ids = (0..u32::try_from(parts)?).map(|part| nth_of_block(message.id, part).0);
                    self.shown.extend(ids);
                    self.changes.extend(JournaledChange::of(entry));
                    continue;
                }
                self.shown.push(message.id.0);
                let client_id = String::from_utf8_lossy(&message.client_id).into_owned();
                trace.note(b'r', message.id.0.unsigned_abs());
                self.known.insert(client_id.clone());
                self.listed.push((entry.key, Listed { client_id, message_id: message.id.0 }));
            }
            ensure!(page.complete_to >= self.at, "{:?}: a page ends before its last entry", self.timeline);
            let is_stuck = page.entries.is_empty() && page.more && page.complete_to == self.at;
            ensure!(
                !is_stuck,
                "{:?}: a page promises more and gives nothing at {:?}",
                self.timeline,
                self.at
            );
            self.at = page.complete_to;
            if !page.more {
                break;
            }
        }
        ensure!(
            self.at >= head,
            "{:?} was read up to {:?}, the head was {head:?} before",
            self.timeline,
            self.at
        );
        let missing: Vec<_> =
            self.due.drain(..).filter(|client_id| !self.known.contains(client_id)).collect();
        if !missing.is_empty() {
            bail!("LOST: a read of {:?} after their acknowledgement is without {missing:?}", self.timeline);
        }
        Ok(())
    }

    /// Reads everything again, both ways: it must be what was read before.
    pub(super) fn check_all(&self, timelines: &dyn Timelines, rng: &mut Rng) -> Result<()> {
        let mut again = Self::new(self.timeline);
        again.read_on(timelines, rng, &mut Trace::new())?;
        ensure!(
            again.listed == self.listed,
            "{:?}: what was read at first is not what is there: {} entries, then {}",
            self.timeline,
            self.listed.len(),
            again.listed.len()
        );
        let mut from = SyncKey::END;
        let mut left = self.listed.iter().rev();
        loop {
            let range = TimelineRange {
                timeline: self.timeline,
                from,
                direction: Direction::Before,
                entries_max: 1 + usize::try_from(rng.below(40))?,
                bytes_max: 1 << 20,
            };
            let page = at_once(timelines.read(range))??;
            for entry in &page.entries {
                from = entry.key;
                if entry.record.message.kind != EntryKind::MESSAGE {
                    continue;
                }
                let same = left.next().is_some_and(|(key, _)| *key == entry.key);
                ensure!(same, "{:?}: backwards, {:?} is out of place", self.timeline, entry.key);
            }
            if !page.more {
                break;
            }
        }
        ensure!(left.next().is_none(), "{:?}: backwards, the oldest entries are missing", self.timeline);
        Ok(())
    }
}
