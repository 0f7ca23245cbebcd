//! Apps and tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use halley_core::app::{App, AppSettings};
use halley_core::ids::{AppId, UserId};
use halley_core::ports::PortError;
use halley_core::ports::accounts::{Apps, TokenGrant, Tokens};
use halley_core::reply::Reply;
use redb::{Database, ReadableDatabase, ReadableTable};
use sha2::{Digest, Sha256};

use super::schema::{APPS, META_APP_LAST, TOKENS};
use super::store::RedbState;
use super::{meta, port_error};

pub(super) fn load_apps(database: &Database) -> Result<BTreeMap<AppId, Arc<App>>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(APPS)?;
    let mut apps = BTreeMap::new();
    for row in table.iter()? {
        let (id, value) = row?;
        let id = AppId(id.value());
        let (name, settings) = value.value();
        apps.insert(id, Arc::new(app(id, name, settings)?));
    }
    Ok(apps)
}

fn app(id: AppId, name: &str, settings: &str) -> Result<App, redb::Error> {
    let settings = serde_json::from_str(settings).map_err(|error| {
        redb::Error::Corrupted(format!("the settings of app {name} do not parse: {error}"))
    })?;
    Ok(App { id, name: name.into(), settings })
}

impl Apps for RedbState {
    fn by_name(&self, name: &str) -> Reply<Result<Option<Arc<App>>, PortError>> {
        let apps = self.inner().apps.read();
        Reply::Ready(Ok(apps.values().find(|app| *app.name == *name).cloned()))
    }

    fn by_id(&self, id: AppId) -> Reply<Result<Option<Arc<App>>, PortError>> {
        Reply::Ready(Ok(self.inner().apps.read().get(&id).cloned()))
    }

    fn list(&self) -> Reply<Result<Vec<Arc<App>>, PortError>> {
        Reply::Ready(Ok(self.inner().apps.read().values().cloned().collect()))
    }

    fn put(&self, name: &str, settings: AppSettings) -> Reply<Result<Arc<App>, PortError>> {
        let name: Arc<str> = name.into();
        self.inner().submit(
            move |transaction| {
                let text = serde_json::to_string(&settings).map_err(|error| {
                    redb::Error::Corrupted(format!("app settings do not serialise: {error}"))
                })?;
                let mut table = transaction.open_table(APPS)?;
                let mut known = None;
                for row in table.iter()? {
                    let (id, value) = row?;
                    if value.value().0 == &*name {
                        known = Some(id.value());
                    }
                }
                let id = match known {
                    Some(id) => id,
                    None => u32::try_from(meta::next_number(transaction, META_APP_LAST)?)
                        .map_err(|_| redb::Error::Corrupted("there are no more app numbers".into()))?,
                };
                table.insert(id, (&*name, text.as_str()))?;
                Ok(Arc::new(App { id: AppId(id), name, settings }))
            },
            |inner, app| {
                inner.apps.write().insert(app.id, Arc::clone(app));
            },
        )
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn grant((user, expires_ms): (i64, u64)) -> TokenGrant {
    TokenGrant { user: UserId(user), expires_ms }
}

impl Tokens for RedbState {
    fn verify(&self, app: AppId, token: &str, now_ms: u64) -> Reply<Result<Option<TokenGrant>, PortError>> {
        let digest = digest(token);
        let found = (|| {
            let table = self.inner().read()?.open_table(TOKENS)?;
            let found = table.get((app.0, &digest))?;
            Ok(found.map(|found| grant(found.value())))
        })();
        let valid = |grant: &TokenGrant| now_ms < grant.expires_ms;
        Reply::Ready(match found {
            Ok(found) => Ok(found.filter(valid)),
            Err(error) => Err(port_error(&error)),
        })
    }

    fn put(&self, app: AppId, token: &str, grant: TokenGrant) -> Reply<Result<(), PortError>> {
        let digest = digest(token);
        self.inner().submit(
            move |transaction| {
                let mut table = transaction.open_table(TOKENS)?;
                table.insert((app.0, &digest), (grant.user.0, grant.expires_ms))?;
                Ok(())
            },
            |_, ()| {},
        )
    }

    fn remove(&self, app: AppId, token: &str) -> Reply<Result<Option<TokenGrant>, PortError>> {
        let digest = digest(token);
        self.inner().submit(
            move |transaction| {
                let mut table = transaction.open_table(TOKENS)?;
                let removed = table.remove((app.0, &digest))?;
                Ok(removed.map(|removed| grant(removed.value())))
            },
            |_, _| {},
        )
    }
}
