//! User ids and their numbers.

use std::sync::Arc;

use halley_core::ids::{AppId, UserId};
use halley_core::ports::PortError;
use halley_core::ports::accounts::{USER_NAME_BYTES_MAX, Unknown, Users};
use halley_core::reply::Reply;
use redb::{ReadableTable, WriteTransaction};

use super::port_error;
use super::schema::{ALIAS_LAST, ALIAS_NAMES, ALIASES};
use super::store::{Inner, RedbState};

impl Users for RedbState {
    fn number(&self, app: AppId, name: &str, unknown: Unknown) -> Reply<Result<Option<UserId>, PortError>> {
        if name.is_empty() || name.len() > USER_NAME_BYTES_MAX {
            return Reply::Ready(Ok(None));
        }
        if let Some(user) = UserId::from_decimal(name) {
            return Reply::Ready(Ok(Some(user)));
        }
        let name: Arc<str> = name.into();
        let key = (app, Arc::clone(&name));
        if let Some(user) = self.inner().users.lock().get(&key) {
            return Reply::Ready(Ok(Some(user)));
        }
        match find(self.inner(), app, &name) {
            Err(error) => return Reply::Ready(Err(port_error(&error))),
            Ok(None) if unknown == Unknown::Number => {}
            Ok(found) => {
                if let Some(user) = found {
                    keep(self.inner(), app, &name, user);
                }
                return Reply::Ready(Ok(found));
            }
        }
        let published = Arc::clone(&name);
        self.inner().submit(
            move |transaction| give(transaction, app, &name).map(Some),
            move |inner, user| {
                if let Some(user) = user {
                    keep(inner, app, &published, *user);
                }
            },
        )
    }

    fn name(&self, app: AppId, user: UserId) -> Reply<Result<Option<Arc<str>>, PortError>> {
        if user.0 <= 0 {
            return Reply::Ready(Ok(None));
        }
        if !user.is_alias() {
            return Reply::Ready(Ok(Some(user.to_string().into())));
        }
        if let Some(name) = self.inner().names.lock().get(&(app, user)) {
            return Reply::Ready(Ok(Some(name)));
        }
        let found = (|| {
            let table = self.inner().read()?.open_table(ALIAS_NAMES)?;
            let found = table.get((app.0, user.0))?;
            Ok(found.map(|name| Arc::<str>::from(name.value())))
        })();
        if let Ok(Some(name)) = &found {
            keep(self.inner(), app, name, user);
        }
        Reply::Ready(found.map_err(|error| port_error(&error)))
    }
}

fn keep(inner: &Inner, app: AppId, name: &Arc<str>, user: UserId) {
    inner.users.lock().insert((app, Arc::clone(name)), user, 1);
    inner.names.lock().insert((app, user), Arc::clone(name), 1);
}

fn find(inner: &Inner, app: AppId, name: &str) -> Result<Option<UserId>, redb::Error> {
    let table = inner.read()?.open_table(ALIASES)?;
    let found = table.get((app.0, name))?;
    Ok(found.map(|user| UserId(user.value())))
}

/// The number of an id, a new one when it has none yet. Two who ask at once get the same.
fn give(transaction: &WriteTransaction, app: AppId, name: &str) -> Result<UserId, redb::Error> {
    let mut aliases = transaction.open_table(ALIASES)?;
    if let Some(known) = aliases.get((app.0, name))? {
        return Ok(UserId(known.value()));
    }
    let mut last = transaction.open_table(ALIAS_LAST)?;
    let given = last.get(app.0)?.map(|last| last.value());
    let next = given.map_or(UserId::ALIAS_FIRST.0, |given| given + 1);
    if next > UserId::ALIAS_LAST.0 {
        return Err(redb::Error::Corrupted(format!("app {app} has used every alias number")));
    }
    last.insert(app.0, next)?;
    aliases.insert((app.0, name), next)?;
    transaction.open_table(ALIAS_NAMES)?.insert((app.0, next), name)?;
    Ok(UserId(next))
}
