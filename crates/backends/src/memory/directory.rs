//! The directory of a single process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};

use halley_core::ids::{AppId, ConnId, UserId};
use halley_core::placement::bucket_of;
use halley_core::ports::PortError;
use halley_core::ports::directory::Directory;
use halley_core::reply::Reply;
use halley_core::session::{ConnAddr, SessionInfo};
use parking_lot::Mutex;

/// Sessions of users, in shards. Its gateway lives and dies with it, so there is no lease to keep.
#[derive(Debug)]
pub struct MemoryDirectory {
    shards: Vec<Mutex<Shard>>,
    count: AtomicUsize,
}

/// A user's sessions, oldest first. Most have one: it costs no list.
type Shard = HashMap<(AppId, UserId), Sessions>;

#[derive(Debug)]
enum Sessions {
    One(SessionInfo),
    Many(Vec<SessionInfo>),
}

impl Sessions {
    fn as_slice(&self) -> &[SessionInfo] {
        match self {
            Self::One(session) => std::slice::from_ref(session),
            Self::Many(sessions) => sessions,
        }
    }
}

const SHARDS: u16 = 16;

impl Default for MemoryDirectory {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), count: AtomicUsize::new(0) }
    }
}

impl MemoryDirectory {
    fn shard(&self, app: AppId, user: UserId) -> &Mutex<Shard> {
        &self.shards[usize::from(bucket_of(app, user, SHARDS).0)]
    }

    fn find<T>(&self, app: AppId, user: UserId, look: impl FnOnce(&[SessionInfo]) -> T) -> T {
        let shard = self.shard(app, user).lock();
        look(shard.get(&(app, user)).map_or(&[], Sessions::as_slice))
    }
}

impl Directory for MemoryDirectory {
    fn register(&self, session: SessionInfo) -> Reply<Result<(), PortError>> {
        let mut shard = self.shard(session.app, session.user).lock();
        match shard.entry((session.app, session.user)) {
            Entry::Vacant(vacant) => {
                vacant.insert(Sessions::One(session));
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            Entry::Occupied(mut occupied) => {
                let mut sessions = occupied.get().as_slice().to_vec();
                // A session registered twice is one.
                if let Some(known) = sessions.iter_mut().find(|known| known.addr == session.addr) {
                    *known = session;
                } else {
                    sessions.push(session);
                    self.count.fetch_add(1, Ordering::Relaxed);
                }
                occupied.insert(Sessions::Many(sessions));
            }
        }
        Reply::Ready(Ok(()))
    }

    fn unregister(&self, app: AppId, user: UserId, addr: ConnAddr) -> Reply<Result<(), PortError>> {
        let mut shard = self.shard(app, user).lock();
        if let Entry::Occupied(mut occupied) = shard.entry((app, user)) {
            let sessions = occupied.get().as_slice();
            if sessions.iter().any(|session| session.addr == addr) {
                self.count.fetch_sub(1, Ordering::Relaxed);
                let mut left: Vec<_> =
                    sessions.iter().filter(|session| session.addr != addr).cloned().collect();
                match (left.pop(), left.is_empty()) {
                    (None, _) => {
                        occupied.remove();
                    }
                    (Some(last), true) => {
                        occupied.insert(Sessions::One(last));
                    }
                    (Some(last), false) => {
                        left.push(last);
                        occupied.insert(Sessions::Many(left));
                    }
                }
            }
        }
        Reply::Ready(Ok(()))
    }

    fn sessions(&self, app: AppId, user: UserId) -> Reply<Result<Vec<SessionInfo>, PortError>> {
        Reply::Ready(Ok(self.find(app, user, <[SessionInfo]>::to_vec)))
    }

    fn of_app(&self, app: AppId) -> Reply<Result<Vec<SessionInfo>, PortError>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let of_app = shard.iter().filter(|((of, _), _)| *of == app);
            found.extend(of_app.flat_map(|(_, sessions)| sessions.as_slice()).cloned());
        }
        Reply::Ready(Ok(found))
    }

    fn session(
        &self,
        app: AppId,
        user: UserId,
        conn: ConnId,
    ) -> Reply<Result<Option<SessionInfo>, PortError>> {
        let found = self
            .find(app, user, |sessions| sessions.iter().find(|session| session.addr.conn == conn).cloned());
        Reply::Ready(Ok(found))
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
