//! Relations: a row per direction. What a user has made of others is kept in memory as a whole, so that the answer
//! "nothing", which is that to nearly every message, costs no read.

use std::sync::Arc;

use halley_core::ids::{AppId, UserId};
use halley_core::ports::PortError;
use halley_core::ports::relations::{Directions, Pair, Relation, RelationKind, Relations};
use halley_core::reply::Reply;
use redb::{ReadableTable, WriteTransaction};

use super::cache::Cache;
use super::port_error;
use super::schema::{FORBIDDEN, RELATION_BLACKLISTED, RELATION_FRIEND, RELATIONS};
use super::store::{Inner, RedbState};

/// A user with more rows is not kept: each question about them is a read.
const KEPT_ROWS_MAX: usize = 10_000;

/// What a user has made of others, ascending; `None` when it is too much to keep.
type OfUser = Option<Arc<[(UserId, Relation)]>>;

/// What is kept in memory. The generation tells a reader whether what it read may be outdated by now.
pub(super) struct RelationCache {
    users: Cache<(AppId, UserId), OfUser>,
    generation: u64,
}

impl RelationCache {
    pub(super) fn new(rows_max: usize) -> Self {
        Self { users: Cache::new(rows_max), generation: 0 }
    }

    /// Users or apps have gone.
    pub(super) fn forget_all(&mut self) {
        self.users.clear();
        self.generation += 1;
    }

    fn changed(&mut self, user: (AppId, UserId)) {
        self.users.remove(&user);
        self.generation += 1;
    }
}

impl Relations for RedbState {
    fn relation(&self, pair: Pair) -> Reply<Result<Relation, PortError>> {
        Reply::Ready(find(self.inner(), pair).map_err(|error| port_error(&error)))
    }

    fn set_relation(
        &self,
        pair: Pair,
        kind: RelationKind,
        directions: Directions,
        is_set: bool,
    ) -> Reply<Result<(), PortError>> {
        let back = Pair { user: pair.other, other: pair.user, ..pair };
        let pairs = [Some(pair), (directions == Directions::Both).then_some(back)];
        self.inner().submit(
            move |transaction| {
                pairs.iter().flatten().try_for_each(|pair| write(transaction, *pair, kind, is_set))
            },
            move |inner, ()| {
                let mut cache = inner.relations.lock();
                pairs.iter().flatten().for_each(|pair| cache.changed((pair.app, pair.user)));
            },
        )
    }

    fn related(
        &self,
        app: AppId,
        user: UserId,
        kind: RelationKind,
        after: Option<UserId>,
        max: usize,
    ) -> Reply<Result<Vec<UserId>, PortError>> {
        let found = (|| {
            let Some(first) = after.map_or(Some(i64::MIN), |after| after.0.checked_add(1)) else {
                return Ok(Vec::new());
            };
            let table = self.inner().read()?.open_table(RELATIONS)?;
            let mut users = Vec::new();
            for row in table.range((app.0, user.0, first)..=(app.0, user.0, i64::MAX))? {
                if users.len() >= max {
                    break;
                }
                let (key, bits) = row?;
                if relation_of(bits.value()).has(kind) {
                    users.push(UserId(key.value().2));
                }
            }
            Ok(users)
        })();
        Reply::Ready(found.map_err(|error| port_error(&error)))
    }

    fn is_forbidden(&self, app: AppId, user: UserId) -> Reply<Result<bool, PortError>> {
        let found = (|| Ok(self.inner().read()?.open_table(FORBIDDEN)?.get((app.0, user.0))?.is_some()))();
        Reply::Ready(found.map_err(|error| port_error(&error)))
    }

    fn set_forbidden(&self, app: AppId, user: UserId, is_forbidden: bool) -> Reply<Result<(), PortError>> {
        self.inner().submit(
            move |transaction| {
                let mut table = transaction.open_table(FORBIDDEN)?;
                if is_forbidden {
                    table.insert((app.0, user.0), ())?;
                } else {
                    table.remove((app.0, user.0))?;
                }
                Ok(())
            },
            |_, ()| {},
        )
    }
}

fn write(
    transaction: &WriteTransaction,
    pair: Pair,
    kind: RelationKind,
    is_set: bool,
) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(RELATIONS)?;
    let key = (pair.app.0, pair.user.0, pair.other.0);
    let before = table.get(key)?.map_or(0, |bits| bits.value());
    match bits_of(relation_of(before).with(kind, is_set)) {
        0 => table.remove(key)?.map(drop),
        bits => table.insert(key, bits)?.map(drop),
    };
    Ok(())
}

fn find(inner: &Inner, pair: Pair) -> Result<Relation, redb::Error> {
    let key = (pair.app, pair.user);
    let generation = {
        let mut cache = inner.relations.lock();
        match cache.users.get(&key) {
            Some(Some(rows)) => return Ok(among(&rows, pair.other)),
            Some(None) => {
                drop(cache);
                return find_row(inner, pair);
            }
            None => cache.generation,
        }
    };
    let of_user = read(inner, key)?;
    let found = match &of_user {
        Some(rows) => among(rows, pair.other),
        None => find_row(inner, pair)?,
    };
    let mut cache = inner.relations.lock();
    // A change in the meantime may be missing from what was read: it is right to answer, wrong to keep.
    if cache.generation == generation {
        let weight = of_user.as_ref().map_or(1, |rows| rows.len() + 1);
        cache.users.insert(key, of_user, weight);
    }
    Ok(found)
}

fn among(rows: &[(UserId, Relation)], other: UserId) -> Relation {
    let found = rows.binary_search_by_key(&other, |(user, _)| *user);
    found.map_or_else(|_| Relation::default(), |at| rows[at].1)
}

fn find_row(inner: &Inner, pair: Pair) -> Result<Relation, redb::Error> {
    let table = inner.read()?.open_table(RELATIONS)?;
    let bits = table.get((pair.app.0, pair.user.0, pair.other.0))?;
    Ok(bits.map_or_else(Relation::default, |bits| relation_of(bits.value())))
}

fn read(inner: &Inner, (app, user): (AppId, UserId)) -> Result<OfUser, redb::Error> {
    let table = inner.read()?.open_table(RELATIONS)?;
    let mut rows = Vec::new();
    for row in table.range((app.0, user.0, i64::MIN)..=(app.0, user.0, i64::MAX))? {
        if rows.len() == KEPT_ROWS_MAX {
            return Ok(None);
        }
        let (key, bits) = row?;
        rows.push((UserId(key.value().2), relation_of(bits.value())));
    }
    Ok(Some(rows.into()))
}

fn relation_of(bits: u8) -> Relation {
    Relation { friend: bits & RELATION_FRIEND != 0, blacklisted: bits & RELATION_BLACKLISTED != 0 }
}

fn bits_of(relation: Relation) -> u8 {
    let friend = if relation.friend { RELATION_FRIEND } else { 0 };
    friend | if relation.blacklisted { RELATION_BLACKLISTED } else { 0 }
}
