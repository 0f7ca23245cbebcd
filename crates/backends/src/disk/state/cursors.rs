//! Device cursors: in memory at once, in the database within seconds, and how far group changes were applied.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use halley_core::device::{DeviceClass, DeviceCursor, DeviceKey};
use halley_core::ids::{AppId, GroupId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::cursors::Cursors;
use halley_core::ports::index::Watermark;
use halley_core::reply::Reply;
use redb::{ReadableTable as _, WriteTransaction};

use super::meta;
use super::port_error;
use super::schema::{CURSOR_FEEDS, CURSORS};
use super::store::{Inner, RedbState};

type OfUsers = HashMap<(AppId, UserId), Vec<DeviceCursor>>;

/// What is not in the database yet.
#[derive(Default)]
pub(super) struct Dirty {
    cursors: OfUsers,
    count: usize,
    /// What a transaction is writing just now.
    flushing: Option<std::sync::Arc<Flush>>,
    /// Group changes are applied up to here.
    applied: Watermark,
    /// The same, in the database.
    applied_written: Watermark,
}

/// What one transaction writes.
pub(super) struct Flush {
    cursors: OfUsers,
    applied: Option<Watermark>,
}

impl Dirty {
    /// What is in the database about group changes.
    pub(super) fn set_applied(&mut self, applied: Watermark) {
        self.applied = applied;
        self.applied_written = applied;
    }

    pub(super) fn applied(&self) -> Watermark {
        self.applied
    }

    /// Group changes are applied up to here; to be written some time.
    pub(super) fn note_applied(&mut self, applied: Watermark) {
        self.applied = applied;
    }

    /// What is dirty of these users is not written any more.
    pub(super) fn forget_users(&mut self, is_gone: impl Fn(&(AppId, UserId)) -> bool) {
        self.cursors.retain(|of, _| !is_gone(of));
    }

    /// Takes a cursor; answers how many are dirty.
    fn save(&mut self, cursor: DeviceCursor) -> usize {
        self.count += usize::from(put(&mut self.cursors, cursor));
        self.count
    }

    fn of<'a>(&'a self, user: &(AppId, UserId)) -> impl Iterator<Item = &'a DeviceCursor> + use<'a> {
        let flushing = self.flushing.as_ref().and_then(|flushing| flushing.cursors.get(user));
        flushing.into_iter().flatten().chain(self.cursors.get(user).into_iter().flatten())
    }

    /// Forgets a device that is being removed.
    pub(super) fn forget(&mut self, user: (AppId, UserId), device: &DeviceKey) {
        if let Some(devices) = self.cursors.get_mut(&user) {
            devices.retain(|cursor| cursor.device != *device);
        }
    }

    /// Takes what is dirty; it stays visible until [`Dirty::end_flush`].
    pub(super) fn begin_flush(&mut self) -> Option<std::sync::Arc<Flush>> {
        let applied = (self.applied != self.applied_written).then_some(self.applied);
        if self.flushing.is_some() || (self.cursors.is_empty() && applied.is_none()) {
            return None;
        }
        self.count = 0;
        let flush = std::sync::Arc::new(Flush { cursors: std::mem::take(&mut self.cursors), applied });
        self.flushing = Some(std::sync::Arc::clone(&flush));
        Some(flush)
    }

    /// What was being written is in the database, or dirty again.
    pub(super) fn end_flush(&mut self, is_written: bool) {
        let Some(flush) = self.flushing.take() else { return };
        if is_written {
            if let Some(applied) = flush.applied {
                self.applied_written = self.applied_written.max_by_seq(applied);
            }
            return;
        }
        for cursor in flush.cursors.values().flatten() {
            self.save(cursor.clone());
        }
    }
}

trait MaxBySeq {
    fn max_by_seq(self, other: Self) -> Self;
}

impl MaxBySeq for Watermark {
    fn max_by_seq(self, other: Self) -> Self {
        if other.seq > self.seq { other } else { self }
    }
}

impl Flush {
    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let mut tables = Tables::open(transaction)?;
        for cursor in self.cursors.values().flatten() {
            let key = (cursor.app.0, cursor.user.0, &*cursor.device.0);
            if tables.cursors.get(key)?.is_some() {
                tables.insert(cursor)?;
            }
        }
        match self.applied {
            // Whoever applied changes in the meantime has written a higher mark with them; it must not go back.
            Some(applied) => meta::raise_applied(transaction, applied),
            None => Ok(()),
        }
    }
}

/// A cursor's two rows.
struct Tables<'t> {
    cursors: redb::Table<'t, (u32, i64, &'static str), (u8, i64, u64)>,
    feeds: redb::Table<'t, (u32, i64, &'static str), &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self { cursors: transaction.open_table(CURSORS)?, feeds: transaction.open_table(CURSOR_FEEDS)? })
    }

    fn insert(&mut self, cursor: &DeviceCursor) -> Result<(), redb::Error> {
        let key = (cursor.app.0, cursor.user.0, &*cursor.device.0);
        let value = (class_number(cursor.class), cursor.position.raw(), cursor.updated_ms);
        self.cursors.insert(key, value)?;
        if cursor.lagging.is_empty() {
            self.feeds.remove(key)?;
        } else {
            self.feeds.insert(key, &feeds_bytes(&cursor.lagging)[..])?;
        }
        Ok(())
    }
}

fn feeds_bytes(feeds: &[(GroupId, SyncKey)]) -> Vec<u8> {
    feeds.iter().flat_map(|(group, at)| [group.0.to_be_bytes(), at.raw().to_be_bytes()]).flatten().collect()
}

/// `None` when the bytes are no list of feeds.
fn feeds_of(bytes: &[u8]) -> Option<Vec<(GroupId, SyncKey)>> {
    let (pairs, rest) = bytes.as_chunks::<16>();
    let number = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
    let feed = |pair: &[u8; 16]| {
        let (group, at) = pair.split_at(8);
        Some((GroupId(number(group)?), SyncKey::from_raw(number(at)?)?))
    };
    if rest.is_empty() { pairs.iter().map(feed).collect() } else { None }
}

/// Puts a cursor beside those of other devices; `true` when the device is new here. Of two positions the further one
/// stays, with the feeds it says of itself: both were acknowledged.
fn put(cursors: &mut OfUsers, cursor: DeviceCursor) -> bool {
    let devices = match cursors.entry((cursor.app, cursor.user)) {
        Entry::Occupied(devices) => devices.into_mut(),
        Entry::Vacant(vacant) => {
            vacant.insert(vec![cursor]);
            return true;
        }
    };
    merge(devices, cursor)
}

fn merge(devices: &mut Vec<DeviceCursor>, cursor: DeviceCursor) -> bool {
    match devices.iter_mut().find(|known| known.device == cursor.device) {
        Some(known) => {
            if cursor.position >= known.position {
                *known = cursor;
            }
            false
        }
        None => {
            devices.push(cursor);
            true
        }
    }
}

impl Cursors for RedbState {
    fn load(&self, app: AppId, user: UserId) -> Reply<Result<Vec<DeviceCursor>, PortError>> {
        // Dirty ones are taken first: what is flushed between the two reads is in the database by then.
        let dirty: Vec<_> = self.inner().cursors.lock().of(&(app, user)).cloned().collect();
        let written = read(self.inner(), app, user).map_err(|error| port_error(&error));
        Reply::Ready(written.map(|mut cursors| {
            for cursor in dirty {
                // A device that has no row was forgotten.
                if cursors.iter().any(|known| known.device == cursor.device) {
                    merge(&mut cursors, cursor);
                }
            }
            cursors
        }))
    }

    fn begin(&self, cursor: DeviceCursor) -> Reply<Result<(), PortError>> {
        let insert = move |transaction: &WriteTransaction| {
            let mut tables = Tables::open(transaction)?;
            let key = (cursor.app.0, cursor.user.0, &*cursor.device.0);
            if tables.cursors.get(key)?.is_none() {
                tables.insert(&cursor)?;
            }
            Ok(())
        };
        self.inner().submit(insert, |_, ()| {})
    }

    fn save(&self, cursor: DeviceCursor) {
        let dirty = self.inner().cursors.lock().save(cursor);
        self.inner().flush_soon(dirty);
    }
}

fn read(inner: &Inner, app: AppId, user: UserId) -> Result<Vec<DeviceCursor>, redb::Error> {
    let transaction = inner.read()?;
    let (table, feeds) = (transaction.open_table(CURSORS)?, transaction.open_table(CURSOR_FEEDS)?);
    let mut cursors = Vec::new();
    for row in table.range((app.0, user.0, "")..)? {
        let (key, value) = row?;
        let (row_app, row_user, device) = key.value();
        if (row_app, row_user) != (app.0, user.0) {
            break;
        }
        let (class, position, updated_ms) = value.value();
        let malformed = || redb::Error::Corrupted(format!("the cursor of device {device} is malformed"));
        let lagging = match feeds.get(key.value())? {
            Some(bytes) => feeds_of(bytes.value()).ok_or_else(malformed)?,
            None => Vec::new(),
        };
        cursors.push(DeviceCursor {
            app,
            user,
            device: DeviceKey(device.into()),
            class: class_of(class).ok_or_else(malformed)?,
            position: SyncKey::from_raw(position).ok_or_else(malformed)?,
            lagging,
            updated_ms,
        });
    }
    Ok(cursors)
}

pub(super) fn class_number(class: DeviceClass) -> u8 {
    match class {
        DeviceClass::Phone => 1,
        DeviceClass::Desktop => 2,
        DeviceClass::Web => 3,
    }
}

pub(super) fn class_of(number: u8) -> Option<DeviceClass> {
    match number {
        1 => Some(DeviceClass::Phone),
        2 => Some(DeviceClass::Desktop),
        3 => Some(DeviceClass::Web),
        _ => None,
    }
}
