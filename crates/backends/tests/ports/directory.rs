//! [`Directory`]: sessions come and go, each by its own address.

use std::net::{Ipv4Addr, SocketAddr};

use halley_backends::memory::MemoryDirectory;
use halley_core::ids::{AppId, BucketId, ConnId, NodeId, UserId};
use halley_core::ports::directory::Directory;
use halley_core::session::{ConnAddr, SessionInfo, Transport};

use crate::common::APP;

fn session(user: i64, conn: u64) -> SessionInfo {
    SessionInfo {
        addr: ConnAddr { node: NodeId(0), bucket: BucketId(0), conn: ConnId(conn) },
        app: APP,
        user: UserId(user),
        user_name: user.to_string().into(),
        device: None,
        transport: Transport::TxchatTcp,
        remote: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        since_ms: conn,
    }
}

fn now<T>(reply: halley_core::reply::Reply<T>) -> T {
    futures::executor::block_on(reply)
}

#[test]
fn sessions_of_a_user_are_found_oldest_first_and_leave_one_by_one() {
    let directory = MemoryDirectory::default();
    for conn in 1..=3 {
        now(directory.register(session(7, conn))).expect("registers");
    }
    now(directory.register(session(8, 4))).expect("registers");
    now(directory.register(session(7, 2))).expect("twice is once");
    assert_eq!(directory.count(), 4);
    let conns = |user| -> Vec<u64> {
        let sessions = now(directory.sessions(APP, UserId(user))).expect("reads");
        sessions.iter().map(|session| session.addr.conn.0).collect()
    };
    assert_eq!(conns(7), [1, 2, 3]);
    assert_eq!(now(directory.sessions(AppId(2), UserId(7))), Ok(vec![]));
    let found = now(directory.session(APP, UserId(7), ConnId(2))).expect("reads");
    assert_eq!(found, Some(session(7, 2)));
    assert_eq!(now(directory.session(APP, UserId(8), ConnId(2))), Ok(None));

    let leave = |user: i64, conn| {
        now(directory.unregister(APP, UserId(user), session(user, conn).addr)).expect("unregisters");
    };
    leave(7, 2);
    leave(7, 2);
    leave(7, 99);
    assert_eq!(conns(7), [1, 3]);
    leave(7, 3);
    leave(7, 1);
    assert_eq!(conns(7), Vec::<u64>::new());
    assert_eq!(directory.count(), 1);
}
