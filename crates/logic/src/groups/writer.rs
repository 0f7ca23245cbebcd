//! One change at a time: checked, journaled, in force when answered.

use std::sync::Arc;

use futures::lock::Mutex;
use halley_core::clock::Clock;
use halley_core::group::Group;
use halley_core::ids::GroupId;
use halley_core::msg_id::MsgIdGenerator;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{GroupProgress, Groups};
use halley_core::ports::business::{GroupEdit, GroupError, GroupService, NewGroup};
use halley_core::ports::journal::Journal;
use halley_core::reply::Reply;

use super::entry::Decided;
use super::{effect, rights};
use crate::append::{NotAppended, append_durable};

/// [`GroupService`] over the journal.
#[derive(Clone)]
pub struct GroupWriter {
    groups: Arc<dyn Groups>,
    progress: Arc<dyn GroupProgress>,
    journal: Arc<dyn Journal>,
    ids: Arc<MsgIdGenerator>,
    clock: Arc<dyn Clock>,
    /// One change at a time: each is checked against the state that the one before has made.
    turn: Arc<Mutex<()>>,
}

impl GroupWriter {
    /// Changes the groups that `groups` reads, by records that `progress` applies.
    #[must_use]
    pub fn new(
        groups: Arc<dyn Groups>,
        progress: Arc<dyn GroupProgress>,
        journal: Arc<dyn Journal>,
        ids: Arc<MsgIdGenerator>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { groups, progress, journal, ids, clock, turn: Arc::default() }
    }

    async fn create_now(self, new: NewGroup) -> Result<Arc<Group>, GroupError> {
        let _turn = self.turn.lock().await;
        let (app, operator, silent) = (new.app, new.operator, new.silent);
        let id = new.id.unwrap_or_else(|| GroupId(self.ids.next(self.clock.now().wall_ms).0));
        if self.groups.group(app, id).await?.is_some() {
            return Err(GroupError::Exists);
        }
        let change = effect::of_creation(new)?;
        self.make(&Decided { app, id, before: None, change: &change, operator, silent }).await?;
        self.groups.group(app, id).await?.ok_or(GroupError::NotFound)
    }

    async fn change_now(self, edit: GroupEdit) -> Result<Option<Arc<Group>>, GroupError> {
        let _turn = self.turn.lock().await;
        let GroupEdit { app, group: id, change, operator, silent } = edit;
        let group = self.groups.group(app, id).await?.ok_or(GroupError::NotFound)?;
        if let Some(operator) = operator {
            rights::check(&group, operator, &change)?;
        }
        let Some(change) = effect::of(&group, change)? else {
            return Ok(Some(group));
        };
        self.make(&Decided { app, id, before: Some(&group), change: &change, operator, silent }).await?;
        Ok(self.groups.group(app, id).await?)
    }

    async fn make(&self, decided: &Decided<'_>) -> Result<(), GroupError> {
        let record = decided.record(&self.ids, self.clock.now().wall_ms);
        let record = record.map_err(|error| unavailable(&error.to_string()))?;
        let key =
            append_durable(&*self.journal, &Arc::new(record)).await.map_err(|refused| match refused {
                NotAppended::TooLarge => GroupError::TooLarge,
                NotAppended::Unavailable(error) => GroupError::Port(error),
            })?;
        self.progress.reach(key).await?;
        Ok(())
    }
}

impl GroupService for GroupWriter {
    fn create(&self, new: NewGroup) -> Reply<Result<Arc<Group>, GroupError>> {
        Reply::later(self.clone().create_now(new))
    }

    fn change(&self, edit: GroupEdit) -> Reply<Result<Option<Arc<Group>>, GroupError>> {
        Reply::later(self.clone().change_now(edit))
    }
}

fn unavailable(why: &str) -> GroupError {
    GroupError::Port(PortError::Unavailable { what: "journal", why: why.to_owned() })
}
