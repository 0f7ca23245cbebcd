//! The end of users and apps: their rows go, and what caches hold of them.

use std::ops::Range;
use std::sync::Arc;

use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::floors::FloorOf;
use halley_core::ports::removal::{Held, Removals, deleted_name};
use halley_core::reply::Reply;
use redb::{ReadableTable as _, WriteTransaction};

use super::floors;
use super::port_error;
use super::schema::{
    ALIAS_LAST, ALIAS_NAMES, ALIASES, APPS, CURSOR_FEEDS, CURSORS, DEVICES, FORBIDDEN, GROUPS, MEMBERS,
    PUSH_TOKENS, RELATIONS, SENDER_FLOORS, TIMELINE_FLOORS, TOKENS, USER_GROUPS,
};
use super::store::RedbState;

impl Removals for RedbState {
    fn held(&self, app: AppId, user: UserId) -> Reply<Result<Held, PortError>> {
        let held = (|| {
            let table = self.inner().read()?.open_table(TOKENS)?;
            let mut held = Held::default();
            for row in table.range(tokens_of(app))? {
                held.tokens += u64::from(row?.1.value().0 == user.0);
            }
            Ok(held)
        })();
        Reply::Ready(held.map_err(|error| port_error(&error)))
    }

    fn remove_user(&self, app: AppId, user: UserId) -> Reply<Result<(), PortError>> {
        self.inner().cursors.lock().forget_users(|of| *of == (app, user));
        self.inner()
            .submit(
                move |transaction| remove_user(transaction, app, user),
                move |inner, name| {
                    inner.cursors.lock().forget_users(|of| *of == (app, user));
                    inner.devices.lock().forget_users(|of| *of == (app, user));
                    inner.relations.lock().forget_all();
                    if let Some(name) = name {
                        inner.users.lock().remove(&(app, Arc::<str>::from(name.as_str())));
                        inner.names.lock().insert((app, user), deleted_name(user).into(), 1);
                    }
                },
            )
            .map_unit()
    }

    fn remove_app(&self, app: AppId) -> Reply<Result<(), PortError>> {
        self.inner().cursors.lock().forget_users(|(of, _)| *of == app);
        self.inner().devices.lock().forget_users(|(of, _)| *of == app);
        self.inner().submit(
            move |transaction| remove_app(transaction, app),
            move |inner, ()| {
                inner.apps.write().remove(&app);
                inner.cursors.lock().forget_users(|(of, _)| *of == app);
                inner.devices.lock().forget_users(|(of, _)| *of == app);
                inner.relations.lock().forget_all();
                inner.groups.lock().forget_all();
                inner.floors.publish_end_of(app);
            },
        )
    }
}

trait MapUnit {
    fn map_unit(self) -> Reply<Result<(), PortError>>;
}

impl<T: Send + 'static> MapUnit for Reply<Result<T, PortError>> {
    fn map_unit(self) -> Reply<Result<(), PortError>> {
        match self {
            Self::Ready(done) => Reply::Ready(done.map(|_| ())),
            later => Reply::later(async move { later.await.map(|_| ()) }),
        }
    }
}

fn tokens_of(app: AppId) -> Range<(u32, &'static [u8; 32])> {
    (app.0, &[0; 32])..(app.0 + 1, &[0; 32])
}

/// Answers the id that the user had, if it was no decimal.
fn remove_user(
    transaction: &WriteTransaction,
    app: AppId,
    user: UserId,
) -> Result<Option<String>, redb::Error> {
    let (app, user) = (app.0, user.0);
    transaction.open_table(TOKENS)?.retain_in(tokens_of(AppId(app)), |_, (of, _)| of != user)?;
    let devices = || (app, user, "")..(app, user + 1, "");
    transaction.open_table(CURSORS)?.retain_in(devices(), |_, _| false)?;
    transaction.open_table(CURSOR_FEEDS)?.retain_in(devices(), |_, _| false)?;
    transaction.open_table(DEVICES)?.retain_in(devices(), |_, _| false)?;
    let push_tokens = transaction.open_table(PUSH_TOKENS);
    push_tokens?.retain_in((app, "")..(app + 1, ""), |_, (owner, _)| owner != user)?;
    let in_app = (app, i64::MIN, i64::MIN)..(app + 1, i64::MIN, i64::MIN);
    let is_of_others = |(_, of, other): (u32, i64, i64), _: u8| of != user && other != user;
    transaction.open_table(RELATIONS)?.retain_in(in_app, is_of_others)?;
    transaction.open_table(FORBIDDEN)?.remove((app, user))?;
    let mut names = transaction.open_table(ALIAS_NAMES)?;
    let name = names.get((app, user))?.map(|name| name.value().to_owned());
    let Some(name) = name else { return Ok(None) };
    let mut aliases = transaction.open_table(ALIASES)?;
    // A second removal finds the name of the first: it belongs to nobody, or to somebody else by now.
    let is_own = aliases.get((app, name.as_str()))?.is_some_and(|known| known.value() == user);
    if is_own {
        aliases.remove((app, name.as_str()))?;
    }
    names.insert((app, user), deleted_name(UserId(user)).as_str())?;
    Ok(is_own.then_some(name))
}

fn remove_app(transaction: &WriteTransaction, app: AppId) -> Result<(), redb::Error> {
    let (of, next) = (app.0, app.0 + 1);
    transaction.open_table(APPS)?.remove(of)?;
    transaction.open_table(ALIAS_LAST)?.remove(of)?;
    transaction.open_table(ALIASES)?.retain_in((of, "")..(next, ""), |_, _| false)?;
    transaction.open_table(TOKENS)?.retain_in(tokens_of(app), |_, _| false)?;
    let pairs = || (of, i64::MIN)..(next, i64::MIN);
    transaction.open_table(ALIAS_NAMES)?.retain_in(pairs(), |_, _| false)?;
    transaction.open_table(GROUPS)?.retain_in(pairs(), |_, _| false)?;
    transaction.open_table(FORBIDDEN)?.retain_in(pairs(), |_, _| false)?;
    transaction.open_table(SENDER_FLOORS)?.retain_in(pairs(), |_, _| false)?;
    let triples = || (of, i64::MIN, i64::MIN)..(next, i64::MIN, i64::MIN);
    transaction.open_table(MEMBERS)?.retain_in(triples(), |_, _| false)?;
    transaction.open_table(USER_GROUPS)?.retain_in(triples(), |_, ()| false)?;
    transaction.open_table(RELATIONS)?.retain_in(triples(), |_, _| false)?;
    let devices = || (of, i64::MIN, "")..(next, i64::MIN, "");
    transaction.open_table(CURSORS)?.retain_in(devices(), |_, _| false)?;
    transaction.open_table(CURSOR_FEEDS)?.retain_in(devices(), |_, _| false)?;
    transaction.open_table(DEVICES)?.retain_in(devices(), |_, _| false)?;
    transaction.open_table(PUSH_TOKENS)?.retain_in((of, "")..(next, ""), |_, _| false)?;
    transaction.open_table(TIMELINE_FLOORS)?.retain_in((of, 0, 0)..(next, 0, 0), |_, _| false)?;
    floors::write(transaction, FloorOf::App(app), SyncKey::END)?;
    Ok(())
}
