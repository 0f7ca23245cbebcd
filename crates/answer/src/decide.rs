//! The decision on one message: Check, Filter, and the record that Transport appends (spec 5.2, its defects mended).

use std::sync::Arc;

use bytes::Bytes;
use halley_core::clock::Clock;
use halley_core::command::{InboundSend, Refusal, SendCommand, Target};
use halley_core::ids::{AppId, UserId};
use halley_core::message::{Conversation, EntryKind, Message};
use halley_core::metrics::Metrics;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{Apps, Groups, Unknown, Users};
use halley_core::ports::dedup::{Dedup, DedupKey, Known};
use halley_core::ports::gateways::Gateways;
use halley_core::ports::journal::Journal;
use halley_core::ports::relations::{Pair, Relations};
use halley_core::record::{Record, Targets};

use crate::check::check;

/// What answer decides with.
#[derive(Clone)]
pub struct Ports {
    /// Where messages become durable.
    pub journal: Arc<dyn Journal>,
    /// Repetitions of what is durable.
    pub dedup: Arc<dyn Dedup>,
    /// Membership.
    pub groups: Arc<dyn Groups>,
    /// What private messages an app allows.
    pub apps: Arc<dyn Apps>,
    /// Friends and blacklists.
    pub relations: Arc<dyn Relations>,
    /// Ids that are not decimal.
    pub users: Arc<dyn Users>,
    /// The way back to the sender.
    pub gateways: Arc<dyn Gateways>,
    /// Time, for mutes, rates and the stage metrics.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// What is to be done with a message.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Append this.
    Append(Arc<Record>),
    /// It is this durable message again.
    Repetition(Known),
    /// Tell the sender why not.
    Refuse(Refusal),
}

impl Ports {
    pub(crate) async fn decide(&self, send: &InboundSend, dedup: Option<DedupKey>) -> Verdict {
        match self.try_decide(send, dedup).await {
            Ok(verdict) => verdict,
            Err(refusal) => Verdict::Refuse(refusal),
        }
    }

    async fn try_decide(&self, send: &InboundSend, dedup: Option<DedupKey>) -> Result<Verdict, Refusal> {
        let command = &send.command;
        check(command)?;
        if let Some(key) = dedup
            && let Some(known) = self.dedup.find(key, send.time_ms).await.map_err(unavailable)?
        {
            return Ok(Verdict::Repetition(known));
        }
        let (conversation, targets) = self.resolve(command, send.time_ms).await?;
        self.check_size(command, conversation).await?;
        let message = Message {
            id: send.id,
            app: command.app,
            conversation,
            from: command.from,
            kind: EntryKind::MESSAGE,
            content: command.content.clone(),
            ext: command.ext.clone(),
            client_id: command.client_id.clone(),
            time_ms: send.time_ms,
            device: command.device.clone(),
        };
        Ok(Verdict::Append(Arc::new(Record { message, targets })))
    }

    /// To whom it goes, and whether the sender may say it there.
    async fn resolve(&self, command: &SendCommand, now_ms: u64) -> Result<(Conversation, Targets), Refusal> {
        let user = match &command.target {
            Target::User(user) => *user,
            Target::UserNamed(name) => {
                let found =
                    self.users.number(command.app, name, Unknown::Refuse).await.map_err(unavailable)?;
                found.ok_or(Refusal::UnknownUser)?
            }
            Target::NoGroup => return Err(Refusal::UnknownGroup),
            Target::Group(id) => {
                let group = self.groups.group(command.app, *id).await.map_err(unavailable)?;
                let group = group.ok_or(Refusal::UnknownGroup)?;
                group.check_send(command.from, now_ms)?;
                let inboxes = if group.profile.is_super {
                    Vec::new()
                } else {
                    group.members.iter().map(|member| member.user).collect()
                };
                return Ok((Conversation::Group(*id), Targets::new(inboxes, Some(*id))));
            }
        };
        self.check_private(command.app, command.from, user).await?;
        Ok((Conversation::User(user), Targets::new(vec![command.from, user], None)))
    }

    /// Whether one user may write to another (ruling 17). Friends are friends in both directions, and are checked
    /// first, as the gobelieve original does it (its spec, 4.2).
    async fn check_private(&self, app: AppId, from: UserId, to: UserId) -> Result<(), Refusal> {
        if from == to || from == UserId::SYSTEM {
            return Ok(());
        }
        let Some(app) = self.apps.by_id(app).await.map_err(unavailable)? else {
            // It was removed while the message was on its way.
            return Err(Refusal::Unavailable);
        };
        let settings = &app.settings;
        if !settings.blacklist && !settings.friends_only {
            return Ok(());
        }
        let of_receiver = Pair { app: app.id, user: to, other: from };
        let of_receiver = self.relations.relation(of_receiver).await.map_err(unavailable)?;
        if settings.friends_only {
            let of_sender = Pair { app: app.id, user: from, other: to };
            let of_sender = self.relations.relation(of_sender).await.map_err(unavailable)?;
            if !of_sender.friend || !of_receiver.friend {
                return Err(Refusal::NotFriend);
            }
        }
        if settings.blacklist && of_receiver.blacklisted {
            return Err(Refusal::Blacklisted);
        }
        Ok(())
    }

    /// Whether every path can carry it once it is stamped (ruling 5).
    async fn check_size(&self, command: &SendCommand, conversation: Conversation) -> Result<(), Refusal> {
        let parts = command.content.bytes.len() + command.ext.len() + command.client_id.len();
        // Names are at most 128 bytes each; only a message near the limit needs to know them.
        if parts + SMALL_ENOUGH_MARGIN <= halley_wire::limits::TXCHAT_BODY_BYTES_MAX {
            return Ok(());
        }
        let from = self.name(command, command.from).await?;
        let target = match conversation {
            Conversation::User(user) => self.name(command, user).await?,
            Conversation::Group(group) => group.to_string().into(),
            Conversation::System => Arc::default(),
        };
        let stamped = halley_wire::txchat::stamped_len(&halley_wire::txchat::Parts {
            to_group: matches!(conversation, Conversation::Group(_)),
            client_id: &command.client_id,
            from: &from,
            target: &target,
            kind: command.content.kind,
            content: &command.content.bytes,
            ext: &command.ext,
        });
        if stamped > halley_wire::limits::TXCHAT_BODY_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        Ok(())
    }

    async fn name(&self, command: &SendCommand, user: UserId) -> Result<Arc<str>, Refusal> {
        let name = self.users.name(command.app, user).await.map_err(unavailable)?;
        Ok(name.unwrap_or_default())
    }
}

/// More than all fields but content, ext and client id can take.
const SMALL_ENOUGH_MARGIN: usize = 512;

fn unavailable(error: PortError) -> Refusal {
    tracing::warn!(%error, "a message could not be decided");
    Refusal::Unavailable
}

/// What a repetition is recognised by.
pub(crate) fn dedup_key(command: &SendCommand) -> Option<DedupKey> {
    let client_id: &Bytes = &command.client_id;
    DedupKey::new(command.app, command.from, client_id)
}
