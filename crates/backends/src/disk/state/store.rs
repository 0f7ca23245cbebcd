//! The database and what is kept of it in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use halley_core::app::App;
use halley_core::group::Group;
use halley_core::ids::{AppId, GroupId, UserId};
use parking_lot::{Mutex, RwLock};
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, StorageBackend, WriteTransaction};

use super::cache::Cache;
use super::cursors::Dirty;
use super::devices::DirtyDevices;
use super::groups::GroupCache;
use super::relations::RelationCache;
use super::writer::Queue;
use super::{StateOpenError, accounts, floors, meta};

/// How the state database works.
#[derive(Clone, Copy, Debug)]
pub struct StateOptions {
    /// Bytes of pages kept in memory.
    pub cache_bytes: usize,
    /// Cursors, and the mark of applied group changes, are written this long after they changed, together.
    pub flush_after: Duration,
    /// Group members kept in memory, over all groups.
    pub group_members_cached: usize,
    /// User names and numbers kept in memory.
    pub users_cached: usize,
    /// Relations kept in memory, over all users; a user without any counts as one.
    pub relations_cached: usize,
    /// Floors of timelines kept in memory.
    pub floors_cached: usize,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 1 << 20,
            flush_after: Duration::from_secs(4),
            group_members_cached: 100_000,
            users_cached: 20_000,
            relations_cached: 100_000,
            floors_cached: 50_000,
        }
    }
}

/// See [`super`]. Cheap to clone.
#[derive(Clone)]
pub struct RedbState {
    inner: Arc<Inner>,
}

/// What the state's parts share.
pub(super) struct Inner {
    pub(super) database: Database,
    pub(super) options: StateOptions,
    pub(super) queue: Queue,
    /// All of them: there are few.
    pub(super) apps: RwLock<BTreeMap<AppId, Arc<App>>>,
    /// Alias numbers by id.
    pub(super) users: Mutex<Cache<(AppId, Arc<str>), UserId>>,
    /// Ids by alias number.
    pub(super) names: Mutex<Cache<(AppId, UserId), Arc<str>>>,
    pub(super) groups: Mutex<GroupCache>,
    pub(super) cursors: Mutex<Dirty>,
    pub(super) devices: Mutex<DirtyDevices>,
    pub(super) relations: Mutex<RelationCache>,
    pub(super) floors: floors::Known,
}

/// The key of a group.
pub(super) type GroupKey = (AppId, GroupId);
/// A group as it is cached; `None` is known not to exist.
pub(super) type CachedGroup = Option<Arc<Group>>;

impl RedbState {
    /// Opens or creates the database file.
    ///
    /// # Errors
    /// See [`StateOpenError`].
    pub fn open(path: &Path, options: StateOptions) -> Result<Self, StateOpenError> {
        if !path.exists() {
            // A crash while the engine makes its file leaves one that it does not open: make it whole, then name it.
            let new = path.with_extension("new");
            create_file(&new, path, options.cache_bytes)?;
        }
        let database = Database::builder().set_cache_size(options.cache_bytes).open(path)?;
        Self::over(database, options)
    }

    /// Opens or creates the database over a backend, e.g. memory or a simulated disk.
    ///
    /// # Errors
    /// See [`StateOpenError`].
    pub fn open_backend(backend: impl StorageBackend, options: StateOptions) -> Result<Self, StateOpenError> {
        let database =
            Database::builder().set_cache_size(options.cache_bytes).create_with_backend(backend)?;
        Self::over(database, options)
    }

    fn over(database: Database, options: StateOptions) -> Result<Self, StateOpenError> {
        meta::prepare(&database)?;
        let apps = accounts::load_apps(&database).map_err(|error| StateOpenError::Prepare(error.into()))?;
        let floors = floors::Known::load(&database, options.floors_cached)
            .map_err(|error| StateOpenError::Prepare(error.into()))?;
        let inner = Inner {
            database,
            options,
            queue: Queue::default(),
            apps: RwLock::new(apps),
            users: Mutex::new(Cache::new(options.users_cached)),
            names: Mutex::new(Cache::new(options.users_cached)),
            groups: Mutex::new(GroupCache::new(options.group_members_cached)),
            cursors: Mutex::new(Dirty::default()),
            devices: Mutex::new(DirtyDevices::default()),
            relations: Mutex::new(RelationCache::new(options.relations_cached)),
            floors,
        };
        let state = Self { inner: Arc::new(inner) };
        let applied = state.installation()?.applied;
        state.inner.cursors.lock().set_applied(applied);
        Ok(state)
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

fn create_file(new: &Path, path: &Path, cache_bytes: usize) -> Result<(), StateOpenError> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StateOpenError::Create(error)),
        _ => {}
    }
    let database = Database::builder().set_cache_size(cache_bytes).create(new)?;
    meta::prepare(&database)?;
    drop(database);
    fs::rename(new, path).map_err(StateOpenError::Create)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let synced = fs::File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(StateOpenError::Create)
}

impl Inner {
    pub(super) fn read(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database.begin_read()?)
    }

    /// One durable transaction.
    pub(super) fn commit<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate).map_err(redb::Error::from)?;
        // So that a start after a crash need not walk the whole file.
        transaction.set_quick_repair(true);
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}

impl fmt::Debug for RedbState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbState").finish_non_exhaustive()
    }
}
