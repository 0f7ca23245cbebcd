//! Test doubles of directory, gateways and messages.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use halley_core::command::{ReplyTo, SendOutcome};
use halley_core::device::{Device, DeviceClass, DeviceKey, DeviceRecord};
use halley_core::ids::{AppId, BucketId, ConnId, MsgId, NodeId, UserId};
use halley_core::message::Content;
use halley_core::ports::PortError;
use halley_core::ports::business::{
    Announced, Announcements, BusinessSend, Entries, EntryError, Messages, NewEntry, Placed, SystemMessage,
};
use halley_core::ports::devices::Devices;
use halley_core::ports::directory::Directory;
use halley_core::ports::gateways::{Gateways, Pushed, Transient};
use halley_core::reply::Reply;
use halley_core::session::{ConnAddr, KickReason, SessionInfo, Transport};

use super::world::{NOW_MS, World};

impl World {
    /// A session of this user, with a phone.
    pub(crate) fn add_session(&self, user: UserId, conn: u64) -> ConnAddr {
        let addr = ConnAddr { node: NodeId(0), bucket: BucketId(1), conn: ConnId(conn) };
        let device = Device {
            key: DeviceKey::new("u-1", DeviceClass::Phone, "phone of one"),
            class: DeviceClass::Phone,
            platform: 1,
            name: "phone of one".into(),
        };
        self.contents.lock().sessions.push(SessionInfo {
            addr,
            app: AppId(1),
            user,
            user_name: user.to_string().into(),
            device: (conn % 2 == 1).then(|| Arc::new(device)),
            transport: Transport::TxchatTcp,
            remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)),
            since_ms: NOW_MS,
        });
        addr
    }
}

impl World {
    /// The record of that phone.
    pub(crate) fn add_device(&self, user: UserId) {
        self.contents.lock().devices.push(DeviceRecord {
            app: AppId(1),
            user,
            key: DeviceKey::new("u-1", DeviceClass::Phone, ""),
            class: DeviceClass::Phone,
            platform: 1,
            name: "phone of one".into(),
            user_name: "One".into(),
            push_token: "p-1".into(),
            logged_in_ms: NOW_MS,
        });
    }
}

impl Devices for World {
    fn of_user(&self, app: AppId, user: UserId) -> Reply<Result<Vec<DeviceRecord>, PortError>> {
        self.answer(|contents| {
            let own = contents.devices.iter().filter(|device| (device.app, device.user) == (app, user));
            Ok(own.cloned().collect())
        })
    }

    fn put(&self, record: DeviceRecord) {
        self.contents.lock().devices.push(record);
    }

    fn remove(&self, app: AppId, user: UserId, device: DeviceKey) -> Reply<Result<bool, PortError>> {
        self.answer(|contents| {
            let before = contents.devices.len();
            contents.devices.retain(|known| (known.app, known.user, &known.key) != (app, user, &device));
            Ok(contents.devices.len() < before)
        })
    }

    fn push_token_owner(
        &self,
        _app: AppId,
        _push_token: &str,
    ) -> Reply<Result<Option<(UserId, DeviceKey)>, PortError>> {
        self.answer(|_| Ok(None))
    }
}

impl Directory for World {
    fn register(&self, session: SessionInfo) -> Reply<Result<(), PortError>> {
        self.answer(|contents| {
            contents.sessions.push(session);
            Ok(())
        })
    }

    fn unregister(&self, _app: AppId, _user: UserId, addr: ConnAddr) -> Reply<Result<(), PortError>> {
        self.answer(|contents| {
            contents.sessions.retain(|session| session.addr != addr);
            Ok(())
        })
    }

    fn sessions(&self, app: AppId, user: UserId) -> Reply<Result<Vec<SessionInfo>, PortError>> {
        self.answer(|contents| {
            let sessions = contents.sessions.iter();
            let own = sessions.filter(|session| session.app == app && session.user == user);
            Ok(own.cloned().collect())
        })
    }

    fn of_app(&self, app: AppId) -> Reply<Result<Vec<SessionInfo>, PortError>> {
        self.answer(|contents| {
            Ok(contents.sessions.iter().filter(|session| session.app == app).cloned().collect())
        })
    }

    fn session(
        &self,
        app: AppId,
        user: UserId,
        conn: ConnId,
    ) -> Reply<Result<Option<SessionInfo>, PortError>> {
        self.answer(|contents| {
            let mut sessions = contents.sessions.iter();
            let found = sessions
                .find(|session| session.app == app && session.user == user && session.addr.conn == conn);
            Ok(found.cloned())
        })
    }

    fn count(&self) -> usize {
        self.contents.lock().sessions.len()
    }
}

impl Gateways for World {
    fn reply(&self, _to: ReplyTo, _outcome: SendOutcome) -> bool {
        false
    }

    fn kick(&self, addr: ConnAddr, reason: KickReason) -> bool {
        let mut contents = self.contents.lock();
        if contents.kicks_refused {
            return false;
        }
        contents.kicks.push((addr, reason));
        contents.sessions.retain(|session| session.addr != addr);
        true
    }

    fn session(&self, addr: ConnAddr) -> Reply<Option<SessionInfo>> {
        let contents = self.contents.lock();
        Reply::Ready(contents.sessions.iter().find(|session| session.addr == addr).cloned())
    }

    fn push(&self, _addr: ConnAddr, _what: Transient) -> Reply<Pushed> {
        Reply::Ready(Pushed::Nobody)
    }

    fn broadcast(&self, app: AppId, _what: Transient) -> Reply<usize> {
        let contents = self.contents.lock();
        Reply::Ready(contents.sessions.iter().filter(|session| session.app == app).count())
    }
}

impl Messages for World {
    fn send(&self, send: BusinessSend) -> Reply<Result<SendOutcome, PortError>> {
        self.answer(|contents| {
            contents.sends.push(send);
            let accepted = SendOutcome::Accepted { id: MsgId(7_000_000_000_000_000_001), time_ms: NOW_MS };
            Ok(contents.outcome.unwrap_or(accepted))
        })
    }
}

impl Entries for World {
    fn append(&self, _entry: NewEntry) -> Reply<Result<Placed, EntryError>> {
        panic!("the API puts no raw entries anywhere")
    }

    fn system(&self, message: SystemMessage) -> Reply<Result<Vec<Placed>, EntryError>> {
        self.answer(|contents| {
            if let Some(error) = contents.entry_error.clone() {
                return Err(error);
            }
            let ids = 0..i64::try_from(message.users.len()).expect("few");
            contents.system.push(message);
            Ok(ids.map(|id| Placed { id: MsgId(8_000 + id), time_ms: NOW_MS }).collect())
        })
    }
}

impl Announcements for World {
    fn announce(&self, app: AppId, content: Content) -> Reply<Result<Announced, EntryError>> {
        self.answer(|contents| {
            if let Some(error) = contents.entry_error.clone() {
                return Err(error);
            }
            contents.announced.push(content);
            let sessions = contents.sessions.iter().filter(|session| session.app == app).count();
            Ok(Announced { id: MsgId(9_000), sessions })
        })
    }
}
