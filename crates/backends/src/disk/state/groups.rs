//! Groups: a header row, a row per member, a row per user and group; loaded ones shared from a bounded cache.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use halley_core::group::{self, Group, GroupProfile, Member, Role};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::accounts::{GroupState, Groups, JournaledChange};
use halley_core::ports::index::Watermark;
use halley_core::reply::Reply;
use redb::WriteTransaction;

use super::cache::Cache;
use super::schema::{GROUPS, MEMBERS, USER_GROUPS};
use super::store::{CachedGroup, GroupKey, Inner, RedbState};
use super::{meta, port_error};

/// Loaded groups. The generation tells a reader whether what it read may be outdated by now.
pub(super) struct GroupCache {
    groups: Cache<GroupKey, CachedGroup>,
    generation: u64,
}

impl GroupCache {
    pub(super) fn new(members_max: usize) -> Self {
        Self { groups: Cache::new(members_max), generation: 0 }
    }

    /// An app has gone.
    pub(super) fn forget_all(&mut self) {
        self.groups.clear();
        self.generation += 1;
    }

    fn insert(&mut self, key: GroupKey, group: CachedGroup) {
        let weight = group.as_ref().map_or(1, |group| group.members.len() + 4);
        self.groups.insert(key, group, weight);
    }
}

impl Groups for RedbState {
    fn group(&self, app: AppId, id: GroupId) -> Reply<Result<Option<Arc<Group>>, PortError>> {
        Reply::Ready(load(self.inner(), (app, id)).map_err(|error| port_error(&error)))
    }

    fn groups_of(&self, app: AppId, user: UserId) -> Reply<Result<Vec<GroupId>, PortError>> {
        let found = (|| {
            let table = self.inner().read()?.open_table(USER_GROUPS)?;
            let mut groups = Vec::new();
            for row in table.range((app.0, user.0, i64::MIN)..=(app.0, user.0, i64::MAX))? {
                groups.push(GroupId(row?.0.value().2));
            }
            Ok(groups)
        })();
        Reply::Ready(found.map_err(|error| port_error(&error)))
    }

    fn feeds_of(&self, app: AppId, user: UserId) -> Reply<Result<Vec<(GroupId, SyncKey)>, PortError>> {
        Reply::Ready(feeds_of(self.inner(), app, user).map_err(|error| port_error(&error)))
    }
}

/// Reads what it needs of each group, not its members: it is asked at every login.
fn feeds_of(inner: &Inner, app: AppId, user: UserId) -> Result<Vec<(GroupId, SyncKey)>, redb::Error> {
    let transaction = inner.read()?;
    let of_user = transaction.open_table(USER_GROUPS)?;
    let (groups, members) = (transaction.open_table(GROUPS)?, transaction.open_table(MEMBERS)?);
    let mut feeds = Vec::new();
    for row in of_user.range((app.0, user.0, i64::MIN)..=(app.0, user.0, i64::MAX))? {
        let id = row?.0.value().2;
        let malformed = || redb::Error::Corrupted(format!("the rows of group {id} are malformed"));
        let header = groups.get((app.0, id))?.ok_or_else(malformed)?;
        let profile: GroupProfile = serde_json::from_str(header.value().0).map_err(|_| malformed())?;
        if profile.is_super {
            let member = members.get((app.0, id, user.0))?.ok_or_else(malformed)?;
            feeds.push((GroupId(id), SyncKey::from_raw(member.value().2).ok_or_else(malformed)?));
        }
    }
    Ok(feeds)
}

impl GroupState for RedbState {
    fn applied(&self) -> Watermark {
        self.inner().cursors.lock().applied()
    }

    fn apply(&self, changes: &[JournaledChange], up_to: Watermark) -> Result<(), PortError> {
        // A change applied twice is not always as applied once, if others followed it: the mark decides.
        let applied = self.applied();
        let fresh = changes.partition_point(|change| change.key <= applied.key);
        let changes = &changes[fresh..];
        if up_to.seq <= applied.seq {
            return Ok(());
        }
        if changes.is_empty() {
            self.inner().cursors.lock().note_applied(up_to);
            self.inner().flush_soon(0);
            return Ok(());
        }
        apply(self.inner(), changes, up_to).map_err(|error| port_error(&error))
    }
}

fn apply(inner: &Inner, changes: &[JournaledChange], up_to: Watermark) -> Result<(), redb::Error> {
    let mut after: BTreeMap<GroupKey, (CachedGroup, CachedGroup)> = BTreeMap::new();
    for change in changes {
        let key = (change.app, change.group);
        let (_, now) = match after.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let before = load(inner, key)?;
                vacant.insert((before.clone(), before))
            }
        };
        let (app, id) = key;
        let next = group::apply(app, id, now.as_deref(), &change.change, change.key, change.time_ms);
        *now = next.map(Arc::new);
    }
    inner.commit(|transaction| {
        for (key, (before, now)) in &after {
            write(transaction, *key, before.as_deref(), now.as_deref())?;
        }
        meta::write_applied(transaction, up_to)
    })?;
    let mut cache = inner.groups.lock();
    cache.generation += 1;
    for (key, (_, now)) in after {
        cache.insert(key, now);
    }
    drop(cache);
    inner.cursors.lock().set_applied(up_to);
    Ok(())
}

/// Writes what differs.
fn write(
    transaction: &WriteTransaction,
    (app, id): GroupKey,
    before: Option<&Group>,
    now: Option<&Group>,
) -> Result<(), redb::Error> {
    let mut groups = transaction.open_table(GROUPS)?;
    match now {
        Some(now) => {
            let profile = serde_json::to_string(&now.profile).map_err(|error| {
                redb::Error::Corrupted(format!("group profile does not serialise: {error}"))
            })?;
            groups.insert((app.0, id.0), (profile.as_str(), now.created_ms))?;
        }
        None => {
            groups.remove((app.0, id.0))?;
        }
    }
    let members_of = |group: Option<&Group>| -> Vec<Member> {
        group.map(|group| group.members.clone()).unwrap_or_default()
    };
    let (old, new) = (members_of(before), members_of(now));
    let mut members = transaction.open_table(MEMBERS)?;
    let mut of_users = transaction.open_table(USER_GROUPS)?;
    let has = |list: &[Member], user: UserId| list.binary_search_by_key(&user, |member| member.user).ok();
    for member in &old {
        if has(&new, member.user).is_none() {
            members.remove((app.0, id.0, member.user.0))?;
            of_users.remove((app.0, member.user.0, id.0))?;
        }
    }
    for member in &new {
        let known = has(&old, member.user).map(|at| &old[at]);
        if known == Some(member) {
            continue;
        }
        let value = (role_number(member.role), member.muted_until_ms, member.joined.raw());
        members.insert((app.0, id.0, member.user.0), value)?;
        if known.is_none() {
            of_users.insert((app.0, member.user.0, id.0), ())?;
        }
    }
    Ok(())
}

fn load(inner: &Inner, key: GroupKey) -> Result<CachedGroup, redb::Error> {
    let generation = {
        let mut cache = inner.groups.lock();
        if let Some(group) = cache.groups.get(&key) {
            return Ok(group);
        }
        cache.generation
    };
    let group = read(inner, key)?.map(Arc::new);
    let mut cache = inner.groups.lock();
    // A change applied in the meantime may be missing from what was read: it is right to answer, wrong to keep.
    if cache.generation == generation {
        cache.insert(key, group.clone());
    }
    Ok(group)
}

fn read(inner: &Inner, (app, id): GroupKey) -> Result<Option<Group>, redb::Error> {
    let malformed = || redb::Error::Corrupted(format!("the rows of group {id} are malformed"));
    let transaction = inner.read()?;
    let groups = transaction.open_table(GROUPS)?;
    let Some(header) = groups.get((app.0, id.0))? else {
        return Ok(None);
    };
    let (profile, created_ms) = header.value();
    let profile = serde_json::from_str(profile).map_err(|_| malformed())?;
    let mut members = Vec::new();
    let table = transaction.open_table(MEMBERS)?;
    for row in table.range((app.0, id.0, i64::MIN)..=(app.0, id.0, i64::MAX))? {
        let (key, value) = row?;
        let (role, muted_until_ms, joined) = value.value();
        members.push(Member {
            user: UserId(key.value().2),
            role: role_of(role).ok_or_else(malformed)?,
            muted_until_ms,
            joined: SyncKey::from_raw(joined).ok_or_else(malformed)?,
        });
    }
    Ok(Some(Group { app, id, profile, members, created_ms }))
}

fn role_number(role: Role) -> u8 {
    match role {
        Role::Normal => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    }
}

fn role_of(number: u8) -> Option<Role> {
    match number {
        0 => Some(Role::Normal),
        1 => Some(Role::Admin),
        2 => Some(Role::Owner),
        _ => None,
    }
}
