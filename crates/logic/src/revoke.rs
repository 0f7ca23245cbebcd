//! Revocations: checked against the message as it is, journaled beside it, in force when answered.

use std::sync::Arc;

use bytes::Bytes;
use futures::lock::Mutex;
use halley_core::clock::Clock;
use halley_core::event::Revocation;
use halley_core::group::Role;
use halley_core::ids::UserId;
use halley_core::message::{Content, Conversation, EntryKind, Message};
use halley_core::msg_id::MsgIdGenerator;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{Apps, Groups};
use halley_core::ports::business::{Revocations, Revoke, RevokeError, Revoked};
use halley_core::ports::journal::Journal;
use halley_core::ports::timelines::MessageLookup;
use halley_core::record::{Entry, Record};
use halley_core::reply::Reply;
use halley_core::ticket::Ticket;

use crate::append::{append, durable};

/// What revocations are decided with.
#[derive(Clone)]
pub struct RevocationPorts {
    /// Finds the message.
    pub messages: Arc<dyn MessageLookup>,
    /// For how long authors may.
    pub apps: Arc<dyn Apps>,
    /// Who else may.
    pub groups: Arc<dyn Groups>,
    /// Where revocations become durable.
    pub journal: Arc<dyn Journal>,
    /// Their ids.
    pub ids: Arc<MsgIdGenerator>,
    /// Their time.
    pub clock: Arc<dyn Clock>,
}

/// [`Revocations`] over the journal.
#[derive(Clone)]
pub struct RevocationWriter {
    ports: RevocationPorts,
    /// One at a time: each sees what the one before has made. It holds that one's ticket, for a caller may go away while
    /// its record is on its way to the disk.
    turn: Arc<Mutex<Option<Ticket>>>,
}

/// What an operator may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Right {
    /// Revoke it at any time.
    Always,
    /// As its author: for a time.
    AsAuthor,
    Never,
}

impl RevocationWriter {
    /// Over these ports.
    #[must_use]
    pub fn new(ports: RevocationPorts) -> Self {
        Self { ports, turn: Arc::default() }
    }

    async fn revoke_now(self, call: Revoke) -> Result<Revoked, RevokeError> {
        let mut turn = self.turn.lock().await;
        if let Some(ticket) = turn.take() {
            durable(ticket).await?;
        }
        let found = self.ports.messages.find_message(call.app, call.message).await?;
        let entry = found.ok_or(RevokeError::UnknownMessage)?;
        let message = &entry.record.message;
        let right = self.right(message, call.operator).await?;
        if right == Right::Never {
            return Err(RevokeError::NotAllowed);
        }
        if message.kind == EntryKind::REVOKED {
            let by = Revocation::decode(&message.content.bytes).map(|revocation| revocation.operator());
            return Ok(Revoked { by: by.unwrap_or(call.operator), is_repetition: true });
        }
        let now_ms = self.ports.clock.now().wall_ms;
        if right == Right::AsAuthor {
            let within_s = self.within_s(&call).await?;
            if now_ms.saturating_sub(message.time_ms) >= within_s.saturating_mul(1_000) {
                return Err(RevokeError::Expired { within_s });
            }
        }
        let record = Arc::new(self.record(&entry, call.operator, now_ms));
        let ticket = append(&*self.ports.journal, &record).await.map_err(PortError::from)?;
        *turn = Some(ticket.clone());
        durable(ticket).await?;
        *turn = None;
        Ok(Revoked { by: call.operator, is_repetition: false })
    }

    /// Spec 7.6.
    async fn right(&self, message: &Message, operator: UserId) -> Result<Right, PortError> {
        let is_author = operator == message.from && operator != UserId::SYSTEM;
        if let Conversation::Group(group) = message.conversation
            && let Some(group) = self.ports.groups.group(message.app, group).await?
        {
            let role = group.member(operator).map(|member| member.role);
            let is_owners = group.owner() == Some(message.from);
            match role {
                Some(Role::Owner) => return Ok(Right::Always),
                Some(Role::Admin) if !is_owners => return Ok(Right::Always),
                _ => {}
            }
        }
        Ok(if is_author { Right::AsAuthor } else { Right::Never })
    }

    async fn within_s(&self, call: &Revoke) -> Result<u64, RevokeError> {
        let app = self.ports.apps.by_id(call.app).await?;
        Ok(app.ok_or(RevokeError::UnknownMessage)?.settings.revoke_within_s)
    }

    fn record(&self, entry: &Entry, operator: UserId, now_ms: u64) -> Record {
        let revoked = &entry.record.message;
        let revocation = Revocation {
            message: revoked.id.0,
            key: entry.key.raw(),
            operator: operator.0,
            by_sender: operator == revoked.from,
        };
        let message = Message {
            id: self.ports.ids.next(now_ms),
            app: revoked.app,
            conversation: revoked.conversation,
            // Not the operator's: it stays in force when they are deleted.
            from: UserId::SYSTEM,
            kind: EntryKind::REVOCATION,
            content: Content { kind: 0, bytes: revocation.encode() },
            ext: Bytes::new(),
            client_id: Bytes::new(),
            time_ms: now_ms,
            device: Bytes::new(),
        };
        Record { message, targets: entry.record.targets.clone() }
    }
}

impl Revocations for RevocationWriter {
    fn revoke(&self, call: Revoke) -> Reply<Result<Revoked, RevokeError>> {
        Reply::later(self.clone().revoke_now(call))
    }
}
