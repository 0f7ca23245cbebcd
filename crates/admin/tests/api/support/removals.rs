//! Test doubles of what ends users and apps, of floors and of devices: they note what was asked.

use halley_core::device::DeviceCursor;
use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::ports::PortError;
use halley_core::ports::cursors::Cursors;
use halley_core::ports::floors::{FloorOf, Floors};
use halley_core::ports::removal::{Held, Removals};
use halley_core::reply::Reply;
use halley_core::timeline::TimelineId;

use super::world::World;

impl Removals for World {
    fn held(&self, app: AppId, user: UserId) -> Reply<Result<Held, PortError>> {
        self.answer(|contents| {
            let own = contents.tokens.iter().filter(|((of, _), grant)| *of == app && grant.user == user);
            Ok(Held { tokens: own.count() as u64 })
        })
    }

    fn remove_user(&self, app: AppId, user: UserId) -> Reply<Result<(), PortError>> {
        self.answer(|contents| {
            contents.tokens.retain(|(of, _), grant| *of != app || grant.user != user);
            Ok(())
        })
    }

    fn remove_app(&self, app: AppId) -> Reply<Result<(), PortError>> {
        self.answer(|contents| {
            contents.apps.retain(|known| known.id != app);
            Ok(())
        })
    }
}

impl Floors for World {
    fn floor(&self, _timeline: TimelineId) -> Result<SyncKey, PortError> {
        Ok(SyncKey::START)
    }

    fn sender_floor(&self, _app: AppId, _user: UserId) -> SyncKey {
        SyncKey::START
    }

    fn senders(&self) -> Vec<(AppId, UserId, SyncKey)> {
        Vec::new()
    }

    fn raise(&self, floors: Vec<(FloorOf, SyncKey)>) -> Reply<Result<(), PortError>> {
        self.answer(|contents| {
            contents.floors.extend(floors);
            Ok(())
        })
    }

    fn forget_sender(&self, _app: AppId, _user: UserId) -> Reply<Result<(), PortError>> {
        Reply::Ready(Ok(()))
    }

    fn generation(&self) -> u64 {
        0
    }
}

impl Cursors for World {
    fn load(&self, _app: AppId, _user: UserId) -> Reply<Result<Vec<DeviceCursor>, PortError>> {
        self.answer(|_| Ok(Vec::new()))
    }

    fn begin(&self, _cursor: DeviceCursor) -> Reply<Result<(), PortError>> {
        self.answer(|_| Ok(()))
    }

    fn save(&self, _cursor: DeviceCursor) {}
}
