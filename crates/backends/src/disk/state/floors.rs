//! Floors: those of apps and of deleted senders all in memory, those of timelines from a bounded cache.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::floors::{FloorOf, Floors};
use halley_core::reply::Reply;
use halley_core::timeline::TimelineId;
use parking_lot::Mutex;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::cache::Cache;
use super::port_error;
use super::schema::{APP_FLOORS, SENDER_FLOORS, TIMELINE_FLOORS};
use super::store::{Inner, RedbState};

/// What is kept of the floors in memory.
pub(super) struct Known {
    /// There is a floor of any kind: until then nobody takes the lock.
    any: AtomicBool,
    generation: AtomicU64,
    floors: Mutex<InMemory>,
}

struct InMemory {
    /// There are few.
    apps: HashMap<AppId, SyncKey>,
    /// Only of users that were deleted and are not gone from the journal yet.
    senders: HashMap<(AppId, UserId), SyncKey>,
    /// Whether there is any floor of a timeline.
    has_timelines: bool,
    timelines: Cache<TimelineId, SyncKey>,
    /// Tells a reader whether what it read may be outdated by now.
    raised: u64,
}

type RowKey = (u32, u8, i64);

fn row_key(timeline: TimelineId) -> RowKey {
    match timeline {
        TimelineId::Inbox(app, user) => (app.0, 1, user.0),
        TimelineId::Feed(app, group) => (app.0, 2, group.0),
    }
}

impl Known {
    /// What the database says.
    pub(super) fn load(database: &Database, timelines_cached: usize) -> Result<Self, redb::Error> {
        let malformed = || redb::Error::Corrupted("a floor is malformed".into());
        let transaction = database.begin_read()?;
        let (mut apps, mut senders) = (HashMap::new(), HashMap::new());
        for row in transaction.open_table(APP_FLOORS)?.iter()? {
            let (app, floor) = row?;
            apps.insert(AppId(app.value()), SyncKey::from_raw(floor.value()).ok_or_else(malformed)?);
        }
        for row in transaction.open_table(SENDER_FLOORS)?.iter()? {
            let (key, floor) = row?;
            let (app, user) = key.value();
            let floor = SyncKey::from_raw(floor.value()).ok_or_else(malformed)?;
            senders.insert((AppId(app), UserId(user)), floor);
        }
        let has_timelines = !transaction.open_table(TIMELINE_FLOORS)?.is_empty()?;
        let any = has_timelines || !apps.is_empty() || !senders.is_empty();
        let timelines = Cache::new(timelines_cached);
        let floors = InMemory { apps, senders, has_timelines, timelines, raised: 0 };
        Ok(Self { any: any.into(), generation: 0.into(), floors: Mutex::new(floors) })
    }

    fn publish(&self, raised: &[(FloorOf, SyncKey)]) {
        let mut floors = self.floors.lock();
        floors.raised += 1;
        for (of, floor) in raised {
            match of {
                FloorOf::App(app) => raise(floors.apps.entry(*app).or_default(), *floor),
                FloorOf::Sender(app, user) => {
                    raise(floors.senders.entry((*app, *user)).or_default(), *floor);
                }
                FloorOf::Timeline(timeline) => {
                    floors.has_timelines = true;
                    floors.timelines.insert(*timeline, *floor, 1);
                }
            }
        }
        drop(floors);
        self.any.store(true, Ordering::Release);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl Known {
    /// An app is gone: one floor above everything stands for all of its floors.
    pub(super) fn publish_end_of(&self, app: AppId) {
        self.floors.lock().senders.retain(|(of, _), _| *of != app);
        self.publish(&[(FloorOf::App(app), SyncKey::END)]);
    }
}

fn raise(known: &mut SyncKey, to: SyncKey) {
    *known = to.max(*known);
}

impl RedbState {
    /// Whether there is any floor.
    #[must_use]
    pub fn has_floors(&self) -> bool {
        self.inner().floors.any.load(Ordering::Acquire)
    }

    /// The floor of all timelines of an app; the highest key when the app is gone.
    #[must_use]
    pub fn app_floor(&self, app: AppId) -> SyncKey {
        self.inner().floors.floors.lock().apps.get(&app).copied().unwrap_or_default()
    }
}

impl Floors for RedbState {
    fn floor(&self, timeline: TimelineId) -> Result<SyncKey, PortError> {
        let known = &self.inner().floors;
        if !known.any.load(Ordering::Acquire) {
            return Ok(SyncKey::START);
        }
        let (of_app, raised) = {
            let mut floors = known.floors.lock();
            let of_app = floors.apps.get(&timeline.app()).copied().unwrap_or_default();
            if !floors.has_timelines || of_app == SyncKey::END {
                return Ok(of_app);
            }
            if let Some(own) = floors.timelines.get(&timeline) {
                return Ok(own.max(of_app));
            }
            (of_app, floors.raised)
        };
        let own = read(self.inner(), timeline).map_err(|error| port_error(&error))?;
        let mut floors = known.floors.lock();
        // One raised in the meantime may be higher: this one is right to answer, wrong to keep.
        if floors.raised == raised {
            floors.timelines.insert(timeline, own, 1);
        }
        Ok(own.max(of_app))
    }

    fn sender_floor(&self, app: AppId, user: UserId) -> SyncKey {
        let known = &self.inner().floors;
        if !known.any.load(Ordering::Acquire) {
            return SyncKey::START;
        }
        known.floors.lock().senders.get(&(app, user)).copied().unwrap_or_default()
    }

    fn senders(&self) -> Vec<(AppId, UserId, SyncKey)> {
        let floors = self.inner().floors.floors.lock();
        floors.senders.iter().map(|((app, user), floor)| (*app, *user, *floor)).collect()
    }

    fn raise(&self, floors: Vec<(FloorOf, SyncKey)>) -> Reply<Result<(), PortError>> {
        let raised = self.inner().submit(
            move |transaction| {
                let mut now = Vec::with_capacity(floors.len());
                for (of, floor) in &floors {
                    now.push((*of, write(transaction, *of, *floor)?));
                }
                Ok(now)
            },
            |inner, now| inner.floors.publish(now),
        );
        match raised {
            Reply::Ready(raised) => Reply::Ready(raised.map(|_| ())),
            later => Reply::later(async move { later.await.map(|_| ()) }),
        }
    }

    fn forget_sender(&self, app: AppId, user: UserId) -> Reply<Result<(), PortError>> {
        self.inner().submit(
            move |transaction| {
                transaction.open_table(SENDER_FLOORS)?.remove((app.0, user.0))?;
                Ok(())
            },
            move |inner, ()| {
                inner.floors.floors.lock().senders.remove(&(app, user));
            },
        )
    }

    fn generation(&self) -> u64 {
        self.inner().floors.generation.load(Ordering::Acquire)
    }
}

fn read(inner: &Inner, timeline: TimelineId) -> Result<SyncKey, redb::Error> {
    let table = inner.read()?.open_table(TIMELINE_FLOORS)?;
    let found = table.get(row_key(timeline))?.map_or(0, |floor| floor.value());
    SyncKey::from_raw(found).ok_or_else(|| redb::Error::Corrupted("a floor is malformed".into()))
}

/// Raises one floor; answers where it is then.
pub(super) fn write(
    transaction: &WriteTransaction,
    of: FloorOf,
    floor: SyncKey,
) -> Result<SyncKey, redb::Error> {
    macro_rules! raise_row {
        ($table:ident, $key:expr) => {{
            let mut table = transaction.open_table($table)?;
            let known = table.get($key)?.map_or(0, |known| known.value());
            let now = floor.raw().max(known);
            if now > known {
                table.insert($key, now)?;
            }
            now
        }};
    }
    let now = match of {
        FloorOf::App(app) => raise_row!(APP_FLOORS, app.0),
        FloorOf::Timeline(timeline) => raise_row!(TIMELINE_FLOORS, row_key(timeline)),
        FloorOf::Sender(app, user) => raise_row!(SENDER_FLOORS, (app.0, user.0)),
    };
    Ok(SyncKey::from_raw(now).unwrap_or(floor))
}
