//! Everything that is held about a user, as one JSON document: streamed, so that a long history costs no memory.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::stream;
use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::relations::RelationKind;
use halley_core::ports::timelines::{Direction, TimelineRange};
use halley_core::timeline::TimelineId;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::Segments;
use crate::lookup::Names;
use crate::routes::timelines::entry_json;
use crate::state::{Inner, Shared};

/// Read and sent at once.
const PAGE_ENTRIES: usize = 200;
const PAGE_BYTES_MAX: usize = 1 << 20;
const RELATED_AT_ONCE: usize = 1_000;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(export))
}

/// Everything that is held about a user, to be had before the user is deleted: the id and its number, how many tokens (they are kept
/// as hashes), devices, groups, relations, the inbox, and what the user sent to super groups of which they are a member.
#[utoipa::path(get, path = "/v1/apps/{app}/users/{uid}/export", tag = "users", operation_id = "user_export", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id")), responses((status = 200, description = "The document; cut off when it could not be read to its end", body = Object)))]
async fn export(
    State(shared): State<Shared>,
    Segments((app, uid)): Segments<(String, String)>,
) -> Result<Response, ApiError> {
    let app = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let (head, feeds) = shared.export_head(app, user).await?;
    // An object whose last brace is still to come.
    let mut text = head.to_string();
    text.truncate(text.len() - 1);
    text.push_str(",\"inbox\":[");
    let state = Exporting {
        shared,
        app,
        user,
        begun: Some(text),
        timelines: feeds,
        at: Some(TimelineId::Inbox(app, user)),
        from: SyncKey::START,
        has_entries: false,
        in_feeds: false,
    };
    let body = Body::from_stream(stream::unfold(state, Exporting::next));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

impl Inner {
    /// What is small, and the feeds that are to be gone through.
    async fn export_head(&self, app: AppId, user: UserId) -> Result<(Value, Vec<TimelineId>), ApiError> {
        let state = &self.state;
        let mut names = Names::new(self, app);
        let devices: Vec<Value> = state
            .devices
            .of_user(app, user)
            .await?
            .iter()
            .map(|device| {
                json!({ "key": &*device.key.0, "class": device.class.as_str(), "platform": device.platform,
                    "name": &*device.name, "user_name": &*device.user_name,
                    "has_push_token": !device.push_token.is_empty(), "logged_in_ms": device.logged_in_ms })
            })
            .collect();
        let cursors: Vec<Value> = state
            .cursors
            .load(app, user)
            .await?
            .iter()
            .map(|device| {
                json!({ "key": &*device.device.0, "class": device.class.as_str(),
                    "position": device.position.to_string(), "updated_ms": device.updated_ms })
            })
            .collect();
        let (mut groups, mut feeds) = (Vec::new(), Vec::new());
        for id in state.groups.groups_of(app, user).await? {
            let Some(group) = state.groups.group(app, id).await? else { continue };
            let role = group.member(user).map(|member| member.role);
            groups.push(json!({ "group_id": id.to_string(), "name": group.profile.name, "role": role }));
            if group.profile.is_super {
                feeds.push(TimelineId::Feed(app, id));
            }
        }
        let mut related = Vec::new();
        for kind in [RelationKind::Friend, RelationKind::Blacklisted] {
            let (mut all, mut after) = (Vec::new(), None);
            loop {
                let page = state.relations.related(app, user, kind, after, RELATED_AT_ONCE).await?;
                after = page.last().copied();
                let is_last = page.len() < RELATED_AT_ONCE;
                for other in page {
                    all.push(names.of(other).await?);
                }
                if is_last {
                    break;
                }
            }
            related.push(all);
        }
        let (blacklist, friends) = (related.pop(), related.pop());
        let head = json!({
            "user_id": names.of(user).await?,
            "number": user.to_string(),
            "tokens": state.removals.held(app, user).await?.tokens,
            "devices": devices,
            "cursors": cursors,
            "groups": groups,
            "friends": friends,
            "blacklist": blacklist,
        });
        Ok((head, feeds))
    }
}

/// Where the document is.
struct Exporting {
    shared: Shared,
    app: AppId,
    user: UserId,
    /// What comes before the first entry.
    begun: Option<String>,
    /// Feeds that come after the timeline it is in.
    timelines: Vec<TimelineId>,
    /// `None`: it has ended.
    at: Option<TimelineId>,
    from: SyncKey,
    /// The list that is open has an entry.
    has_entries: bool,
    in_feeds: bool,
}

impl Exporting {
    async fn next(mut self) -> Option<(Result<Bytes, ApiError>, Self)> {
        let timeline = self.at?;
        match self.page(timeline).await {
            Ok(text) => Some((Ok(text.into()), self)),
            Err(error) => {
                // The document ends in the middle: nobody takes it for whole.
                self.at = None;
                tracing::warn!(%error, "an export was cut off");
                Some((Err(error), self))
            }
        }
    }

    async fn page(&mut self, timeline: TimelineId) -> Result<String, ApiError> {
        let range = TimelineRange {
            timeline,
            from: self.from,
            direction: Direction::After,
            entries_max: PAGE_ENTRIES,
            bytes_max: PAGE_BYTES_MAX,
        };
        let page = self.shared.state.timelines.read(range).await?;
        let mut text = self.begun.take().unwrap_or_default();
        let mut names = Names::new(&self.shared, self.app);
        for entry in &page.entries {
            let is_own = !self.in_feeds || entry.record.message.from == self.user;
            let Some(entry) = (if is_own { entry_json(entry, &mut names).await? } else { None }) else {
                continue;
            };
            if std::mem::replace(&mut self.has_entries, true) {
                text.push(',');
            }
            text.push_str(&entry.to_string());
        }
        self.from = page.complete_to;
        if page.more {
            return Ok(text);
        }
        if !std::mem::replace(&mut self.in_feeds, true) {
            text.push_str("],\"sent_to_super_groups\":[");
            self.has_entries = false;
        }
        (self.at, self.from) = (self.timelines.pop(), SyncKey::START);
        if self.at.is_none() {
            text.push_str("]}\n");
        }
        Ok(text)
    }
}
