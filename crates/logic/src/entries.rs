//! Entries that business servers put into timelines: past answer, for whom they speak is their own affair.
//!
//! Not in the order of what the named sender sends: these go straight to the journal.

use std::sync::Arc;

use bytes::Bytes;
use futures::lock::Mutex;
use halley_core::clock::Clock;
use halley_core::ids::{AppId, UserId};
use halley_core::message::{Conversation, EntryKind, Message};
use halley_core::metrics::Metrics;
use halley_core::msg_id::MsgIdGenerator;
use halley_core::ports::accounts::{Groups, Users};
use halley_core::ports::business::{
    ENTRY_USERS_MAX, Entries, EntryError, NewEntry, Place, Placed, SystemMessage,
};
use halley_core::ports::dedup::{Dedup, DedupKey};
use halley_core::ports::journal::{AppendRefused, Journal};
use halley_core::record::{Record, Targets};
use halley_core::reply::Reply;
use halley_core::ticket::Ticket;

use crate::append::{take, unavailable};
use crate::size::check_size;

/// What entries are made with.
#[derive(Clone)]
pub struct EntryPorts {
    /// Members of groups.
    pub groups: Arc<dyn Groups>,
    /// Names, for the size of a frame.
    pub users: Arc<dyn Users>,
    /// Repetitions of system messages.
    pub dedup: Arc<dyn Dedup>,
    /// Where entries become durable.
    pub journal: Arc<dyn Journal>,
    /// Message ids.
    pub ids: Arc<MsgIdGenerator>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// [`Entries`] over the journal.
#[derive(Clone)]
pub struct EntryWriter {
    ports: EntryPorts,
    /// Held from the question whether a system message was said before until it is durable: dedup does not know what is not.
    turn: Arc<Mutex<()>>,
}

/// An entry on its way to the disk, or there since an earlier call.
enum Pending {
    Ticket(Placed, Ticket),
    Known(Placed),
}

impl EntryWriter {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: EntryPorts) -> Self {
        Self { ports, turn: Arc::default() }
    }

    async fn append_now(self, entry: NewEntry) -> Result<Placed, EntryError> {
        let now_ms = self.ports.clock.now().wall_ms;
        let id = match entry.id {
            Some(id) if !self.ports.ids.is_past(id, now_ms) => return Err(EntryError::IdAhead),
            Some(id) => id,
            None => self.ports.ids.next(now_ms),
        };
        let targets = self.targets(entry.app, entry.place).await?;
        let message = Message {
            id,
            app: entry.app,
            conversation: entry.conversation,
            from: entry.from,
            kind: entry.kind,
            content: entry.content,
            ext: entry.ext,
            client_id: entry.client_id,
            time_ms: entry.time_ms.unwrap_or(now_ms),
            device: Bytes::new(),
        };
        let pending = self.ports.put(message, targets).await?;
        self.ports.durable(pending).await
    }

    async fn targets(&self, app: AppId, place: Place) -> Result<Targets, EntryError> {
        match place {
            Place::Inboxes(users) => {
                check_users(&users)?;
                Ok(Targets::new(users, None))
            }
            Place::Group(id) => {
                let group = self.ports.groups.group(app, id).await?.ok_or(EntryError::UnknownGroup)?;
                let inboxes = if group.profile.is_super {
                    Vec::new()
                } else {
                    group.members.iter().map(|member| member.user).collect()
                };
                Ok(Targets::new(inboxes, Some(id)))
            }
        }
    }

    async fn system_now(self, system: SystemMessage) -> Result<Vec<Placed>, EntryError> {
        check_users(&system.users)?;
        let _turn = if system.client_id.is_empty() { None } else { Some(self.turn.lock().await) };
        let now_ms = self.ports.clock.now().wall_ms;
        let mut pending = Vec::with_capacity(system.users.len());
        let mut failed = None;
        for user in &system.users {
            match self.system_to(&system, *user, now_ms).await {
                Ok(entry) => pending.push(entry),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        // What was taken becomes durable whatever comes behind it; the turn is held until it is.
        let mut placed = Vec::with_capacity(pending.len());
        for entry in pending {
            match self.ports.durable(entry).await {
                Ok(entry) => placed.push(entry),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(placed), Err)
    }

    async fn system_to(
        &self,
        system: &SystemMessage,
        user: UserId,
        now_ms: u64,
    ) -> Result<Pending, EntryError> {
        let mut client_id = Bytes::new();
        if !system.client_id.is_empty() {
            // Of its own for every user, since dedup knows only the sender, which is the system for all.
            client_id = [&system.client_id[..], b":", user.to_string().as_bytes()].concat().into();
            if let Some(key) = DedupKey::new(system.app, UserId::SYSTEM, &client_id)
                && let Some(known) = self.ports.dedup.find(key, now_ms).await?
            {
                return Ok(Pending::Known(Placed { id: known.id, time_ms: known.time_ms }));
            }
        }
        let message = Message {
            id: self.ports.ids.next(now_ms),
            app: system.app,
            conversation: Conversation::User(user),
            from: UserId::SYSTEM,
            kind: EntryKind::MESSAGE,
            content: system.content.clone(),
            ext: Bytes::new(),
            client_id,
            time_ms: now_ms,
            device: Bytes::new(),
        };
        self.ports.put(message, Targets::new(vec![user], None)).await
    }
}

impl EntryPorts {
    async fn put(&self, message: Message, targets: Targets) -> Result<Pending, EntryError> {
        check_size(&message, &*self.users).await?;
        let placed = Placed { id: message.id, time_ms: message.time_ms };
        let ticket = take(&*self.journal, &Arc::new(Record { message, targets })).await.map_err(refused)?;
        Ok(Pending::Ticket(placed, ticket))
    }

    async fn durable(&self, pending: Pending) -> Result<Placed, EntryError> {
        match pending {
            Pending::Known(placed) => Ok(placed),
            Pending::Ticket(placed, ticket) => {
                ticket.await.map_err(|lost| unavailable(&lost.to_string()))?;
                self.metrics.business_entries.inc();
                Ok(placed)
            }
        }
    }
}

impl Entries for EntryWriter {
    fn append(&self, entry: NewEntry) -> Reply<Result<Placed, EntryError>> {
        Reply::later(self.clone().append_now(entry))
    }

    fn system(&self, message: SystemMessage) -> Reply<Result<Vec<Placed>, EntryError>> {
        Reply::later(self.clone().system_now(message))
    }
}

fn check_users(users: &[UserId]) -> Result<(), EntryError> {
    if users.len() > ENTRY_USERS_MAX {
        return Err(EntryError::TooManyUsers { users_max: ENTRY_USERS_MAX });
    }
    Ok(())
}

fn refused(refused: AppendRefused) -> EntryError {
    match refused {
        AppendRefused::DiskFull => EntryError::StorageFull,
        AppendRefused::TooLarge => EntryError::TooLarge,
        _ => EntryError::Port(unavailable(&refused.to_string())),
    }
}
