//! Device records: in memory at once, in the database within seconds.
//!
//! **Invariant:** a push token is shown in one record of its app at most: that of its owner.

use std::collections::HashMap;
use std::sync::Arc;

use halley_core::device::{DeviceKey, DeviceRecord};
use halley_core::ids::{AppId, UserId};
use halley_core::ports::PortError;
use halley_core::ports::devices::Devices;
use halley_core::reply::Reply;
use redb::{ReadableTable, Table, WriteTransaction};

use super::cursors::{class_number, class_of};
use super::port_error;
use super::schema::{CURSOR_FEEDS, CURSORS, DEVICES, DeviceRow, PUSH_TOKENS};
use super::store::{Inner, RedbState};

type Owner = (UserId, DeviceKey);
type OfUsers = HashMap<(AppId, UserId), Vec<DeviceRecord>>;
type Owners = HashMap<(AppId, Arc<str>), Owner>;

/// What is not in the database yet.
#[derive(Default)]
pub(super) struct DirtyDevices {
    new: DeviceFlush,
    count: usize,
    /// What a transaction is writing just now.
    flushing: Option<Arc<DeviceFlush>>,
}

/// Records, and who owns which push token.
#[derive(Default)]
pub(super) struct DeviceFlush {
    records: OfUsers,
    owners: Owners,
}

fn owner(record: &DeviceRecord) -> Owner {
    (record.user, record.key.clone())
}

impl DirtyDevices {
    /// What is dirty of these users is not written any more.
    pub(super) fn forget_users(&mut self, is_gone: impl Fn(&(AppId, UserId)) -> bool) {
        self.new.records.retain(|of, _| !is_gone(of));
        self.new.owners.retain(|(app, _), (user, _)| !is_gone(&(*app, *user)));
    }

    /// Takes a record; answers how many are dirty.
    fn put(&mut self, record: DeviceRecord) -> usize {
        if !record.push_token.is_empty() {
            let token = (record.app, Arc::clone(&record.push_token));
            self.new.owners.insert(token, owner(&record));
        }
        let devices = self.new.records.entry((record.app, record.user)).or_default();
        match devices.iter_mut().find(|known| known.key == record.key) {
            Some(known) => *known = record,
            None => {
                devices.push(record);
                self.count += 1;
            }
        }
        self.count
    }

    /// What is dirty of a user: older first.
    fn of(&self, user: (AppId, UserId)) -> impl Iterator<Item = &DeviceRecord> {
        let flushing = self.flushing.iter().filter_map(move |flushing| flushing.records.get(&user));
        flushing.chain(self.new.records.get(&user)).flatten()
    }

    fn owner(&self, app: AppId, token: &str) -> Option<Owner> {
        let token = (app, Arc::from(token));
        let flushing = self.flushing.as_ref().and_then(|flushing| flushing.owners.get(&token));
        self.new.owners.get(&token).or(flushing).cloned()
    }

    fn forget(&mut self, user: (AppId, UserId), device: &DeviceKey) {
        if let Some(devices) = self.new.records.get_mut(&user) {
            devices.retain(|record| record.key != *device);
        }
        self.new.owners.retain(|(app, _), owner| (*app, owner.0) != user || owner.1 != *device);
    }

    /// Takes what is dirty; it stays visible until [`DirtyDevices::end_flush`].
    pub(super) fn begin_flush(&mut self) -> Option<Arc<DeviceFlush>> {
        if self.flushing.is_some() || self.new.records.is_empty() {
            return None;
        }
        self.count = 0;
        let flush = Arc::new(std::mem::take(&mut self.new));
        self.flushing = Some(Arc::clone(&flush));
        Some(flush)
    }

    /// What was being written is in the database, or dirty again unless something newer is.
    pub(super) fn end_flush(&mut self, is_written: bool) {
        let Some(flush) = self.flushing.take().filter(|_| !is_written) else { return };
        for (token, owner) in &flush.owners {
            self.new.owners.entry(token.clone()).or_insert_with(|| owner.clone());
        }
        for record in flush.records.values().flatten() {
            let devices = self.new.records.entry((record.app, record.user)).or_default();
            if !devices.iter().any(|known| known.key == record.key) {
                devices.push(record.clone());
                self.count += 1;
            }
        }
    }
}

impl DeviceFlush {
    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let mut devices = transaction.open_table(DEVICES)?;
        let mut tokens = transaction.open_table(PUSH_TOKENS)?;
        for record in self.records.values().flatten() {
            let key = (record.app.0, record.user.0, &*record.key.0);
            let before = devices.get(key)?.map(|row| row.value().4.to_owned());
            devices.insert(key, row(record))?;
            // A token that the device has given up is nobody's.
            if let Some(before) = before.filter(|before| *before != *record.push_token) {
                disown(&mut tokens, record.app, &before, &owner(record))?;
            }
        }
        for ((app, token), (user, device)) in &self.owners {
            let key = (app.0, user.0, &*device.0);
            let has_it = devices.get(key)?.is_some_and(|row| row.value().4 == &**token);
            let before = tokens.get((app.0, &**token))?.map(|owner| {
                let (user, device) = owner.value();
                (user, device.to_owned())
            });
            if let Some((old_user, old_device)) = before
                && (old_user, old_device.as_str()) != (user.0, &*device.0)
            {
                strip(&mut devices, (app.0, old_user, &old_device), token)?;
            }
            // It may have given the token up since.
            if has_it {
                tokens.insert((app.0, &**token), (user.0, &*device.0))?;
            } else {
                tokens.remove((app.0, &**token))?;
            }
        }
        Ok(())
    }
}

/// Takes a token from the record that had it.
fn strip(
    devices: &mut Table<'_, (u32, i64, &str), DeviceRow<'_>>,
    key: (u32, i64, &str),
    token: &str,
) -> Result<(), redb::Error> {
    let Some((class, platform, name, user_name, logged_in_ms)) = devices.get(key)?.and_then(|row| {
        let (class, platform, name, user_name, old, logged_in_ms) = row.value();
        (old == token).then(|| (class, platform, name.to_owned(), user_name.to_owned(), logged_in_ms))
    }) else {
        return Ok(());
    };
    devices.insert(key, (class, platform, name.as_str(), user_name.as_str(), "", logged_in_ms))?;
    Ok(())
}

/// Forgets who a token belongs to, if it is this device.
fn disown(
    tokens: &mut Table<'_, (u32, &str), (i64, &str)>,
    app: AppId,
    token: &str,
    (user, device): &Owner,
) -> Result<(), redb::Error> {
    let is_own = tokens.get((app.0, token))?.is_some_and(|owner| owner.value() == (user.0, &*device.0));
    if is_own {
        tokens.remove((app.0, token))?;
    }
    Ok(())
}

fn row(record: &DeviceRecord) -> DeviceRow<'_> {
    let class = class_number(record.class);
    (class, record.platform, &record.name, &record.user_name, &record.push_token, record.logged_in_ms)
}

impl Devices for RedbState {
    fn of_user(&self, app: AppId, user: UserId) -> Reply<Result<Vec<DeviceRecord>, PortError>> {
        // Under the lock, so that nothing moves from memory to the database in between; the reads are of cached pages.
        let dirty = self.inner().devices.lock();
        Reply::Ready(of_user(self.inner(), &dirty, app, user).map_err(|error| port_error(&error)))
    }

    fn put(&self, record: DeviceRecord) {
        let dirty = self.inner().devices.lock().put(record);
        self.inner().flush_soon(dirty);
    }

    fn remove(&self, app: AppId, user: UserId, device: DeviceKey) -> Reply<Result<bool, PortError>> {
        let known = {
            let mut dirty = self.inner().devices.lock();
            let known = dirty.of((app, user)).any(|record| record.key == device);
            dirty.forget((app, user), &device);
            known
        };
        self.inner().cursors.lock().forget((app, user), &device);
        self.inner().submit(
            move |transaction| {
                let key = (app.0, user.0, &*device.0);
                let token = {
                    let mut devices = transaction.open_table(DEVICES)?;
                    devices.remove(key)?.map(|row| row.value().4.to_owned())
                };
                if let Some(token) = &token {
                    let owner = (user, device.clone());
                    disown(&mut transaction.open_table(PUSH_TOKENS)?, app, token, &owner)?;
                }
                let cursor = transaction.open_table(CURSORS)?.remove(key)?.is_some();
                transaction.open_table(CURSOR_FEEDS)?.remove(key)?;
                Ok(known || token.is_some() || cursor)
            },
            |_, _| {},
        )
    }

    fn push_token_owner(
        &self,
        app: AppId,
        push_token: &str,
    ) -> Reply<Result<Option<(UserId, DeviceKey)>, PortError>> {
        let dirty = self.inner().devices.lock();
        let found = (|| {
            let Some((user, device)) = owner_of(self.inner(), &dirty, app, push_token)? else {
                return Ok(None);
            };
            let records = of_user(self.inner(), &dirty, app, user)?;
            let is_its = |record: &DeviceRecord| record.key == device && *record.push_token == *push_token;
            Ok(records.iter().any(is_its).then_some((user, device)))
        })();
        Reply::Ready(found.map_err(|error: redb::Error| port_error(&error)))
    }
}

fn of_user(
    inner: &Inner,
    dirty: &DirtyDevices,
    app: AppId,
    user: UserId,
) -> Result<Vec<DeviceRecord>, redb::Error> {
    let mut records = read(inner, app, user)?;
    for record in dirty.of((app, user)) {
        match records.iter_mut().find(|known| known.key == record.key) {
            Some(known) => *known = record.clone(),
            None => records.push(record.clone()),
        }
    }
    for record in &mut records {
        if !record.push_token.is_empty()
            && owner_of(inner, dirty, app, &record.push_token)? != Some(owner(record))
        {
            record.push_token = Arc::from("");
        }
    }
    Ok(records)
}

fn owner_of(
    inner: &Inner,
    dirty: &DirtyDevices,
    app: AppId,
    token: &str,
) -> Result<Option<Owner>, redb::Error> {
    if let Some(owner) = dirty.owner(app, token) {
        return Ok(Some(owner));
    }
    let table = inner.read()?.open_table(PUSH_TOKENS)?;
    Ok(table.get((app.0, token))?.map(|owner| {
        let (user, device) = owner.value();
        (UserId(user), DeviceKey(device.into()))
    }))
}

fn read(inner: &Inner, app: AppId, user: UserId) -> Result<Vec<DeviceRecord>, redb::Error> {
    let table = inner.read()?.open_table(DEVICES)?;
    let mut records = Vec::new();
    for entry in table.range((app.0, user.0, "")..)? {
        let (key, value) = entry?;
        let (row_app, row_user, device) = key.value();
        if (row_app, row_user) != (app.0, user.0) {
            break;
        }
        let (class, platform, name, user_name, push_token, logged_in_ms) = value.value();
        let malformed = || redb::Error::Corrupted(format!("the record of device {device} is malformed"));
        records.push(DeviceRecord {
            app,
            user,
            key: DeviceKey(device.into()),
            class: class_of(class).ok_or_else(malformed)?,
            platform,
            name: name.into(),
            user_name: user_name.into(),
            push_token: push_token.into(),
            logged_in_ms,
        });
    }
    Ok(records)
}
