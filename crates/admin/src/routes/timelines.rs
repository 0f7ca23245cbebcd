//! History: timelines of users and groups, in both directions.

use axum::Json;
use axum::extract::State;
use halley_core::ids::AppId;
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::timelines::{Direction, Page, TimelineRange};
use halley_core::record::Entry;
use halley_core::timeline::TimelineId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::errors::ApiError;
use crate::extract::{Parameters, Segments};
use crate::lookup::{Names, group_id, page_limit, sync_key};
use crate::routes::message_body::{MessageBody, kind_name};
use crate::state::{Inner, Shared};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;
/// A page has at most about so many bytes of records, and at least one entry.
const PAGE_BYTES_MAX: usize = 2 << 20;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(of_user)).routes(routes!(of_group))
}

/// Which entries; without `after` and `before` the newest.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Entries above this key, ascending; 0 for the first ones.
    #[param(pattern = "^(0|[1-9][0-9]{0,18})$")]
    after: Option<String>,
    /// Entries below this key, newest first.
    #[param(pattern = "^(0|[1-9][0-9]{0,18})$")]
    before: Option<String>,
    /// 1 to 500; 50 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// A part of a timeline.
#[derive(Serialize, ToSchema)]
struct History {
    /// In the direction asked for.
    entries: Vec<HistoryEntry>,
    /// Nothing is missing between where the read began and this key: `after` or `before` of the next page.
    complete_to: String,
    /// Whether there may be more in this direction.
    more: bool,
}

/// A message at its place.
#[derive(Serialize, ToSchema)]
struct HistoryEntry {
    key: String,
    /// The key of the entry listed before it (the next older one); null for the first of the timeline.
    prev: Option<String>,
    message: MessageBody,
}

impl Which {
    fn range(&self, timeline: TimelineId) -> Result<TimelineRange, ApiError> {
        let (from, direction) = match (&self.after, &self.before) {
            (Some(after), None) => (sync_key(after, "after")?, Direction::After),
            (None, Some(before)) => (sync_key(before, "before")?, Direction::Before),
            (None, None) => (SyncKey::END, Direction::Before),
            (Some(_), Some(_)) => return Err(ApiError::field("before", "cannot be given with after")),
        };
        Ok(TimelineRange {
            timeline,
            from,
            direction,
            entries_max: page_limit(self.limit.as_deref(), LIMIT_DEFAULT, LIMIT_MAX)?,
            bytes_max: PAGE_BYTES_MAX,
        })
    }
}

/// A range with the entries that are listed only, filled up in the direction asked for.
async fn read_listed(inner: &Inner, wanted: TimelineRange) -> Result<Page, PortError> {
    let mut range = wanted;
    let mut listed: Vec<Entry> = Vec::new();
    loop {
        let page = inner.state.timelines.read(range).await?;
        for entry in page.entries {
            if kind_name(entry.record.message.kind).is_some() {
                range.bytes_max = range.bytes_max.saturating_sub(entry.record.weight_bytes());
                listed.push(entry);
            }
        }
        let full = listed.len() >= wanted.entries_max || range.bytes_max == 0;
        let stuck = page.complete_to == range.from;
        if full || !page.more || stuck {
            return Ok(Page { entries: listed, complete_to: page.complete_to, more: page.more });
        }
        range.from = page.complete_to;
        range.entries_max = wanted.entries_max - listed.len();
    }
}

/// The newest listed entry below this one.
async fn prev_of(inner: &Inner, timeline: TimelineId, key: SyncKey) -> Result<Option<SyncKey>, PortError> {
    let range = TimelineRange {
        timeline,
        from: key,
        direction: Direction::Before,
        entries_max: 1,
        bytes_max: PAGE_BYTES_MAX,
    };
    let page = read_listed(inner, range).await?;
    Ok(page.entries.first().map(|entry| entry.key))
}

async fn history(inner: &Inner, range: TimelineRange) -> Result<Json<History>, ApiError> {
    let page = read_listed(inner, range).await?;
    let mut ascending: Vec<&Entry> = page.entries.iter().collect();
    if range.direction == Direction::Before {
        ascending.reverse();
    }
    let mut prev = match ascending.first() {
        Some(first) => prev_of(inner, range.timeline, first.key).await?,
        None => None,
    };
    let mut names = Names::new(inner, range.timeline.app());
    let mut entries = Vec::with_capacity(ascending.len());
    for entry in ascending {
        entries.push(HistoryEntry {
            key: entry.key.to_string(),
            prev: prev.map(|prev| prev.to_string()),
            message: MessageBody::of(&entry.record.message, &mut names).await?,
        });
        prev = Some(entry.key);
    }
    if range.direction == Direction::Before {
        entries.reverse();
    }
    Ok(Json(History { entries, complete_to: page.complete_to.to_string(), more: page.more }))
}

/// An entry as an export lists it; none for what is the installation's own.
pub(crate) async fn entry_json(
    entry: &Entry,
    names: &mut Names<'_>,
) -> Result<Option<serde_json::Value>, ApiError> {
    let message = &entry.record.message;
    if kind_name(message.kind).is_none() {
        return Ok(None);
    }
    let body = MessageBody::of(message, names).await?;
    Ok(Some(serde_json::json!({ "key": entry.key.to_string(), "message": body })))
}

/// A user's inbox: what the user received and sent, but for super groups.
#[utoipa::path(get, path = "/v1/apps/{app}/timelines/user/{uid}", tag = "timelines", operation_id = "timeline_user", params(("app" = String, Path, description = "Name of the app"), ("uid" = String, Path, description = "The user's id"), Which), responses((status = 200, description = "Entries", body = History)))]
async fn of_user(
    State(shared): State<Shared>,
    Segments((app, uid)): Segments<(String, String)>,
    Parameters(which): Parameters<Which>,
) -> Result<Json<History>, ApiError> {
    let app: AppId = shared.app(&app).await?.id;
    let user = shared.known_user(app, &uid).await?;
    let range = which.range(TimelineId::Inbox(app, user))?;
    history(&shared, range).await
}

/// A group's feed. Of a group that was disbanded the history stays; a group that has neither is unknown.
#[utoipa::path(get, path = "/v1/apps/{app}/timelines/group/{gid}", tag = "timelines", operation_id = "timeline_group", params(("app" = String, Path, description = "Name of the app"), ("gid" = String, Path, description = "The group's id"), Which), responses((status = 200, description = "Entries", body = History)))]
async fn of_group(
    State(shared): State<Shared>,
    Segments((app, gid)): Segments<(String, String)>,
    Parameters(which): Parameters<Which>,
) -> Result<Json<History>, ApiError> {
    let app = shared.app(&app).await?.id;
    let id = group_id(&gid, "gid")?;
    let timeline = TimelineId::Feed(app, id);
    let history = history(&shared, which.range(timeline)?).await?;
    if history.0.entries.is_empty()
        && shared.state.groups.group(app, id).await?.is_none()
        && prev_of(&shared, timeline, SyncKey::END).await?.is_none()
    {
        return Err(ApiError::UnknownGroup);
    }
    Ok(history)
}
