//! Group changes in between: one that was answered is in force, and stays so whatever happens (design section 5). Some change
//! the name of the group, which says how far it has come; some let somebody into the super group, or out.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use anyhow::{Context as _, Result, ensure};
use halley_core::group::{Group, GroupChange, ProfileChange};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::ports::accounts::Groups as _;
use halley_core::ports::business::GroupError;
use halley_core::reply::Reply;

use super::server::{GROUP, SUPER, at_once};
use super::world::World;

/// The group's name is the number of its last change.
pub(super) struct Changes {
    app: AppId,
    users: Vec<UserId>,
    asked: u64,
    answered: u64,
    pending: Option<Reply<Result<Option<Arc<Group>>, GroupError>>>,
    /// What is pending is about the super group.
    is_stay: bool,
    stays: u64,
}

impl Changes {
    pub(super) fn new(app: AppId, users: Vec<UserId>) -> Self {
        Self { app, users, asked: 0, answered: 0, pending: None, is_stay: false, stays: 0 }
    }

    /// Times somebody joined or left.
    pub(super) fn stays(&self) -> u64 {
        self.stays
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// The last that was answered.
    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// The process that was asked is gone.
    pub(super) fn forget(&mut self) {
        self.pending = None;
    }
}

impl World {
    /// Asks for a change, or looks whether the one asked for is answered.
    pub(super) fn change_group(&mut self) -> Result<()> {
        if self.changes.pending.is_none() {
            self.changes.is_stay = self.rng.below(4) > 0;
            let (group, change) = if self.changes.is_stay { self.next_stay()? } else { self.next_name() };
            let group = GroupId::from_decimal(group).context("is a group id")?;
            let app = self.changes.app;
            self.changes.pending = Some(self.server().change_group(app, group, change));
        }
        let Some(pending) = &mut self.changes.pending else { return Ok(()) };
        let Poll::Ready(answer) = Pin::new(pending).poll(&mut TaskContext::from_waker(Waker::noop())) else {
            return Ok(());
        };
        self.changes.pending = None;
        match answer {
            Ok(_group) if self.changes.is_stay => {
                self.changes.stays += 1;
                self.trace.note(b'j', self.changes.stays);
                Ok(())
            }
            Ok(_group) => {
                self.changes.answered = self.changes.asked;
                self.trace.note(b'g', self.changes.answered);
                self.check_group()
            }
            // That there is space again, the journal finds out a moment later.
            Err(_full) if self.plan.faults.full_disks > 0 && !self.is_disk_off() => Ok(()),
            Err(error) => self.disk_failed(&format!("a group was not changed: {error}")),
        }
    }

    fn next_name(&mut self) -> (&'static str, GroupChange) {
        self.changes.asked += 1;
        let set = ProfileChange { name: Some(self.changes.asked.to_string()), ..ProfileChange::default() };
        (GROUP, GroupChange::ProfileSet(set))
    }

    /// Somebody who is a member leaves, or joins who is none; the owner stays.
    fn next_stay(&mut self) -> Result<(&'static str, GroupChange)> {
        let group = GroupId::from_decimal(SUPER).context("is a group id")?;
        let (app, others) = (self.changes.app, self.changes.users[1..].to_vec());
        let group = at_once(self.server().store.state.group(app, group))??.context("the group is there")?;
        let user = *self.rng.one_of(&others);
        let members = vec![user.0];
        let change = match group.member(user) {
            Some(_) => GroupChange::MembersRemoved { members },
            None => GroupChange::MembersAdded { members },
        };
        Ok((SUPER, change))
    }

    /// The group is as the last answered change says, or a later one that was asked for.
    pub(super) fn check_group(&mut self) -> Result<()> {
        let group = GroupId::from_decimal(GROUP).context("is a group id")?;
        let app = self.changes.app;
        let group = at_once(self.server().store.state.group(app, group))??.context("the group is there")?;
        let name = group.profile.name.parse().unwrap_or(0);
        let (asked, answered) = (self.changes.asked, self.changes.answered);
        ensure!(
            (answered..=asked).contains(&name),
            "LOST: change {answered} of the group was answered, {asked} asked for; it is at {name}"
        );
        Ok(())
    }

    /// Everybody has been told of the last answered change, unless a device began behind it.
    pub(super) fn check_told(&self) -> Result<()> {
        if self.plan.are_devices_new {
            return Ok(());
        }
        let answered = self.changes.answered();
        for device in &self.devices {
            ensure!(
                device.told >= answered,
                "LOST: {:?} was told of change {} of the group, {answered} was answered",
                device.name,
                device.told
            );
        }
        Ok(())
    }
}
