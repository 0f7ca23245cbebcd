//! Pushes: to users and groups by way of their timelines, to connections directly.

use std::collections::HashMap;

use bytes::Bytes;
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::message::Conversation;
use halley_core::ports::business::{NewEntry, Place};
use halley_core::ports::gateways::{Pushed, Transient};
use halley_core::session::ConnAddr;
use tonic::Status;

use crate::api::{Api, check_count};
use crate::comet::{Proto, PushMsgReply};
use crate::error_map::{entry_error, port_error, windows_full};
use crate::frame::{self, NewPush};
use crate::logic::Reply;

/// Pushes to connections that wait in buckets' queues at once, for one call.
const AT_ONCE: usize = 256;

impl Api {
    /// Into these users' inboxes. Whether they are online is no matter.
    pub(crate) async fn push_users(&self, app: &str, users: &[String], msg: &Bytes) -> Result<Reply, Status> {
        check_count(users.len(), "toIds")?;
        let push = frame::entry(&frame::unmarshal(msg)?)?;
        let app = self.app(app).await?;
        let users = self.users(app, users, "toIds").await?;
        let between = match users[..] {
            [user] => Conversation::User(user),
            _ => Conversation::System,
        };
        self.append(app, Place::Inboxes(users), between, push).await?;
        Ok(done(&PushMsgReply::default()))
    }

    /// Where a message of a member of this group would go.
    pub(crate) async fn push_group(&self, app: AppId, group: GroupId, proto: &Proto) -> Result<(), Status> {
        let push = frame::entry(proto)?;
        self.append(app, Place::Group(group), Conversation::Group(group), push).await
    }

    /// `between` is for what does not say itself to whom it was said.
    async fn append(
        &self,
        app: AppId,
        place: Place,
        between: Conversation,
        push: NewPush,
    ) -> Result<(), Status> {
        let (conversation, from) = match push.said {
            None => (between, UserId::SYSTEM),
            Some(said) => {
                let conversation = if said.to_group {
                    let group = GroupId::from_decimal(&said.target);
                    Conversation::Group(group.ok_or_else(|| not_a_group("Common.target", &said.target))?)
                } else {
                    Conversation::User(self.user(app, &said.target, "Common.target").await?)
                };
                let from = match said.from.as_str() {
                    "" => UserId::SYSTEM,
                    from => self.user(app, from, "Common.from").await?,
                };
                (conversation, from)
            }
        };
        let entry = NewEntry {
            app,
            place,
            conversation,
            from,
            kind: push.kind,
            content: push.content,
            ext: push.ext,
            client_id: push.client_id,
            id: push.id,
            time_ms: push.time_ms,
        };
        let placed = self.ports().entries.append(entry).await;
        placed.map(|_placed| ()).map_err(|error| entry_error(&error))
    }

    /// To these connections, in their order. Unknown keys are skipped, as the original does.
    pub(crate) async fn push_keys(&self, keys: &[String], proto: Proto) -> Result<PushMsgReply, Status> {
        check_count(keys.len(), "keys")?;
        let what = frame::transient(proto)?;
        let mut sent = HashMap::new();
        let mut full = Vec::new();
        for keys in keys.chunks(AT_ONCE) {
            let pushes: Vec<_> = keys
                .iter()
                .filter_map(|key| Some((key, key.parse::<ConnAddr>().ok()?)))
                .map(|(key, addr)| (key, self.ports().gateways.push(addr, what.clone())))
                .collect();
            for (key, push) in pushes {
                match push.await {
                    Pushed::Sent(seq) => drop(sent.insert(key.clone(), seq)),
                    Pushed::Full => full.push(key.as_str()),
                    Pushed::Nobody => {}
                }
            }
        }
        let reply = PushMsgReply { index: sent };
        if full.is_empty() { Ok(reply) } else { Err(windows_full(&full, &reply)) }
    }

    /// To every connection of every app.
    pub(crate) async fn push_everybody(&self, proto: Proto) -> Result<(), Status> {
        let what: Transient = frame::transient(proto)?;
        let apps = self.ports().apps.list().await.map_err(|error| port_error(&error))?;
        for app in apps {
            let _sessions = self.ports().gateways.broadcast(app.id, what.clone()).await;
        }
        Ok(())
    }
}

/// A reply of logic around one of comet, as the original has it.
pub(crate) fn done(inner: &impl prost::Message) -> Reply {
    Reply { is_ok: true, msg: inner.encode_to_vec().into() }
}

/// A group of a call.
pub(crate) fn group_id(text: &str) -> Result<GroupId, Status> {
    GroupId::from_decimal(text).ok_or_else(|| not_a_group("gid", text))
}

fn not_a_group(field: &str, text: &str) -> Status {
    let shown: String = text.chars().take(32).collect();
    Status::invalid_argument(format!(
        "{field}: a group id is a decimal from 1 to 9223372036854775807, not {shown:?}"
    ))
}
